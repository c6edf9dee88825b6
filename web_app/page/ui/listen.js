// The first screen: one button, and what the music is.

import { facts, inWords, partRows, scoreRows, summary } from './answer.js';
import { draw, Timeline } from './chart.js';
import { announce, get, tint } from './dom.js';
import { Microphone, MicrophoneError } from './microphone.js';
import { keepAwake } from './screen.js';
import { settings } from './settings.js';
import { keep } from './store.js';
import { clock, decimal, percent, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./engine.js').Heard} Heard */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

const SPAN = 60; // s of the drawing
const KEPT_SEGMENTS = 600; // of the drawing's past
const SAVE_SECONDS = 5;
const SKIPPED_SHOWN = 8000; // ms that the screen says so

export class ListenScreen {
  /** @param {Engine} engine */
  constructor(engine) {
    this._engine = engine;
    /** @type {'idle' | 'starting' | 'listening'} */
    this.state = 'idle';
    /** @type {Microphone | null} */
    this._microphone = null;
    /** @type {Prediction | null} */
    this._prediction = null;
    /** @type {Timeline | null} */
    this._timeline = null;
    this._started = new Date();
    this._id = '';
    this._savedAt = 0;
    this._stored = true;
    /** @type {'' | 'muted' | 'nothing' | 'skipped'} */
    this._notice = '';
    get('listen-button').addEventListener('click', () => this.toggle());
    engine.addEventListener('heard', (event) => this._hear(/** @type {CustomEvent<Heard>} */ (event).detail));
    engine.addEventListener('skipped', () => this._say('skipped', 'busy', SKIPPED_SHOWN));
    engine.addEventListener('broken', () => this._give('unexpected'));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') {
        this._save();
      }
    });
    new ResizeObserver(() => this._draw()).observe(get('live-chart'));
    this.show();
  }

  toggle() {
    return this.state === 'idle' ? this.start() : this.stop();
  }

  async start() {
    this.state = 'starting';
    this._notice = '';
    this._trouble('');
    this._prediction = null;
    this._timeline = null;
    this.show();
    try {
      const microphone = await Microphone.open(this._engine.definition, {
        muted: (muted) => (muted ? this._say('muted', 'muted') : this._unsay('muted')),
        lost: () => this._give('microphone_lost'),
        interrupted: () => this._give('interrupted'),
      });
      if (this.state !== 'starting') {
        await microphone.close(); // stopped while the browser asked
        return;
      }
      this._microphone = microphone;
    } catch (error) {
      console.info('no microphone', error);
      this._give(error instanceof MicrophoneError ? error.problem : 'unexpected');
      return;
    }
    this._started = new Date();
    this._id = crypto.randomUUID();
    this._savedAt = 0;
    this._engine.listen(this._microphone.port, this._microphone.sampleRate);
    this.state = 'listening';
    keepAwake(settings.awake);
    announce(tr('hold'));
    this.show();
  }

  async stop() {
    this.state = 'idle';
    this._engine.stop();
    const microphone = this._microphone;
    this._microphone = null;
    keepAwake(false);
    await this._save();
    this.show();
    await microphone?.close();
  }

  /**
   * End, because of some trouble.
   *
   * @param {string} problem key of a sentence
   */
  async _give(problem) {
    await this.stop();
    this._trouble(problem);
  }

  /** @param {string} problem key of a sentence; '' for none */
  _trouble(problem) {
    const place = get('trouble');
    place.dataset.word = problem;
    place.textContent = problem && tr(problem);
    place.hidden = !problem;
  }

  /**
   * Say something while listening goes on.
   *
   * @param {'muted' | 'nothing' | 'skipped'} notice
   * @param {string} sentence
   * @param {number} [milliseconds] that it stays
   */
  _say(notice, sentence, milliseconds) {
    if (this._notice !== notice) {
      this._notice = notice;
      this._trouble(sentence);
    }
    if (milliseconds) {
      setTimeout(() => this._unsay(notice), milliseconds);
    }
  }

  /** @param {string} notice */
  _unsay(notice) {
    if (this._notice === notice) {
      this._notice = '';
      this._trouble('');
    }
  }

  /** @param {Heard} heard */
  _hear({ level, seconds, prediction, nothing }) {
    if (this.state !== 'listening') {
      return;
    }
    if (nothing && this._notice !== 'muted') {
      this._say('nothing', 'microphone_silent');
    } else if (!nothing) {
      this._unsay('nothing');
    }
    get('level').style.setProperty('--level', String(level.fraction));
    get('level-words').textContent = tr(`level_${level.advice}`);
    get('level-words').dataset.advice = level.advice;
    get('elapsed').textContent = clock(seconds);
    if (!prediction) {
      return;
    }
    this._prediction = prediction;
    const [first] = prediction.segments;
    this._timeline ??= new Timeline(first.end - first.start);
    this._timeline.extend(prediction.segments);
    this._timeline.trim(KEPT_SEGMENTS);
    this._answer();
    if (seconds - this._savedAt >= SAVE_SECONDS) {
      this._savedAt = seconds;
      this._save();
    }
  }

  async _save() {
    const definition = this._engine.definition;
    if (!this._prediction?.parts.length || !definition) {
      return;
    }
    const { name, version } = definition.model;
    const { parts, duration } = this._prediction;
    const evening = { id: this._id, started: this._started.toISOString(), duration, model: `${name} ${version}`, parts };
    const stored = await keep(evening);
    if (!stored && this._stored) {
      this._trouble('not_stored');
    }
    this._stored = stored;
  }

  /** Bring the screen up to date. */
  show() {
    const screen = get('view-listen');
    screen.dataset.state = this.state === 'idle' && this._prediction ? 'stopped' : this.state;
    const word = { idle: this._prediction ? 'listen_again' : 'listen', starting: 'starting', listening: 'stop' };
    get('listen-word').textContent = tr(word[this.state]);
    get('listen-button').setAttribute('aria-pressed', String(this.state !== 'idle'));
    get('hint').textContent = tr(this.state === 'idle' ? 'tap' : 'hold');
    this._answer();
  }

  _answer() {
    const definition = this._engine.definition;
    const prediction = this._prediction;
    const listening = this.state === 'listening';
    get('cards').hidden = !prediction;
    get('hint').hidden = !!prediction;
    get('sureness').hidden = !prediction || !['dance', 'either'].includes(prediction.verdict);
    if (!prediction || !definition) {
      get('certainty').textContent = listening ? tr('listening') : '';
      get('answer').textContent = '';
      get('facts').textContent = '';
      return;
    }
    const { certainty, answer } = inWords(definition, prediction, true);
    get('certainty').textContent = certainty;
    get('answer').textContent = answer;
    get('answer').dataset.length = answer.length > 18 ? 'long' : answer.length > 11 ? 'medium' : 'short';
    const found = [facts(definition, prediction)];
    if (prediction.tempo_mpm) {
      found.push(tr('tempo', { tempo: decimal(prediction.tempo_mpm) }));
    }
    get('facts').textContent = found[found.length - 1];
    const fill = get('sureness-fill');
    fill.style.width = `${100 * prediction.confidence}%`;
    tint(fill, definition.dances[prediction.best]);
    get('sureness-value').textContent = percent(prediction.confidence);
    get('scores').replaceChildren(...scoreRows(definition, prediction));
    get('set-list').replaceChildren(...partRows(definition, prediction.parts, this._started).reverse());
    get('set-list-card').hidden = !prediction.parts.length;
    if (listening) {
      announce(prediction.verdict === 'dance' ? `${certainty}: ${answer}` : answer);
    }
    this._draw();
  }

  _draw() {
    const definition = this._engine.definition;
    if (definition && this._timeline && this._prediction) {
      const span = { span: SPAN, summary: summary(definition, this._prediction.parts.slice(-3)) };
      draw(get('live-chart'), definition, this._timeline, span);
    }
  }
}
