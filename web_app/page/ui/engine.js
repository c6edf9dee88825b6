// The page's side of the worker and of the service worker.

/** @typedef {import('../engine/definition.js').Definition} Definition */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

/**
 * @typedef {object} Heard
 * @property {import('../engine/level.js').Level} level
 * @property {number} seconds of the recording so far
 * @property {Prediction | null} prediction null where there is nothing new
 * @property {boolean} nothing whether the microphone gives nothing but zeros
 */

/**
 * Put the page into the browser's cache, and let the service worker answer from there from now on.
 *
 * @param {(progress: {done: number, all: number}) => void} progress of the first download, bytes
 * @param {(takeOver: () => void) => void} renewed a new version waits to take over
 * @returns {Promise<boolean>} whether the page works offline; it works online without
 */
export async function goOffline(progress, renewed) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) {
    return false;
  }
  serviceWorker.addEventListener('message', ({ data }) => progress(data));
  try {
    const registration = await serviceWorker.register(new URL('../service_worker.js', import.meta.url));
    const waits = () => {
      const waiting = registration.waiting;
      if (waiting && serviceWorker.controller) {
        renewed(() => {
          serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
          waiting.postMessage('take over');
        });
      }
    };
    waits();
    registration.addEventListener('updatefound', () =>
      registration.installing?.addEventListener('statechange', waits),
    );
    if (!serviceWorker.controller) {
      await installed(registration);
      await new Promise((resolve) => {
        serviceWorker.addEventListener('controllerchange', resolve, { once: true });
        if (serviceWorker.controller) {
          resolve(undefined);
        }
        setTimeout(resolve, 3000); // a forced reload is never controlled
      });
    }
    return true;
  } catch (error) {
    console.warn('the page does not work offline', error);
    return false;
  }
}

/** @param {ServiceWorkerRegistration} registration */
function installed(registration) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  return new Promise((resolve, reject) => {
    const look = () => {
      if (worker?.state === 'activated') {
        resolve(undefined);
      } else if (worker?.state === 'redundant') {
        reject(new Error('the download failed'));
      }
    };
    worker?.addEventListener('statechange', look);
    look();
  });
}

export class Engine extends EventTarget {
  constructor() {
    super();
    /** @type {Worker | null} */
    this._worker = null;
    /** @type {Definition | null} */
    this.definition = null;
    this._files = 0;
    /** @type {((message: any) => void) | null} of the file that is being read */
    this._reading = null;
  }

  /**
   * Load the model; rejects where that fails, and may be tried again.
   *
   * @returns {Promise<Definition>}
   */
  load() {
    this._worker?.terminate();
    const worker = new Worker(new URL('../engine/worker.js', import.meta.url), { type: 'module' });
    this._worker = worker;
    return new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => {
        if (data.type === 'ready') {
          this.definition = data.definition;
          resolve(data.definition);
        } else if (data.type === 'unusable') {
          reject(new Error(data.detail));
        } else if (['taken', 'result', 'failed'].includes(data.type)) {
          this._reading?.(data);
        } else {
          this.dispatchEvent(new CustomEvent(data.type, { detail: data }));
        }
      };
      worker.postMessage({ type: 'load' });
    });
  }

  /**
   * Follow a microphone; 'heard' events tell what it hears.
   *
   * @param {MessagePort} port
   * @param {number} sampleRate Hz
   */
  listen(port, sampleRate) {
    this._worker?.postMessage({ type: 'listen', port, sampleRate }, [port]);
  }

  stop() {
    this._worker?.postMessage({ type: 'stop' });
  }

  /**
   * Read a recording.
   *
   * @param {import('./decode.js').Recording} recording
   * @param {(share: number) => void} progress
   * @param {AbortSignal} signal
   * @returns {Promise<Prediction>} rejects with the key of a sentence
   */
  async read({ sampleRate, blocks }, progress, signal) {
    const worker = this._worker;
    const id = ++this._files;
    /** @type {any[]} */
    const messages = [];
    let arrived = () => {};
    this._reading = (message) => {
      if (message.id === id) {
        messages.push(message);
        arrived();
      }
    };
    const answer = async () => {
      while (!messages.length) {
        signal.throwIfAborted();
        await new Promise((resolve) => {
          arrived = () => resolve(undefined);
          signal.addEventListener('abort', arrived, { once: true });
        });
      }
      const message = messages.shift();
      if (message.type === 'failed') {
        throw new Error(message.problem, { cause: message.detail });
      }
      return message;
    };
    worker?.postMessage({ type: 'open', id, sampleRate });
    try {
      for await (const block of blocks) {
        signal.throwIfAborted();
        worker?.postMessage({ type: 'block', id, samples: block.samples }, [block.samples.buffer]);
        await answer();
        progress(block.progress);
      }
      worker?.postMessage({ type: 'end', id });
      return (await answer()).prediction;
    } catch (error) {
      worker?.postMessage({ type: 'cancel' });
      throw error;
    }
  }
}
