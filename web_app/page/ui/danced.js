// What is danced here: the groups on offer, or a choice of dances, as the settings keep it.

import { get, make, swatch } from './dom.js';
import { change, settings } from './settings.js';
import { danceName, tr } from './words.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */

const FEW = 4; // dances that are named one by one

/**
 * Groups of dances that the model can be held to: those that leave some out, and not all; none twice.
 *
 * @param {Definition} definition
 * @returns {Record<string, string[]>}
 */
export function groups({ groups: all, model }) {
  /** @type {Record<string, string[]>} */
  const found = {};
  const before = [String(model.labels)];
  for (const [name, keys] of Object.entries(all)) {
    if (keys.length > 1 && !before.includes(String(keys))) {
      found[name] = keys;
      before.push(String(keys));
    }
  }
  return found;
}

/**
 * The dances that a choice means: '' all of them, the name of a group, or keys with commas between them. Of another
 * model, those that this one knows; all where it knows none of them.
 *
 * @param {Definition} definition
 * @param {string} choice
 */
export function chosen(definition, choice) {
  const { labels } = definition.model;
  const keys = groups(definition)[choice] ?? choice.split(',');
  const known = labels.filter((label) => keys.includes(label));
  return known.length ? known : labels;
}

/**
 * What the settings keep of chosen dances.
 *
 * @param {Definition} definition
 * @param {string[]} dances
 */
export function asChoice(definition, dances) {
  const keys = definition.model.labels.filter((label) => dances.includes(label));
  const group = Object.entries(groups(definition)).find(([, mine]) => String(mine) === String(keys));
  return keys.length === definition.model.labels.length ? '' : (group?.[0] ?? keys.join());
}

/** The card of the settings, and what the first screen says of it. */
export class DancedCard {
  /** @param {import('./engine.js').Engine} engine */
  constructor(engine) {
    this._engine = engine;
    const select = /** @type {HTMLSelectElement} */ (get('danced'));
    select.addEventListener('change', () => this._choose(select.value));
    const only = /** @type {HTMLInputElement} */ (get('nothing-else'));
    only.addEventListener('change', () => {
      change({ nothingElse: only.checked });
      this.show();
    });
  }

  /** @param {string} choice */
  _choose(choice) {
    change({ danced: choice });
    this.show();
  }

  /** Bring it up to date: in the language that is spoken, with what is chosen. */
  show() {
    const definition = this._engine.definition;
    if (!definition) {
      return;
    }
    const dances = chosen(definition, settings.danced);
    const choice = asChoice(definition, dances);
    const names = ['', ...Object.keys(groups(definition))];
    const own = names.includes(choice) ? [] : [make('option', { value: choice }, tr('own_choice'))];
    const select = /** @type {HTMLSelectElement} */ (get('danced'));
    select.replaceChildren(...names.map((name) => make('option', { value: name }, tr(`group_${name || 'all'}`))), ...own);
    select.value = choice;
    /** @type {HTMLInputElement} */ (get('nothing-else')).checked = settings.nothingElse;
    this._showDances(definition, dances);
    this._showNow(definition, dances, choice);
  }

  /**
   * @param {Definition} definition
   * @param {string[]} dances
   */
  _showDances(definition, dances) {
    const place = get('danced-dances');
    if (place.children.length !== definition.model.labels.length) {
      place.replaceChildren(
        ...definition.model.labels.map((key) => {
          const box = /** @type {HTMLInputElement} */ (make('input', { type: 'checkbox', value: key }));
          box.addEventListener('change', () => this._toggle(key));
          return make('label', { class: 'check' }, box, swatch(definition.dances[key]), make('span'));
        }),
      );
    }
    for (const label of place.children) {
      const box = /** @type {HTMLInputElement} */ (label.firstElementChild);
      box.checked = dances.includes(box.value);
      /** @type {Element} */ (label.lastElementChild).textContent = danceName(box.value);
    }
  }

  /** @param {string} key of a dance */
  _toggle(key) {
    const definition = this._engine.definition;
    if (definition) {
      const dances = chosen(definition, settings.danced);
      const now = dances.includes(key) ? dances.filter((one) => one !== key) : [...dances, key];
      this._choose(asChoice(definition, now.length ? now : definition.model.labels));
    }
  }

  /**
   * On the first screen, where it isn't everything.
   *
   * @param {Definition} definition
   * @param {string[]} dances
   * @param {string} choice
   */
  _showNow(definition, dances, choice) {
    get('danced-now').hidden = !choice && !settings.nothingElse;
    const isGroup = !choice || choice in groups(definition);
    const some = dances.slice(0, FEW).map(danceName).join(', ');
    const own = dances.length > FEW ? `${some}, … (${dances.length})` : some;
    const name = isGroup ? tr(`group_${choice || 'all'}`) : own;
    const text = settings.nothingElse ? `${name} (${tr('nothing_else')})` : name;
    get('danced-now').textContent = tr('danced_now', { dances: text });
  }
}
