// The page's side of the service worker, and how much of the first download is missing.

import { decimal, tr } from './words.js';

const LOOK_BACK = 10_000; // ms that the speed of the download is taken over
const LEAST_LOOK = 1500; // ms: before, nothing can be said
const FIRST_CONTROL = 3000; // ms for a new worker to take the page over: it never takes one that was forced to reload

const LAST_WORD = 300; // ms that a worker's last word may take

/**
 * @typedef {object} Progress
 * @property {number} done bytes
 * @property {number} all bytes
 * @property {boolean} [broken] the connection is gone for the moment
 * @property {'network' | 'storage'} [failed] it was given up
 */

/** The connection broke, and what has come is kept: to be tried again. */
export class DownloadBroken extends Error {}

/** The first download as it goes; a 'change' event for every word about it. */
export class Download extends EventTarget {
  constructor() {
    super();
    this.done = 0; // bytes
    this.all = 0;
    this.broken = false;
    /** @type {{at: number, done: number}[]} */
    this._reports = [];
  }

  /** @param {Progress} progress */
  report({ done, all, broken = false }) {
    const at = performance.now();
    if (done < this.done || broken) {
      this._reports = []; // a file begins anew
    }
    [this.done, this.all, this.broken] = [done, all, broken];
    this._reports.push({ at, done });
    while (at - this._reports[0].at > LOOK_BACK) {
      this._reports.shift();
    }
    this.dispatchEvent(new Event('change'));
  }

  /** Seconds to go at the speed of the last ones; null while that can't be told. */
  get seconds() {
    const first = this._reports.at(0);
    const last = this._reports.at(-1);
    if (!first || !last || last.at - first.at < LEAST_LOOK || last.done <= first.done) {
      return null;
    }
    return ((this.all - this.done) * (last.at - first.at)) / 1000 / (last.done - first.done);
  }

  /** What is missing, in words; of somebody who waits for it. */
  get words() {
    if (this.broken) {
      return tr('connection_broken', this._megabytes);
    }
    const seconds = this.seconds;
    if (!this.all || this.done >= this.all) {
      return tr('almost_ready');
    }
    return seconds === null
      ? tr('still_missing', this._megabytes)
      : tr('still_missing_seconds', { ...this._megabytes, seconds: decimal(Math.max(1, Math.ceil(seconds))) });
  }

  /** How far it is, in words. */
  get progress() {
    return this.broken ? tr('no_connection') : tr('getting_ready', this._megabytes);
  }

  get _megabytes() {
    const [done, all] = [this.done / 1e6, this.all / 1e6];
    return { done: decimal(done, 1), all: decimal(all, 1), missing: decimal(Math.max(0.1, all - done), 1) };
  }
}

/**
 * Put the page into the browser's cache, and let the service worker answer from there from now on.
 *
 * @param {(progress: Progress) => void} report of the first download
 * @param {(takeOver: () => void) => void} renewed a new version waits to take over
 * @returns {Promise<boolean>} whether the page works offline; it works online without
 * @throws {DownloadBroken}
 */
export async function goOffline(report, renewed) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) {
    return false;
  }
  let failed = '';
  const hear = (/** @type {MessageEvent<Progress>} */ { data }) => {
    if (!('all' in data) || 'file' in data) {
      return;
    }
    failed = data.failed ?? failed; // other files may still be on their way
    report(data);
  };
  const url = new URL('../service_worker.js', import.meta.url);
  const registering = serviceWorker.register(url, { updateViaCache: 'none' });
  if (serviceWorker.controller) {
    // All is here. An update that is on its way, or can't get on, would keep us waiting for minutes.
    registering
      .then((registration) => {
        watch(registration, renewed);
        return registration.update(); // WebKit does not look by itself at each visit
      })
      .catch((error) => console.info('no update', error));
    return true;
  }
  serviceWorker.addEventListener('message', hear);
  try {
    const registration = await registering;
    watch(registration, renewed);
    await installed(registration);
    await controlled();
    return true;
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, LAST_WORD)); // it may come after the end
    if (failed === 'network' || !navigator.onLine) {
      throw new DownloadBroken('the connection broke', { cause: error });
    }
    console.warn('the page does not work offline', error);
    return false;
  } finally {
    serviceWorker.removeEventListener('message', hear);
  }
}

/** Let what the page does not need at once come in the background. */
export function fetchTheRest() {
  navigator.serviceWorker?.controller?.postMessage('the rest');
}

/**
 * Hear how far files are that were asked for later.
 *
 * @param {(file: string, done: number, all: number) => void} report
 */
export function onFile(report) {
  navigator.serviceWorker?.addEventListener('message', ({ data }) => data.file && report(data.file, data.done, data.all));
}

/**
 * @param {ServiceWorkerRegistration} registration
 * @param {(takeOver: () => void) => void} renewed
 */
function watch(registration, renewed) {
  const { serviceWorker } = navigator;
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
  registration.installing?.addEventListener('statechange', waits); // found before we could listen
  registration.addEventListener('updatefound', () =>
    registration.installing?.addEventListener('statechange', waits),
  );
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

function controlled() {
  const { serviceWorker } = navigator;
  return new Promise((resolve) => {
    serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    if (serviceWorker.controller) {
      resolve(undefined);
    }
    setTimeout(resolve, FIRST_CONTROL);
  });
}
