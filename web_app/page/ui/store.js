// Evenings that were listened to, in IndexedDB: each save is one transaction, so that a killed page leaves the
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
const STORE = 'evenings';

/** @type {Promise<IDBDatabase> | null} */
let opening = null;
/** @type {Map<string, Evening>} what could not be stored; lost when the page is closed */
const unsaved = new Map();

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
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
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>} once it is on the disk
 */
async function transaction(mode, work) {
  const running = (await database()).transaction(STORE, mode);
  const request = work(running.objectStore(STORE));
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
    await transaction('readwrite', (store) => store.put(evening));
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
    stored = await transaction('readonly', (store) => store.getAll());
  } catch (error) {
    console.warn('the evenings could not be read', error);
  }
  const all = [...stored.filter(({ id }) => !unsaved.has(id)), ...unsaved.values()];
  return all.sort((one, other) => other.started.localeCompare(one.started));
}

/** @param {string} id */
export async function remove(id) {
  unsaved.delete(id);
  await transaction('readwrite', (store) => store.delete(id));
}

export async function removeAll() {
  unsaved.clear();
  await transaction('readwrite', (store) => store.clear());
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
