// Puts the page together.

import { Engine, goOffline } from './engine.js';
import { EveningScreen } from './evening.js';
import { FilesScreen } from './files.js';
import { announce, get, make } from './dom.js';
import { ListenScreen } from './listen.js';
import { change, settings, show } from './settings.js';
import { decimal, LANGUAGES, nearest, speak, tr } from './words.js';

/** @typedef {import('./words.js').Language} Language */

const SECTIONS = ['listen', 'files', 'evening', 'settings'];

const engine = new Engine();
const listen = new ListenScreen(engine);
const files = new FilesScreen(engine);
const evening = new EveningScreen(engine);

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
}

function about() {
  const definition = engine.definition;
  if (definition) {
    const { name, version, precision, labels } = definition.model;
    const model = `${name} ${version}${precision ? ` (${precision})` : ''}`;
    get('about').textContent = tr('about_text', { version: definition.version, model, count: labels.length });
  }
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
  const awake = /** @type {HTMLInputElement} */ (get('awake'));
  awake.checked = settings.awake;
  awake.addEventListener('change', () => change({ awake: awake.checked }));
}

/** @param {{done: number, all: number}} progress bytes */
function downloading({ done, all }) {
  const bar = /** @type {HTMLProgressElement} */ (get('download-bar'));
  bar.max = all;
  bar.value = done;
  get('download-words').textContent = tr('getting_ready', { done: decimal(done / 1e6, 1), all: decimal(all / 1e6, 1) });
  get('download').hidden = done >= all;
}

/** @param {() => void} takeOver */
function renewed(takeOver) {
  get('renew').hidden = false;
  get('renew-button').onclick = takeOver;
}

async function load() {
  get('failure').hidden = true;
  try {
    await engine.load();
    document.documentElement.dataset.ready = 'yes';
    about();
    await evening.show();
  } catch (error) {
    console.error(error);
    const old = !('DecompressionStream' in window);
    get('failure-words').textContent = tr(old ? 'old_browser' : 'load_failed');
    get('failure').hidden = false;
  }
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
  await translate();
  const offline = await goOffline(downloading, renewed);
  get('download').hidden = true;
  await load();
  if (offline && engine.definition) {
    get('offline').hidden = false;
    document.documentElement.dataset.offline = 'yes';
    announce(tr('works_offline'));
  }
}

start();
