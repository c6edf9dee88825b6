// Keeps the whole page in the browser's cache, so that it works without a network. What is in the cache is
// checked against its hash before its first use, and fetched anew where it was damaged.
//
// `python -m web_app build` puts the list PRECACHE in front of this file: so that its bytes change with every
// version, and no cache on the way can hide one. Behind it stands `unlzma`: what is packed in LZMA is unpacked once, and
// kept so, for that takes a phone a second or more; browsers unpack gzip themselves, in no time. Scripts that only come
// through here are packed too, so that they are small on any host; the others get them as they are.

/* global PRECACHE, unlzma */
/// <reference path="./vendor_types/precache.d.ts" />

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const PREFIX = 'whichdance-';
const CACHE = PREFIX + PRECACHE.version;
const HASH = 'X-Content-Hash';
const UNPACKED = 'X-Unpacked'; // tells the page that it need not do it
const INDEX = 'index.html';
const AT_ONCE = 4; // downloads
const RETRY_SECONDS = [1, 2, 4, 8, 15, 30, 30]; // before a file is asked for again; browsers end us after minutes
const PART = '.part'; // behind the name of a file of which only the beginning is here
const STALLED_SECONDS = 20; // without a byte: the connection is dead, whatever it says
const TELL_MS = 200; // between two words about progress

/** @type {Set<string>} files whose cached bytes were checked since this worker started */
const checked = new Set();

worker.addEventListener('install', (event) => event.waitUntil(fill()));

worker.addEventListener('activate', (event) =>
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith(PREFIX) && name !== CACHE) {
          await caches.delete(name);
        }
      }
      await worker.clients.claim();
    })(),
  ),
);

worker.addEventListener('message', (event) => {
  if (event.data === 'take over') {
    worker.skipWaiting();
  } else if (event.data === 'the rest') {
    event.waitUntil(fillRest());
  }
});

worker.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const scope = worker.registration.scope;
  if (method !== 'GET' || !url.startsWith(scope)) {
    return;
  }
  const file = new URL(url).pathname.slice(new URL(scope).pathname.length) || INDEX;
  if (file in PRECACHE.hashes) {
    event.respondWith(answer(file));
  }
});

/** Counts the bytes of the first download, and tells the pages. */
class Progress {
  constructor() {
    /** @type {Map<string, number>} */
    this._bytes = new Map();
    this._toldAt = 0;
  }

  /**
   * @param {string} file
   * @param {number} bytes of it that are here
   */
  at(file, bytes) {
    this._bytes.set(file, Math.min(bytes, PRECACHE.sizes[file]));
    if (performance.now() - this._toldAt >= TELL_MS) {
      this._toldAt = performance.now();
      this.tell();
    }
  }

  /** @param {{broken?: boolean, failed?: 'network' | 'storage'}} [trouble] */
  async tell(trouble = {}) {
    const done = [...this._bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
    for (const client of await worker.clients.matchAll({ includeUncontrolled: true })) {
      client.postMessage({ done, all: PRECACHE.bytes, ...trouble });
    }
  }
}

/** Counts the bytes of one file that somebody waits for. */
class FileProgress {
  /** @param {string} file */
  constructor(file) {
    this._file = file;
    this._toldAt = 0;
  }

