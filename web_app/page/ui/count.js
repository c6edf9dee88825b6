// The count, in phase with the music, as dancers say it. Where it isn't sure it shows nothing.

import { announce, get, make } from './dom.js';
import { change, settings } from './settings.js';
import { tr } from './words.js';

/** @typedef {import('../engine/definition.js').DanceCount} DanceCount */
/** @typedef {import('../engine/beats.js').NextBeat & {at: number}} ShownBeat at: time of day when it is to be shown, ms */

const UNSURE_MS = 700; // without a sure beat until nothing is shown
const TAPS = 8; // that tell how late sound is
const MOST_LATE = 400; // ms
const BUZZ = 40; // ms
const LATER_MS = 500; // that what else is drawn may wait for a beat

/** Which syllables fall on a beat: follows a count that may be longer or shorter than a bar. */
export class Syllables {
  /** @param {DanceCount} count */
  constructor({ starts, said }) {
    this._starts = starts;
    let at = 0;
    /** Beat at which each syllable begins. */
    this.begins = said.map(([, beats]) => (at += beats) - beats);
    this._length = Math.round(at);
    this._place = -1; // beats since the count began; -1 not yet
    this._position = 0; // of the last beat in its bar
  }

  /**
   * The next beat was heard.
   *
   * @param {number} position in the bar, from 1
   * @param {number} beatsPerBar
   * @returns {[number, number][]} of syllables that begin with it or before the next one: which, and how much later,
   *   in beats
   */
  beat(position, beatsPerBar) {
    const goesOn = this._place >= 0 && position === (this._position % beatsPerBar) + 1;
    const sinceStart = (position - this._starts + beatsPerBar) % beatsPerBar;
    const place = (goesOn ? this._place + 1 : sinceStart) % this._length;
    [this._place, this._position] = [place, position];
    return this.begins.flatMap((begin, i) => (begin >= place && begin < place + 1 ? [[i, begin - place]] : []));
  }
}

export class Count {
  /**
   * @param {import('./engine.js').Engine} engine
   * @param {() => void} changed told when the latency was measured
   */
  constructor(engine, changed) {
    this._engine = engine;
    this._changed = changed;
    /** @type {{at: number, timer: number}[]} beats that are to be shown */
    this._coming = [];
    /** @type {number[]} */
    this._fractions = []; // timers
    /** @type {(() => void)[]} what is drawn with the next beat */
    this._waiting = [];
    this._patience = 0; // timer
    this._shownAt = 0; // ms, of the last beat
    this._expected = Infinity; // ms, of the next one, until it is told
    this._sureAt = 0;
    this._unsure = 0; // timer
    this._dance = ''; // whose count is shown
    this._beats = 0; // of the bar that is shown
    /** @type {Syllables | null} */
    this._syllables = null;
    /** @type {number[] | null} ms that taps came after beats; null while nobody taps */
    this._taps = null;
    engine.addEventListener('beat', (event) => this._hear(/** @type {CustomEvent} */ (event).detail.beat));
    pressed(get('the-one'), () => this._engine.theOne());
    pressed(get('tap-along'), () => this._tap());
    document.addEventListener('visibilitychange', () => {
      this.stop();
      engine.count();
    });
  }

  /**
   * Whose count it is.
   *
   * @param {string | null} dance key; null where it isn't sure
   */
  of(dance) {
    if (this._dance !== (dance ?? '')) {
      this._dance = dance ?? '';
      this._beats = 0;
    }
  }

  /**
   * Draw something in the frame of the next beat where one comes soon, else now: each frame costs.
   *
   * @param {() => void} drawing
   */
  draw(drawing) {
    const next = Math.min(this._expected, ...this._coming.map(({ at }) => at));
    this._waiting.push(drawing);
    if (next > Date.now() + LATER_MS) {
      this._drawWaiting();
    } else if (this._waiting.length === 1) {
      this._patience = setTimeout(() => this._drawWaiting(), LATER_MS); // that beat may not come
    }
  }

  _drawWaiting() {
    clearTimeout(this._patience);
    const waiting = this._waiting;
    this._waiting = [];
    waiting.forEach((drawing) => drawing());
  }

  /** Nothing is shown any more. */
  stop() {
    this._pause();
    get('counting').hidden = true;
  }

