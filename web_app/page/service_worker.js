// Keeps the whole page in the browser's cache, so that it works without a network. What is in the cache is
// checked against its hash before its first use, and fetched anew where it was damaged.

/* global PRECACHE */
/// <reference path="./vendor_types/precache.d.ts" />
importScripts('precache.js'); // written by `python -m web_app build`

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const PREFIX = 'whichdance-';
const CACHE = PREFIX + PRECACHE.version;
const HASH = 'X-Content-Hash';
const INDEX = 'index.html';
const AT_ONCE = 4; // downloads

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

/** Download everything, but for what an earlier version has already. */
async function fill() {
  const cache = await caches.open(CACHE);
  const files = Object.keys(PRECACHE.hashes);
  let done = 0;
  const next = async () => {
    for (let file = files.pop(); file; file = files.pop()) {
      const kept = await cache.match(file);
      if (!kept || kept.headers.get(HASH) !== PRECACHE.hashes[file]) {
        await cache.put(file, (await fromEarlier(file)) ?? (await download(file)));
      }
      done += PRECACHE.sizes[file];
      await tell({ done, all: PRECACHE.bytes });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
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
 * A file from the network; fails unless its bytes are those that the build wrote.
 *
 * @param {string} file
 */
async function download(file) {
  const hash = PRECACHE.hashes[file];
  const response = await fetch(new Request(file, { cache: 'no-cache', integrity: hash }));
  if (!response.ok) {
    throw new Error(`${file}: status ${response.status}`);
  }
  const headers = {
    'Content-Type': response.headers.get('Content-Type') ?? 'application/octet-stream',
    // Workers take their policy from here: a static host sends none.
    'Content-Security-Policy': PRECACHE.policy,
    [HASH]: hash,
  };
  return new Response(await response.arrayBuffer(), { headers });
}

/** @param {string} file */
async function answer(file) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(file);
  if (kept && (checked.has(file) || (await intact(kept.clone(), file)))) {
    checked.add(file);
    return kept;
  }
  try {
    const fresh = await download(file);
    await cache.put(file, fresh.clone());
    checked.add(file);
    return fresh;
  } catch (error) {
    console.warn(`${file} is damaged or gone, and can't be fetched anew`, error);
    return Response.error();
  }
}

/**
 * @param {Response} response
 * @param {string} file
 */
async function intact(response, file) {
  const digest = await crypto.subtle.digest('SHA-256', await response.arrayBuffer());
  const text = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return `sha256-${text}` === PRECACHE.hashes[file];
}

/** @param {{done: number, all: number}} progress of the first download, bytes */
async function tell(progress) {
  for (const client of await worker.clients.matchAll({ includeUncontrolled: true })) {
    client.postMessage(progress);
  }
}
