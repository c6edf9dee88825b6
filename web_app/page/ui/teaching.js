// Corrections that teach: kept on this device, learnt from after the evening, given to others as a file.

import { announce, button, get, make, save, swatch } from './dom.js';
import { corrections, forgetTaught, keepCorrection, keepTaught, persist, taughtFile } from './store.js';
import { danceName, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

const TYPE = 'application/json';

export class Teaching {
  /**
   * @param {Engine} engine
   * @param {() => void} changed told when the model hears otherwise than before
   */
  constructor(engine, changed) {
    this._engine = engine;
    this._changed = changed;
    this._count = 0; // corrections
    this._from = [0, 0]; // with how many recordings what is used was learnt, and given
    this._news = ''; // key of a sentence about the last attempt
    this._learning = false;
    const input = /** @type {HTMLInputElement} */ (get('taught-input'));
    get('taught-open').addEventListener('click', () => input.click());
    input.addEventListener('change', async () => {
      const file = input.files?.[0];
      input.value = '';
      if (file) {
        await this._take(file);
      }
    });
    get('taught-save').addEventListener('click', () => this._give());
    get('taught-forget').addEventListener('click', () => this._forget());
  }

  /** Use what was taught in earlier evenings; to be called once the engine is ready. */
  async start() {
    try {
      this._count = (await corrections()).length;
      await this._use();
    } catch (error) {
      console.warn('what was taught can not be used', error);
    }
    this.show();
  }

  async _use() {
    const texts = [await taughtFile('learnt'), await taughtFile('given')];
    if (this._from.some(Boolean) || texts.some(Boolean)) {
      const { definition, from, exact } = await this._engine.ask('taught', { texts });
      this._from = from;
      this._engine.definition = definition;
      this._engine.exact = exact;
      this._changed();
    }
  }

  /**
   * Ask what a piece of music is, and keep the answer.
   *
   * @param {{id: string, from: number, to: number, scores: Record<string, number>}} piece its seconds in the evening
   * @returns {Promise<string | null>} key; null where nothing was chosen
   */
  async correct({ id, from, to, scores }) {
    const definition = this._engine.definition;
    const dance = definition && (await this._asked(scores));
    if (!dance) {
      return null;
    }
    try {
      const segments = await this._engine.ask('segments', { from, to });
      if (segments.length && definition.teachable) {
        await keepCorrection({ id, when: Date.now(), dance, segments }, definition.teaching.most);
        this._count = (await corrections()).length;
        this._news = '';
        persist();
      }
    } catch (error) {
      console.warn('a correction could not be kept', error);
    }
    this.show();
    return dance;
  }

  /**
   * @param {Record<string, number>} scores
   * @returns {Promise<string>} '' where nothing was chosen
   */
  _asked(scores) {
    const dialog = /** @type {HTMLDialogElement} */ (get('correct'));
    const { definition } = this._engine;
    const other = definition?.other ?? '';
    const keys = Object.keys(scores).filter((key) => key !== other);
    keys.sort((a, b) => scores[b] - scores[a]);
    get('correct-dances').replaceChildren(
      ...[...keys, other].map((key) => {
        const choose = button('', () => dialog.close(key), { class: 'text-button choice' });
        choose.append(swatch(definition?.dances[key]), make('span', {}, key === other ? tr('none_short') : danceName(key)));
        return make('li', {}, choose);
      }),
    );
    dialog.returnValue = '';
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true }));
  }

  /** Learn from all corrections, where there are enough; after the evening. */
  async learn() {
    const { teachable, teaching } = this._engine.definition ?? {};
    if (!teachable || !teaching || this._learning || this._count < teaching.min_groups) {
      return;
    }
    this._learning = true;
    this._news = 'learning';
    this.show();
    try {
      const all = (await corrections()).map(({ id, dance, segments }) => ({ id, dance, segments }));
      const { text, better } = await this._engine.ask('learn', { corrections: all });
      await keepTaught('learnt', text);
      await this._use();
      this._news = better ? '' : 'nothing_gained';
      announce(better ? tr('learnt_from', { count: this._from[0] }) : tr('nothing_gained'));
    } catch (error) {
      console.info('nothing was learnt', error);
      this._news = 'not_learnt'; // without a network, say: the next evening tries again
    } finally {
      this._learning = false;
    }
    this.show();
  }

  /** @param {File} file of someone else */
  async _take(file) {
    try {
      const most = this._engine.definition?.teaching.max_bytes ?? 0;
      const text = file.size <= most ? await file.text() : '';
      const learnt = await taughtFile('learnt');
      const { misfits } = await this._engine.ask('taught', { texts: [learnt, text] });
      if (misfits[1]) {
        throw new Error('other_model');
      }
      await keepTaught('given', text);
      this._from[1] = 1;
      this._news = '';
    } catch (error) {
      const known = error instanceof Error && ['other_model', 'no_taught_file'].includes(error.message);
      this._news = known ? error.message : 'unexpected';
    }
    await this._use();
    this.show();
  }

  async _give() {
    const learnt = (await taughtFile('learnt')) ?? (await taughtFile('given'));
    const suffix = this._engine.definition?.teaching.suffix ?? '';
    if (learnt) {
      save(`whichdance-${new Date().toISOString().slice(0, 10)}${suffix}`, learnt, TYPE);
    }
  }

  async _forget() {
    await forgetTaught();
    this._count = 0;
    this._news = '';
    await this._use();
    this._from = [0, 0];
    this.show();
  }

  /** Bring the card of the settings up to date. */
  show() {
    const [learnt, given] = this._from;
    get('teaching-card').hidden = !this._engine.definition?.teachable;
    const least = this._engine.definition?.teaching.min_groups ?? 0;
    const sentences = [
      learnt ? tr('learnt_from', { count: learnt }) : '',
      given ? tr('given_from', { count: given }) : '',
      !learnt && this._count ? tr('corrections_kept', { count: this._count, least }) : '',
      !learnt && !given && !this._count ? tr('nothing_taught') : '',
      this._news && tr(this._news),
    ];
    get('teaching-words').textContent = sentences.filter(Boolean).join(' ');
    get('taught-save').hidden = !learnt && !given;
    get('taught-forget').hidden = !learnt && !given && !this._count;
  }
}
