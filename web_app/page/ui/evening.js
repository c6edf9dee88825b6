// The set lists of the evenings that were listened to.

import { partRows } from './answer.js';
import { button, get, make, save } from './dom.js';
import { eveningsAsCsv, eveningsAsJson } from './export.js';
import { evenings, remove, removeAll } from './store.js';
import { clock, dateTime, tr } from './words.js';

/** @typedef {import('./store.js').Evening} Evening */

export class EveningScreen {
  /**
   * @param {import('./engine.js').Engine} engine
   * @param {(id: string | null) => void} forget told what is deleted, null for all: an evening may be going on
   */
  constructor(engine, forget) {
    this._engine = engine;
    this._forget = forget;
    get('evenings-csv').addEventListener('click', async () => this._save(await evenings(), 'csv'));
    get('evenings-json').addEventListener('click', async () => this._save(await evenings(), 'json'));
    get('delete-all').addEventListener('click', () => this._delete(null));
  }

  /** Bring the screen up to date. */
  async show() {
    const definition = this._engine.definition;
    const list = await evenings();
    get('evening-empty').hidden = list.length > 0;
    get('evening-actions').hidden = !list.length;
    // Safari alone has the word: it deletes what a page stored that was not opened for seven days.
    get('ios-hint').hidden = /** @type {{standalone?: boolean}} */ (navigator).standalone !== false;
    if (definition) {
      get('evening-list').replaceChildren(...list.map((evening) => this._card(definition, evening)));
    }
  }

  /**
   * @param {import('../engine/definition.js').Definition} definition
   * @param {Evening} evening
   */
  _card(definition, evening) {
    const started = new Date(evening.started);
    const when = dateTime(started, { weekday: 'short', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit' });
    // Of an earlier version or another model: without what is not known here.
    const known = evening.parts.map((part) =>
      [part.dance, ...(part.also ?? [])].every((key) => !key || key in definition.dances)
        ? part
        : { ...part, dance: null, verdict: /** @type {const} */ ('not sure') },
    );
    return make(
      'article',
      { class: 'card' },
      make('header', { class: 'card-head' }, make('h3', {}, when), make('span', { class: 'muted' }, clock(evening.duration))),
      make('ol', { class: 'parts' }, ...partRows(definition, known, started)),
      make(
        'footer',
        { class: 'actions' },
        button('CSV', () => this._save([evening], 'csv'), { 'aria-label': `CSV, ${when}` }),
        button('JSON', () => this._save([evening], 'json'), { 'aria-label': `JSON, ${when}` }),
        button(tr('delete'), () => this._delete(evening.id), {
          class: 'text-button danger',
          'aria-label': `${tr('delete')}, ${when}`,
        }),
      ),
    );
  }

  /**
   * @param {Evening[]} list
   * @param {'csv' | 'json'} format
   */
  _save(list, format) {
    const name = `whichdance-${(list[0]?.started ?? '').slice(0, 10)}.${format}`;
    if (format === 'csv') {
      const columns = this._engine.definition?.columns;
      if (columns) {
        save(name, eveningsAsCsv(columns, list), 'text/csv');
      }
    } else {
      save(name, eveningsAsJson(list), 'application/json');
    }
  }

  /** @param {string | null} id null for all; once it was confirmed */
  _delete(id) {
    const dialog = /** @type {HTMLDialogElement} */ (get('confirm'));
    dialog.returnValue = '';
    dialog.onclose = async () => {
      if (dialog.returnValue === 'delete') {
        this._forget(id);
        await (id === null ? removeAll() : remove(id));
        await this.show();
        get('view-evening').focus();
      }
    };
    dialog.showModal();
  }
}
