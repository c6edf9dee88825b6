// The page's side of the worker that computes.

import { chosen } from './danced.js';
import { settings } from './settings.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

/**
 * @typedef {object} Heard
 * @property {import('../engine/live.js').Level} level
 * @property {number} seconds of the recording so far
 * @property {Prediction | null} prediction null where there is nothing new
 * @property {boolean} nothing whether the microphone gives nothing but zeros
 */

export class Engine extends EventTarget {
  constructor() {
    super();
    /** @type {Worker | null} */
    this._worker = null;
    /** @type {Definition | null} null until it is ready */
    this.definition = null;
    /** @type {(definition: Definition) => void} */
    this._isReady = () => {};
    /** @type {Promise<Definition>} settled as soon as it can listen and read; whatever needs it waits for this */
    this.ready = new Promise((resolve) => (this._isReady = resolve));
    this.exact = false; // whether the model in float is used
    this._files = 0;
    this._asked = 0;
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
          this.exact = data.exact;
          this._isReady(data.definition);
          resolve(data.definition);
        } else if (data.type === 'unusable') {
          reject(new Error(data.detail));
        } else if (['taken', 'result', 'failed'].includes(data.type)) {
          this._reading?.(data);
        } else {
          this.dispatchEvent(new CustomEvent(data.type, { detail: data }));
        }
      };
      worker.postMessage({ type: 'load', exact: settings.exact });
    });
  }

  /**
   * Take the model in float, or the small one, from the next recording on.
   *
   * @param {boolean} exact
   * @returns {Promise<boolean>} whether it could be had
   */
  use(exact) {
    return new Promise((resolve) => {
      const settle = (/** @type {Event} */ event) => {
        this.removeEventListener('using', settle);
        this.removeEventListener('not used', settle);
        const had = event.type === 'using';
        this.exact = had ? exact : this.exact;
        resolve(had);
      };
      this.addEventListener('using', settle);
      this.addEventListener('not used', settle);
      this._worker?.postMessage({ type: 'use', exact });
    });
  }

  /**
   * Ask the worker.
   *
   * @param {'taught' | 'learn' | 'segments'} what
   * @param {object} given
   * @returns {Promise<any>} rejects with the key of a sentence
   */
  ask(what, given) {
    const id = ++this._asked;
    return new Promise((resolve, reject) => {
      const hear = (/** @type {Event} */ event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        if (detail.id === id) {
          this.removeEventListener('answer', hear);
          if (detail.problem) {
            reject(new Error(detail.problem, { cause: detail.detail }));
          } else {
            resolve(detail.found);
          }
        }
      };
      this.addEventListener('answer', hear);
      this._worker?.postMessage({ type: 'ask', id, what, given });
    });
  }

  /** What is danced here, for the worker. */
  get _danced() {
    const dances = this.definition && settings.danced ? chosen(this.definition, settings.danced) : [];
    return { dances, nothingElse: settings.nothingElse };
  }

  /** Whether and how the count is shown, for the worker. */
  get _count() {
    const wanted = settings.count && document.visibilityState === 'visible';
    return { wanted, latency: settings.latency / 1000 };
  }

  /** The count is wanted, seen, or shown otherwise than before. */
  count() {
    this._worker?.postMessage({ type: 'count', ...this._count });
  }

  /** A dancer says that the one is now. */
  theOne() {
    this._worker?.postMessage({ type: 'the one', at: Date.now() });
  }

  /**
   * Follow a microphone; 'heard' events tell what it hears. To be called once it is `ready`.
   *
   * @param {MessagePort} port
   * @param {number} sampleRate Hz
   * @param {boolean} goesOn whether it takes over from the one before, in the same evening
   */
  listen(port, sampleRate, goesOn = false) {
    const type = goesOn ? 'go on' : 'listen';
    this._worker?.postMessage({ type, port, sampleRate, danced: this._danced, count: this._count }, [port]);
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
    worker?.postMessage({ type: 'open', id, sampleRate, danced: this._danced });
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