  /** @param {number} done bytes of it that are here */
  async at(done) {
    if (!PRECACHE.wanted.includes(this._file) || performance.now() - this._toldAt < TELL_MS) {
      return;
    }
    this._toldAt = performance.now();
    for (const client of await worker.clients.matchAll()) {
      client.postMessage({ file: this._file, done, all: PRECACHE.sizes[this._file] });
    }
  }
}

/** The network's fault: what is here already is kept, and the rest is worth another try. */
class Broken extends Error {}

/** Download everything, the large files first, but for what is here or an earlier version has. */
async function fill() {
  const progress = new Progress();
  try {
    const cache = await caches.open(CACHE);
    const rest = [...PRECACHE.later, ...PRECACHE.wanted];
    for (const file of rest) {
      const earlier = (await isHere(cache, file)) ? undefined : await fromEarlier(file);
      await (earlier && cache.put(file, earlier)); // before an update deletes it
    }
    const files = Object.keys(PRECACHE.hashes)
      .filter((file) => !rest.includes(file))
      .sort((a, b) => PRECACHE.sizes[b] - PRECACHE.sizes[a]);
    const next = async () => {
      for (let file = files.shift(); file; file = files.shift()) {
        if (!(await isHere(cache, file))) {
          await cache.put(file, (await fromEarlier(file)) ?? (await persistently(file, progress)));
          await cache.delete(file + PART);
        }
        progress.at(file, PRECACHE.sizes[file]);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    await progress.tell();
  } catch (error) {
    await progress.tell({ failed: error instanceof Broken ? 'network' : 'storage' });
    throw error;
  }
}

/** Download what the page may need some day, in the background. */
async function fillRest() {
  const cache = await caches.open(CACHE);
  for (const file of PRECACHE.later) {
    try {
      await ((await isHere(cache, file)) || answer(file));
    } catch (error) {
      console.info(`${file}: not yet`, error);
    }
  }
}

/**
 * @param {Cache} cache
 * @param {string} file
 */
async function isHere(cache, file) {
  return (await cache.match(file))?.headers.get(HASH) === PRECACHE.hashes[file];
}

/** @param {string} file */
async function fromEarlier(file) {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) {
      const response = await (await caches.open(name)).match(file);
      if (response?.headers.get(HASH) === PRECACHE.hashes[file]) {
        return response;
      }
    }
  }
  return undefined;
}

/**
 * A file from the network, asked for again where the connection broke.
 *
 * @param {string} file
 * @param {Progress} progress
 */
async function persistently(file, progress) {
  const begun = await Begun.of(file);
  for (const seconds of [...RETRY_SECONDS, 0]) {
    try {
      return await download(file, begun, (bytes) => progress.at(file, bytes));
    } catch (error) {
      if (!seconds) {
        await begun.keep();
        throw new Broken(`${file} can't be downloaded`, { cause: error });
      }
      console.info(`${file}: again in ${seconds} s, from byte ${begun.length}`, error);
      progress.at(file, begun.length);
      await progress.tell({ broken: true });
      await online(seconds);
    }
  }
  throw new Error('unreachable');
}

/** The beginning of a file, of which the rest is to be downloaded. */
class Begun {
  /**
   * @param {string} file
   * @param {Uint8Array<ArrayBuffer>} [bytes] that are here
   */
  constructor(file, bytes = new Uint8Array(0)) {
    this.file = file;
    this.chunks = [bytes];
    this.length = bytes.length;
  }

  /**
   * What an earlier attempt left.
   *
   * @param {string} file
   */
  static async of(file) {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(file + PART);
    if (kept?.headers.get(HASH) !== PRECACHE.hashes[file]) {
      return new Begun(file);
    }
    return new Begun(file, new Uint8Array(await kept.arrayBuffer()));
  }