  /** Nothing is shown until it is sure again. */
  _pause() {
    this._coming.forEach(({ timer }) => clearTimeout(timer));
    this._fractions.forEach(clearTimeout);
    clearTimeout(this._unsure);
    [this._coming, this._fractions] = [[], []];
    this._expected = Infinity;
    get('counting').classList.add('unsure');
    this._drawWaiting();
  }

  /** @param {ShownBeat | null} beat */
  _hear(beat) {
    if (!settings.count || beat?.position === undefined || beat.position === null) {
      return;
    }
    clearTimeout(this._unsure);
    this._unsure = setTimeout(() => this._pause(), Math.max(UNSURE_MS, 2500 * beat.period));
    let { at, position } = beat;
    if (at < this._shownAt + (1000 * beat.period) / 2) {
      at += 1000 * beat.period; // it was shown a moment ago
      position = (position % beat.beatsPerBar) + 1;
    }
    const near = this._coming.findIndex((one) => Math.abs(one.at - at) < (1000 * beat.period) / 2);
    if (near >= 0) {
      clearTimeout(this._coming[near].timer);
      this._coming.splice(near, 1);
    }
    const timer = setTimeout(() => this._pulse({ ...beat, at, position }), Math.max(0, at - Date.now()));
    this._coming.push({ at, timer });
  }

  /** @param {ShownBeat} beat */
  _pulse({ at, position, beatsPerBar, period }) {
    this._coming = this._coming.filter((one) => one.at !== at);
    this._shownAt = at;
    this._expected = at + 1000 * period;
    this._lay(beatsPerBar);
    get('counting').hidden = false;
    get('counting').classList.remove('unsure');
    const falling = this._syllables?.beat(position ?? 1, beatsPerBar) ?? [];
    for (const [syllable, later] of falling) {
      if (later) {
        this._fractions.push(setTimeout(() => this._light(syllable), 1000 * period * later));
      } else {
        this._light(syllable);
      }
    }
    this._fractions = this._fractions.slice(-4);
    this._drawWaiting();
    if (position === 1 && settings.buzz) {
      navigator.vibrate?.(BUZZ);
    }
  }

  /**
   * Write the syllables, where they are others than before.
   *
   * @param {number} beatsPerBar
   */
  _lay(beatsPerBar) {
    if (this._beats === beatsPerBar && this._syllables) {
      return;
    }
    this._beats = beatsPerBar;
    const own = this._engine.definition?.counts[this._dance];
    const plain = Array.from({ length: beatsPerBar }, (_, i) => /** @type {[string, number]} */ ([String(i + 1), 1]));
    const count = own ?? { starts: 1, said: plain };
    this._syllables = new Syllables(count);
    const words = /** @type {Record<string, string>} */ ({ slow: 'slow', quick: 'quick', tap: 'tapped' });
    get('said').replaceChildren(
      ...count.said.map(([text]) => (text in words ? make('li', { class: 'word' }, tr(words[text])) : make('li', {}, text))),
    );
    this._showTaps();
  }

  /** @param {number} syllable */
  _light(syllable) {
    const all = get('said').children;
    get('said').querySelector('.now')?.classList.remove('now');
    all[syllable]?.classList.add('now');
  }

  /** Somebody taps at the beats: so late is the sound that this device hears, or early. */
  _tap() {
    if (!this._taps) {
      this._taps = [];
    } else {
      const last = this._shownAt - settings.latency;
      const coming = this._coming.map(({ at }) => at - settings.latency);
      const apart = [last, ...coming].map((at) => Date.now() - at).sort((a, b) => Math.abs(a) - Math.abs(b));
      this._taps.push(apart[0]);
    }
    if (this._taps.length >= TAPS) {
      const sorted = this._taps.toSorted((a, b) => a - b);
      const latency = 10 * Math.round(sorted[TAPS >> 1] / 10);
      this._taps = null;
      change({ latency: Math.min(MOST_LATE, Math.max(-MOST_LATE, latency)) });
      this._changed();
      this._engine.count();
      announce(get('latency-words').textContent ?? '');
    }
    this._showTaps();
  }

  _showTaps() {
    const text = this._taps ? tr('taps_left', { count: TAPS - this._taps.length }) : tr('tap_along');
    get('tap-along').textContent = text;
  }
}

/**
 * Do something at the moment at which a button is pressed, not when it is let go.
 *
 * @param {HTMLElement} button
 * @param {() => void} action
 */
function pressed(button, action) {
  button.addEventListener('pointerdown', action);
  button.addEventListener('click', ({ detail }) => detail || action()); // 0 from the keyboard
}
