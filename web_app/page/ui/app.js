// Puts the page together.

import { DancedCard } from './danced.js';
import { Engine } from './engine.js';
import { EveningScreen } from './evening.js';
import { FilesScreen } from './files.js';
import { announce, get, make } from './dom.js';
import { ListenScreen } from './listen.js';
import { Download, DownloadBroken, fetchTheRest, goOffline, onFile } from './offline.js';
import { change, settings, show } from './settings.js';
import { Teaching } from './teaching.js';
import { decimal, LANGUAGES, nearest, speak, tr } from './words.js';

/** @typedef {import('./words.js').Language} Language */

const SECTIONS = ['listen', 'files', 'evening', 'settings'];

const AGAIN_MS = 15_000; // after a download that broke

const engine = new Engine();
const download = new Download();
const teaching = new Teaching(engine, () => {
  danced.show();
  about();
});
const listen = new ListenScreen(engine, download, showCountSettings, teaching);
const files = new FilesScreen(engine, download);
const danced = new DancedCard(engine);
const evening = new EveningScreen(engine, (id) => listen.forget(id));

function language() {
  return settings.language in LANGUAGES ? /** @type {Language} */ (settings.language) : nearest(navigator.languages);
}

/** Show everything anew, in the language that is chosen. */
async function translate() {
  await speak(language());
  document.title = `whichdance: ${tr('tagline')}`;
  listen.show();
  files.show();
  await evening.show();
  about();
  larger();
  danced.show();
  showCountSettings();
  teaching.show();
}

function about() {
  const definition = engine.definition;
  if (definition) {
    const { name, version, labels } = definition.model;
    const precision = engine.exact ? 'float' : definition.model.precision;
    const model = `${name} ${version}${precision ? ` (${precision})` : ''}`;
    get('about').textContent = tr('about_text', { version: definition.version, model, count: labels.length });
  }
}

/**
 * The larger model, where there is one.
 *
 * @param {string} [state] in place of what it costs
 */
function larger(state) {
  const exact = engine.definition?.exact;
  get('exact-field').hidden = !exact;
  if (exact) {
    get('exact-words').textContent = state ?? tr('larger_model', { megabytes: decimal(exact.bytes / 1e6, 1) });
    /** @type {HTMLInputElement} */ (get('exact')).checked = settings.exact;
  }
}

/** @param {boolean} wanted */
async function useLarger(wanted) {
  change({ exact: wanted });
  larger(wanted ? tr('almost_ready') : undefined);
  if (await engine.use(wanted)) {
    larger();
  } else {
    change({ exact: engine.exact });
    larger(tr('download_broken'));
  }
  about();
}

function showCountSettings() {
  get('buzz-field').hidden = !settings.count || !('vibrate' in navigator);
  get('latency-field').hidden = !settings.count;
  /** @type {HTMLInputElement} */ (get('latency')).value = String(settings.latency);
  get('latency-words').textContent = tr('latency', { milliseconds: decimal(settings.latency) });
}

/** Show the section that the address names; returns it. */
function turn() {
  const wanted = location.hash.slice(1);
  const section = SECTIONS.includes(wanted) ? wanted : 'listen';
  for (const name of SECTIONS) {
    get(`view-${name}`).hidden = name !== section;
    const link = get(`to-${name}`);
    if (name === section) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }
  if (section === 'evening') {
    evening.show();
  } else if (section === 'listen') {
    listen.show(); // nothing was drawn while it was not seen
  }
  return get(`view-${section}`);
}

function prepareSettings() {
  const select = /** @type {HTMLSelectElement} */ (get('language'));
  select.append(make('option', { value: '', 'data-word': 'as_the_device' }));
  for (const [code, name] of Object.entries(LANGUAGES)) {
    select.append(make('option', { value: code, lang: code }, name));
  }
  select.value = settings.language;
  select.addEventListener('change', () => {
    change({ language: select.value });
    translate();
  });
  for (const [name, value] of [['look', settings.look], ['size', settings.size]]) {
    for (const input of document.querySelectorAll(`input[name=${name}]`)) {
      const radio = /** @type {HTMLInputElement} */ (input);
      radio.checked = radio.value === value;
      radio.addEventListener('change', () => change({ [name]: radio.value }));
    }
  }
  for (const name of /** @type {const} */ (['count', 'buzz'])) {
    const box = /** @type {HTMLInputElement} */ (get(name));
    box.checked = settings[name];
    box.addEventListener('change', () => {
      change({ [name]: box.checked });
      showCountSettings();
      engine.count();
    });
  }
  const latency = /** @type {HTMLInputElement} */ (get('latency'));
  latency.addEventListener('input', () => {
    change({ latency: Number(latency.value) });
    showCountSettings();
    engine.count();
  });
  const exact = /** @type {HTMLInputElement} */ (get('exact'));
  exact.addEventListener('change', () => useLarger(exact.checked));
  onFile((file, done, all) => {
    if (file === engine.definition?.exact?.file) {
      larger(tr('larger_progress', { done: decimal(done / 1e6, 1), all: decimal(all / 1e6, 1) }));
    }
  });
  const awake = /** @type {HTMLInputElement} */ (get('awake'));
  awake.checked = settings.awake;
  awake.addEventListener('change', () => change({ awake: awake.checked }));
}

function downloading() {
  const bar = /** @type {HTMLProgressElement} */ (get('download-bar'));
  bar.max = download.all;
  bar.value = download.done;
  get('download-words').textContent = download.progress;
  get('download').hidden = download.done >= download.all || !!engine.definition;
}

/** @param {() => void} takeOver */
function renewed(takeOver) {
  get('renew').hidden = false;
  get('renew-button').onclick = takeOver;
}

let loading = false;
let again = 0; // timer

/** Get all that is needed; may be called again where it failed. */
async function load() {
  if (loading || engine.definition) {
    return;
  }
  loading = true;
  clearTimeout(again);
  get('failure').hidden = true;
  try {
    if (!document.documentElement.dataset.spoken) {
      await translate();
    }
    const offline = await goOffline((progress) => download.report(progress), renewed);
    if (!offline) {
      engine.addEventListener('download', (event) => download.report(/** @type {CustomEvent} */ (event).detail));
    }
    await engine.load();
    get('download').hidden = true;
    document.documentElement.dataset.ready = 'yes';
    about();
    larger();
    danced.show();
    fetchTheRest();
    await teaching.start();
    await evening.show();
    if (offline) {
      get('offline').hidden = false;
      document.documentElement.dataset.offline = 'yes';
      announce(tr('works_offline'));
    }
  } catch (error) {
    console.error(error);
    document.documentElement.dataset.failed = 'yes';
    get('download').hidden = true;
    get('failure-words').textContent = tr(problem(error));
    get('retry').textContent = tr('retry');
    get('failure').hidden = false;
    again = setTimeout(load, AGAIN_MS);
  } finally {
    loading = false;
  }
}

/** @param {unknown} error */
function problem(error) {
  if (!('DecompressionStream' in window)) {
    return 'old_browser';
  }
  return error instanceof DownloadBroken ? 'download_broken' : 'load_failed';
}

async function start() {
  show();
  prepareSettings();
  window.addEventListener('hashchange', () => {
    turn().focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });
  get('skip').addEventListener('click', (event) => {
    event.preventDefault(); // the address says which section is shown
    get('main').focus();
  });
  turn();
  get('retry').addEventListener('click', load);
  window.addEventListener('online', load);
  download.addEventListener('change', downloading);
  await load();
}

start();