  /** @param {Uint8Array<ArrayBuffer>} chunk */
  add(chunk) {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Begin anew. */
  drop() {
    [this.chunks, this.length] = [[], 0];
  }

  /** For a later attempt, maybe of another day. */
  async keep() {
    if (this.length) {
      const headers = { [HASH]: PRECACHE.hashes[this.file] };
      await (await caches.open(CACHE)).put(this.file + PART, new Response(new Blob(this.chunks), { headers }));
    }
  }
}

/**
 * Wait so long, or until the network is back.
 *
 * @param {number} seconds
 */
function online(seconds) {
  return new Promise((resolve) => {
    worker.addEventListener('online', resolve, { once: true });
    setTimeout(resolve, 1000 * seconds);
  });
}

/**
 * A file from the network, from where it broke off; fails unless its bytes are those that the build wrote.
 *
 * Its hash is checked here: `integrity` would keep the bytes back until all of them have come.
 *
 * @param {string} file
 * @param {Begun} [begun] what of it is here; grows
 * @param {(bytes: number) => void} [progress]
 */
async function download(file, begun = new Begun(file), progress = () => {}) {
  const stalled = new AbortController();
  const patience = () => setTimeout(() => stalled.abort(), 1000 * STALLED_SECONDS);
  let timer = patience();
  try {
    const response = await asked(file, begun, stalled.signal);
    const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      begun.add(read.value);
      progress(begun.length);
      clearTimeout(timer);
      timer = patience();
    }
    const type = PRECACHE.packed[file]?.type ?? response.headers.get('Content-Type');
    const headers = {
      'Content-Type': type ?? 'application/octet-stream',
      // Workers take their policy from here: a static host sends none.
      'Content-Security-Policy': PRECACHE.policy,
      [HASH]: PRECACHE.hashes[file],
    };
    const whole = new Response(new Blob(begun.chunks), { headers });
    if (!(await intact(whole.clone(), PRECACHE.hashes[file]))) {
      begun.drop(); // it may be of two versions
      throw new Error(`${file}: not what was built`);
    }
    if (!(file in PRECACHE.unpacked)) {
      return whole;
    }
    const packed = new Uint8Array(await whole.arrayBuffer());
    return new Response(unlzma(packed), { headers: { ...headers, [UNPACKED]: 'yes' } });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The answer that goes on where a file broke off; hosts that don't do that give all of it.
 *
 * @param {string} file
 * @param {Begun} begun
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
async function asked(file, begun, signal) {
  if (begun.length >= PRECACHE.sizes[file]) {
    begun.drop();
  }
  // Browsers don't let such an answer be packed: its bytes are those of the file.
  const headers = begun.length ? { Range: `bytes=${begun.length}-` } : undefined;
  const source = PRECACHE.packed[file]?.from ?? file;
  const response = await fetch(source, { cache: 'no-cache', headers, signal });
  const goesOn =
    response.status === 206 && response.headers.get('Content-Range')?.startsWith(`bytes ${begun.length}-`);
  if (headers && !goesOn) {
    begun.drop();
    if (response.status !== 200) {
      await response.body?.cancel();
      return asked(file, begun, signal);
    }
  }
  if (!response.ok || !response.body) {
    throw new Error(`${file}: status ${response.status}`);
  }
  return response;
}

/** @type {Map<string, Promise<Response>>} files that are being fetched anew: whoever else asks waits for the same */
const coming = new Map();

/** @param {string} file */
async function answer(file) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(file);
  if (kept && (checked.has(file) || (await intact(kept.clone(), PRECACHE.unpacked[file] ?? PRECACHE.hashes[file])))) {
    checked.add(file);
    return kept;
  }
  const fresh = coming.get(file) ?? fetchAnew(file, cache).finally(() => coming.delete(file));
  coming.set(file, fresh);
  try {
    return (await fresh).clone();
  } catch (error) {
    console.warn(`${file} is damaged or gone, and can't be fetched anew`, error);
    return Response.error();
  }
}

/**
 * @param {string} file
 * @param {Cache} cache
 */
async function fetchAnew(file, cache) {
  const begun = await Begun.of(file);
  const progress = new FileProgress(file);
  try {
    const fresh = await download(file, begun, (bytes) => progress.at(bytes));
    await cache.put(file, fresh.clone());
    await cache.delete(file + PART);
    checked.add(file);
    return fresh;
  } catch (error) {
    await begun.keep();
    throw error;
  }
}

/**
 * @param {Response} response
 * @param {string} hash that it should have
 */
async function intact(response, hash) {
  const digest = await crypto.subtle.digest('SHA-256', await response.arrayBuffer());
  const text = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return `sha256-${text}` === hash;
}
