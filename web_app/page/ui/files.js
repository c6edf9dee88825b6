// Recordings from files: a table, and for each the scores over time and its parts.

import { answerOf } from '../engine/answer.js';
import { certaintyInWords, facts, inWords, names, partRows, scoreRows, summary } from './answer.js';
import { draw, Timeline } from './chart.js';
import { open, Unreadable } from './decode.js';
import { announce, button, get, make, save, swatch } from './dom.js';
import { recordingsAsCsv, recordingsAsJson } from './export.js';
import { clock, decimal, percent, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

/**
 * @typedef {object} Given
 * @property {File | null} file null where the browser doesn't get it
 * @property {string} name with the folders it was given with
 */

/**
 * @typedef {object} Entry
 * @property {File | null} file
 * @property {string} name
 * @property {'waiting' | 'reading' | 'done' | 'failed' | 'stopped'} state
 * @property {number} progress 0 to 1
 * @property {Prediction | null} prediction
 * @property {string} problem key of a sentence, '' if none
 * @property {Record<string, string | number>} values of its fields
 * @property {HTMLTableRowElement} row
 */

export class FilesScreen {
  /**
   * @param {Engine} engine
   * @param {import('./offline.js').Download} download
   */
  constructor(engine, download) {
    this._engine = engine;
    this._download = download;
    /** @type {Entry[]} */
    this._entries = [];
    /** @type {Entry | null} */
    this._shown = null;
    /** @type {AbortController | null} */
    this._reading = null;

    const input = /** @type {HTMLInputElement} */ (get('file-input'));
    get('choose').addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
      this.add([...(input.files ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = ''; // so that the same file can be chosen again
    });
    const body = document.body;
    body.addEventListener('dragover', (event) => {
      event.preventDefault();
      body.classList.add('dragging');
    });
    body.addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) {
        body.classList.remove('dragging');
      }
    });
    body.addEventListener('drop', async (event) => {
      event.preventDefault();
      body.classList.remove('dragging');
      location.hash = 'files';
      this.add(await dropped(event.dataTransfer));
    });
    const name = () => `whichdance-${new Date().toISOString().slice(0, 10)}`;
    get('files-csv').addEventListener('click', () => {
      const definition = this._engine.definition;
      if (definition) {
        save(`${name()}.csv`, recordingsAsCsv(definition, this._rows()), 'text/csv');
      }
    });
    get('files-json').addEventListener('click', () =>
      save(`${name()}.json`, recordingsAsJson(this._rows()), 'application/json'),
    );
    get('files-stop').addEventListener('click', () => this._stop());
    get('files-clear').addEventListener('click', () => this._clear());
    download.addEventListener('change', () => this._entries.forEach((entry) => this._showRow(entry)));
    new ResizeObserver(() => this._draw()).observe(get('file-chart'));
  }

  _rows() {
    return this._entries.map(({ name, prediction, problem, values }) => ({
      name,
      prediction,
      error: problem && tr(problem, values),
    }));
  }

  /** @param {Given[]} files */
  add(files) {
    for (const { file, name } of files) {
      const row = /** @type {HTMLTableRowElement} */ (make('tr'));
      const entry = { file, name, state: /** @type {const} */ ('waiting'), progress: 0, prediction: null };
      this._entries.push({ ...entry, problem: '', values: {}, row });
      get('results-body').append(row);
    }
    this.show();
    if (!this._reading) {
      this._work();
    }
  }

  async _work() {
    for (let entry = this._next(); entry; entry = this._next()) {
      this._reading = new AbortController();
      await this._read(entry, this._reading.signal);
      this._reading = null;
      this._showRow(entry);
      if (!this._shown && entry.prediction) {
        this._open(entry);
      }
    }
    this.show();
  }

  _next() {
    return this._entries.find((entry) => entry.state === 'waiting');
  }

  /**
   * @param {Entry} entry
   * @param {AbortSignal} signal
   */
  async _read(entry, signal) {
    entry.state = 'reading';
    this.show();
    try {
      const definition = await unlessAborted(this._engine.ready, signal);
      this._showRow(entry);
      if (!entry.file) {
        throw new Unreadable('unreadable_now');
      }
      const recording = await open(entry.file, definition);
      const progress = (/** @type {number} */ share) => {
        entry.progress = share;
        this._showRow(entry);
      };
      entry.prediction = await this._engine.read(recording, progress, signal);
      entry.state = 'done';
      announce(`${entry.name}: ${inWords(answerOf(entry.prediction))}`);
    } catch (error) {
      if (signal.aborted) {
        entry.state = 'stopped';
        return;
      }
      console.info(entry.name, error);
      entry.state = 'failed';
      const short = error instanceof Error && error.message === 'too_short';
      entry.problem = error instanceof Unreadable ? error.problem : short ? 'too_short' : 'unexpected';
      entry.values = error instanceof Unreadable ? error.values : {};
      announce(`${entry.name}: ${tr(entry.problem, entry.values)}`);
    }
  }

  _stop() {
    for (const entry of this._entries) {
      if (entry.state === 'waiting') {
        entry.state = 'stopped';
      }
    }
    this._reading?.abort();
    this.show();
  }

  _clear() {
    this._stop();
    this._entries = [];
    this._shown = null;
    get('results-body').replaceChildren();
    this.show();
  }

  /** Bring the screen up to date. */
  show() {
    const busy = this._entries.some(({ state }) => state === 'waiting' || state === 'reading');
    get('results').hidden = !this._entries.length;
    get('view-files').dataset.state = this._entries.length ? 'filled' : 'empty';
    get('files-stop').hidden = !busy;
    get('files-clear').hidden = busy;
    this._entries.forEach((entry) => this._showRow(entry));
    this._showDetails();
  }

  /** @param {Entry} entry */
  _showRow(entry) {
    const { row, prediction: p, name, problem, values } = entry;
    const definition = this._engine.definition;
    const title = make('th', { scope: 'row' });
    if (!p || !definition) {
      title.append(make('span', { class: 'file-name' }, name));
      const message = make('td', { colspan: '4', class: problem ? 'problem' : 'state' });
      if (entry.state === 'reading' && !definition) {
        message.append(this._download.words);
      } else if (entry.state === 'reading') {
        const share = Math.round(100 * entry.progress);
        const bar = make('progress', { max: '100', value: String(share), 'aria-label': name });
        message.append(bar, make('span', {}, entry.progress ? tr('progress', { percent: percent(entry.progress) }) : tr('decoding')));
      } else {
        message.append(problem ? tr(problem, values) : tr(entry.state === 'stopped' ? 'cancelled' : 'waiting'));
      }
      row.replaceChildren(title, message);
      return;
    }
    const choose = button(name, () => this._open(entry), { class: 'file-name link' });
    choose.setAttribute('aria-pressed', String(this._shown === entry));
    title.append(choose);
    row.classList.toggle('chosen', this._shown === entry);
    const answer = answerOf(p);
    const swatches = answer.dances.length ? answer.dances : [''];
    row.replaceChildren(
      title,
      make('td', { class: 'dance-cell' }, ...swatches.map((key) => swatch(definition.dances[key])), inWords(answer)),
      make('td', { class: 'number' }, answer.kind === 'medley' ? '–' : percent(p.confidence)),
      make('td', { class: 'number' }, p.tempo_mpm ? decimal(p.tempo_mpm, 1) : '–'),
      make('td', { class: 'number' }, clock(p.duration)),
    );
  }

  /** @param {Entry} entry */
  _open(entry) {
    this._shown = entry;
    this.show();
  }

  _showDetails() {
    const p = this._shown?.prediction;
    const definition = this._engine.definition;
    get('details').hidden = !p;
    if (!p || !definition || !this._shown) {
      return;
    }
    const answer = answerOf(p);
    get('details-file').textContent = this._shown.name;
    get('details-certainty').textContent = certaintyInWords(answer);
    get('details-answer').replaceChildren(...names(answer));
    get('details-facts').textContent = facts(definition, answer);
    get('details-scores').replaceChildren(...scoreRows(definition, p));
    get('details-parts').replaceChildren(...partRows(definition, p.parts));
    this._draw();
  }

  _draw() {
    const p = this._shown?.prediction;
    const definition = this._engine.definition;
    if (p?.segments.length && definition) {
      const [first] = p.segments;
      const timeline = new Timeline(first.end - first.start, Object.keys(p.scores));
      timeline.extend(p.segments);
      draw(get('file-chart'), definition, timeline, { summary: summary(definition, p.parts) });
    }
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>} rejects as soon as it is aborted
 */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

/**
 * All files that were dropped, those in folders too.
 *
 * @param {DataTransfer | null} transfer
 * @returns {Promise<Given[]>}
 */
async function dropped(transfer) {
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) {
    return [...(transfer?.files ?? [])].map((file) => ({ file, name: file.name }));
  }
  /** @type {Given[]} */
  const files = [];
  for (const entry of entries) {
    if (entry) {
      await gather(entry, files);
    }
  }
  return files;
}

/**
 * @param {FileSystemEntry} entry
 * @param {Given[]} files to add to
 */
async function gather(entry, files) {
  const name = entry.fullPath.slice(1);
  try {
    if (entry.isFile) {
      const one = /** @type {FileSystemFileEntry} */ (entry);
      files.push({ file: await new Promise((resolve, reject) => one.file(resolve, reject)), name });
      return;
    }
    const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
    for (;;) {
      /** @type {FileSystemEntry[]} */
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) {
        return;
      }
      for (const child of some) {
        await gather(child, files);
      }
    }
  } catch {
    files.push({ file: null, name });
  }
}
