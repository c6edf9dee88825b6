// Evenings that were listened to and what was taught, in IndexedDB: each save is one transaction, so that a killed page leaves the
// last state that was saved.

/** @typedef {import('../engine/session.js').Part} Part */

/**
 * @typedef {object} Evening
 * @property {string} id
 * @property {string} started ISO 8601, UTC
 * @property {number} duration s
 * @property {string} model name and version
 * @property {Part[]} parts
 */

const NAME = 'whichdance';
const EVENINGS = 'evenings';
const CORRECTIONS = 'corrections';
const TAUGHT = 'taught';

/** @type {Promise<IDBDatabase> | null} */
let opening = null;
/** @type {Map<string, Evening>} what could not be stored; lost when the page is closed */
const unsaved = new Map();

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 2);
    request.onupgradeneeded = () => {
      for (const store of [EVENINGS, CORRECTIONS, TAUGHT]) {
        if (!request.result.objectStoreNames.contains(store)) {
          request.result.createObjectStore(store, { keyPath: 'id' });
        }
      }
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked by another tab'));
  });
  opening.catch(() => (opening = null));
  return opening;
}

/**
 * @template T
 * @param {string} name of the store
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>} once it is on the disk
 */
async function transaction(name, mode, work) {
  const running = (await database()).transaction(name, mode);
  const request = work(running.objectStore(name));
  return new Promise((resolve, reject) => {
    running.oncomplete = () => resolve(request.result);
    running.onabort = () => reject(running.error);
    running.onerror = () => reject(running.error);
  });
}

/**
 * Keep an evening, or its newest state.
 *
 * @param {Evening} evening
 * @returns {Promise<boolean>} whether it is stored; if not, it is kept until the page is closed
 */
export async function keep(evening) {
  try {
    await transaction(EVENINGS, 'readwrite', (store) => store.put(evening));
    unsaved.delete(evening.id);
    return true;
  } catch (error) {
    console.warn('an evening could not be stored', error);
    unsaved.set(evening.id, evening);
    return false;
  }
}

/**
 * All evenings, the newest first.
 *
 * @returns {Promise<Evening[]>}
 */
export async function evenings() {
  /** @type {Evening[]} */
  let stored = [];
  try {
    stored = await transaction(EVENINGS, 'readonly', (store) => store.getAll());
  } catch (error) {
    console.warn('the evenings could not be read', error);
  }
  const all = [...stored.filter(({ id }) => !unsaved.has(id)), ...unsaved.values()];
  return all.sort((one, other) => other.started.localeCompare(one.started));
}

/** @param {string} id */
export async function remove(id) {
  unsaved.delete(id);
  await transaction(EVENINGS, 'readwrite', (store) => store.delete(id));
}

export async function removeAll() {
  unsaved.clear();
  await transaction(EVENINGS, 'readwrite', (store) => store.clear());
}

/**
 * What a listener corrected: a few segments of mel spectrogram, never sound.
 *
 * @typedef {object} Correction
 * @property {string} id of the piece of music
 * @property {number} when ms since 1970
 * @property {string} dance key
 * @property {Uint8Array[]} segments
 */

/**
 * Keep a correction, in place of an earlier one of the same piece; beyond so many the oldest go.
 *
 * @param {Correction} correction
 * @param {number} most
 */
export async function keepCorrection(correction, most) {
  await transaction(CORRECTIONS, 'readwrite', (store) => store.put(correction));
  const all = await corrections();
  for (const { id } of all.slice(0, Math.max(0, all.length - most))) {
    await transaction(CORRECTIONS, 'readwrite', (store) => store.delete(id));
  }
}

/**
 * All corrections, the oldest first.
 *
 * @returns {Promise<Correction[]>}
 */
export async function corrections() {
  /** @type {Correction[]} */
  const all = await transaction(CORRECTIONS, 'readonly', (store) => store.getAll());
  return all.sort((one, other) => one.when - other.when);
}

/**
 * The text of a taught file; null where there is none.
 *
 * @param {'learnt' | 'given'} id
 * @returns {Promise<string | null>}
 */
export async function taughtFile(id) {
  return (await transaction(TAUGHT, 'readonly', (store) => store.get(id)))?.text ?? null;
}

/**
 * @param {'learnt' | 'given'} id
 * @param {string | null} text null for none
 */
export async function keepTaught(id, text) {
  if (text === null) {
    await transaction(TAUGHT, 'readwrite', (store) => store.delete(id));
  } else {
    await transaction(TAUGHT, 'readwrite', (store) => store.put({ id, text }));
  }
}

/** Forget what was taught: corrections, what was learnt from them, and what was given. */
export async function forgetTaught() {
  await transaction(CORRECTIONS, 'readwrite', (store) => store.clear());
  await transaction(TAUGHT, 'readwrite', (store) => store.clear());
}

let asked = false;

/** Ask the browser, once, not to throw away what is stored when it needs room. */
export async function persist() {
  if (!asked) {
    asked = true;
    try {
      await navigator.storage.persist();
    } catch (error) {
      console.info('the browser keeps what it likes', error);
    }
  }
}
