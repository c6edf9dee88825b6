// The first screen: one button. It hears an evening, through interruptions too; `Stage` shows what it is.

import { Count } from './count.js';
import { announce, get } from './dom.js';
import { Microphone, MicrophoneError } from './microphone.js';
import { keepAwake } from './screen.js';
import { settings } from './settings.js';
import { Stage } from './stage.js';
import { keep, persist } from './store.js';
import { danceName, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./engine.js').Heard} Heard */
/** @typedef {import('./offline.js').Download} Download */
/** @typedef {import('../engine/session.js').Prediction} Prediction */
/** @typedef {'idle' | 'starting' | 'listening' | 'paused'} State */

const SAVE_SECONDS = 5;
const SKIPPED_SHOWN = 8000; // ms that the screen says so
const SAME_EVENING = 15 * 60_000; // ms that an interruption may last
const LATE = 3000; // ms without a word from the worker: it was frozen, or the sound was taken away

export class ListenScreen {
  /**
   * @param {Engine} engine
   * @param {Download} download
   * @param {() => void} changed told when a setting was changed here
   * @param {import('./teaching.js').Teaching} teaching
   */
  constructor(engine, download, changed, teaching) {
    this._engine = engine;
    this._download = download;
    this._stage = new Stage(engine);
    this._count = new Count(engine, changed);
    this._teaching = teaching;
    /** @type {{start: number, dance: string}[]} pieces of this evening that were corrected */
    this._corrected = [];
    /** @type {State} */
    this.state = 'idle';
    /** @type {Microphone | null} */
    this._microphone = null;
    /** @type {Prediction | null} */
    this._prediction = null;
    this._started = new Date();
    this._id = '';
    this._from = 0; // s: what was before was deleted
    this._savedAt = 0;
    this._heardAt = 0; // time of day, ms
    this._stored = true;
    this._resuming = false;
    this._attempt = 0; // counts the times that a microphone was asked for
    /** @type {'' | 'muted' | 'nothing' | 'skipped'} */
    this._notice = '';
    get('correct-button').addEventListener('click', () => this._correct());
    get('listen-button').addEventListener('click', () => this.toggle());
    engine.addEventListener('heard', (event) => this._hear(/** @type {CustomEvent<Heard>} */ (event).detail));
    engine.addEventListener('skipped', () => this._say('skipped', 'busy', SKIPPED_SHOWN));
    engine.addEventListener('broken', () => this._give('unexpected'));
    download.addEventListener('change', () => this._showHint());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') {
        this._save();
      } else {
        this._wake();
        this.show();
      }
    });
    navigator.mediaDevices?.addEventListener('devicechange', () => this.state === 'paused' && this._resume());
    this.show();
  }

  toggle() {
    if (this.state === 'idle') {
      return this.start();
    }
    return this.state === 'paused' ? this._resume(true) : this.stop();
  }

  async start() {
    this.state = 'starting';
    this._notice = '';
    this._trouble('');
    this._prediction = null;
    this._stage.clear();
    this.show();
    const microphone = await this._open();
    if (!microphone) {
      return;
    }
    this._started = new Date();
    this._id = crypto.randomUUID();
    this._from = 0;
    this._corrected = [];
    this._savedAt = 0;
    await this._listen(microphone, false);
    announce(tr('hold'));
  }

  /** A microphone, once the engine is ready for it; null where there is none, or it is no longer wanted. */
  async _open() {
    const attempt = ++this._attempt;
    const ours = () => attempt === this._attempt;
    const listeners = {
      muted: (/** @type {boolean} */ muted) => (muted ? this._say('muted', 'muted') : this._unsay('muted')),
      lost: () => this._pause('microphone_lost'),
      interrupted: () => this._pause('interrupted'),
      back: () => this._resume(),
    };
    try {
      const microphone = await Microphone.open(listeners);
      if (ours()) {
        this._microphone = microphone; // held until the engine is ready
        await this._engine.ready;
      }
      if (ours()) {
        return microphone;
      }
      await microphone.close(); // stopped while the browser asked, or while the page was being loaded
    } catch (error) {
      console.info('no microphone', error);
      if (ours()) {
        await this._refused(error);
      }
    }
    return null;
  }

  /** @param {unknown} error of a microphone that was asked for */
  async _refused(error) {
    const problem = error instanceof MicrophoneError ? error.problem : 'unexpected';
    if (this.state === 'paused') {
      this._trouble(problem); // the evening still waits
    } else {
      await this._give(problem);
    }
  }

  /**
   * @param {Microphone} microphone
   * @param {boolean} goesOn in the same evening
   */
  async _listen(microphone, goesOn) {
    try {
      const port = await microphone.start(await this._engine.ready);
      if (this._microphone !== microphone) {
        return; // stopped meanwhile
      }
      this._engine.listen(port, microphone.sampleRate, goesOn);
      this._goOn();
    } catch (error) {
      console.info('the microphone can not be heard', error);
      await this._refused(error);
    }
  }

  _goOn() {
    this.state = 'listening';
    this._heardAt = Date.now();
    if (!this._notice) {
      this._trouble('');
    }
    keepAwake(settings.awake);
    this.show();
  }

  async stop() {
    this.state = 'idle';
    this._attempt++;
    this._engine.stop();
    const microphone = this._microphone;
    this._microphone = null;
    keepAwake(false);
    await this._save();
    this.show();
    await microphone?.close();
    await this._teaching.learn();
  }

  /** Somebody knows better what plays now, or played last. */
  async _correct() {
    const heard = this._prediction;
    const part = heard?.parts.at(-1);
    if (!heard || !part) {
      return;
    }
    const piece = { id: `${this._id} ${part.start.toFixed()}`, from: part.start, to: heard.duration, scores: heard.scores };
    const dance = await this._teaching.correct(piece);
    if (dance && this._prediction) {
      this._corrected = [...this._corrected.filter(({ start }) => start !== part.start), { start: part.start, dance }];
      this._prediction = { ...this._prediction, parts: this._kept(this._prediction.parts) };
      this._stage.hear(this._prediction, this._started, false);
      this._showCorrection();
      await this._save();
    }
  }

  _showCorrection() {
    const part = this._prediction?.parts.at(-1);
    const corrected = part && this._corrected.find(({ start }) => start === part.start);
    const other = this._engine.definition?.other;
    get('you-say').hidden = !corrected;
    const dance = corrected && (corrected.dance === other ? tr('none_short') : danceName(corrected.dance));
    get('you-say').textContent = dance ? tr('you_say', { dance }) : '';
    get('correct-button').hidden = !part;
  }

  /**
   * An interruption: the evening waits.
   *
   * @param {string} problem key of a sentence
   */
  _pause(problem) {
    if (this.state !== 'listening') {
      return;
    }
    this.state = 'paused';
    this._notice = '';
    keepAwake(false);
    this._save();
    this._trouble(problem);
    this.show();
  }

  /**
   * Go on with the evening, or with a new one where the old one is long over.
   *
   * @param {boolean} tapped
   */
  async _resume(tapped = false) {
    if (this.state !== 'paused' || this._resuming) {
      return;
    }
    this._resuming = true;
    try {
      const over = Date.now() - this._heardAt > SAME_EVENING;
      if (over) {
        await this.stop();
        if (tapped) {
          await this.start();
        } else {
          this._trouble('evening_over');
        }
      } else if (await this._microphone?.resume()) {
        this._goOn();
      } else if (tapped || document.visibilityState === 'visible') {
        await this._microphone?.close();
        const microphone = await this._open();
        if (microphone) {
          await this._listen(microphone, true);
        }
      }
    } finally {
      this._resuming = false;
    }
  }

  /** The page is seen again: whatever took the sound away meanwhile may not have said so. */
  _wake() {
    if (this.state === 'listening' && (!this._microphone?.running || Date.now() - this._heardAt > LATE)) {
      this._pause('interrupted');
    }
    this._resume();
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
    this._heardAt = Date.now();
    if (nothing && this._notice !== 'muted') {
      this._say('nothing', 'microphone_silent');
    } else if (!nothing) {
      this._unsay('nothing');
    }
    this._count.draw(() => this._stage.level(level, seconds));
    if (!prediction) {
      return;
    }
    this._prediction = { ...prediction, parts: this._kept(prediction.parts) };
    this._stage.take(this._prediction, this._started, true);
    this._count.of(this._prediction.parts.at(-1)?.dance ?? prediction.dance);
    this._count.draw(() => {
      this._stage.answer();
      this._showCorrection();
    });
    if (seconds - this._savedAt >= SAVE_SECONDS) {
      this._savedAt = seconds;
      this._save();
    }
  }

  /**
   * Without what was deleted, and as it was corrected.
   *
   * @param {import('../engine/session.js').Part[]} parts
   * @returns {import('../engine/session.js').Part[]}
   */
  _kept(parts) {
    const from = this._from;
    const kept = parts.filter(({ end }) => end > from).map((part) => ({ ...part, start: Math.max(part.start, from) }));
    const other = this._engine.definition?.other;
    return kept.map((part) => {
      const dance = this._corrected.find(({ start }) => start === part.start)?.dance;
      if (!dance) {
        return part;
      }
      const none = dance === other;
      return { ...part, dance: none ? null : dance, verdict: none ? 'none' : 'dance', best: none ? part.best : dance, also: [] };
    });
  }

  /**
   * An evening was deleted, or all of them; if it is the one that goes on, it begins anew from here.
   *
   * @param {string | null} id null for all
   */
  forget(id) {
    if (!this._prediction || (id !== null && id !== this._id)) {
      return;
    }
    this._from = this._prediction.duration;
    this._id = crypto.randomUUID();
    this._prediction = { ...this._prediction, parts: [] };
    this._stage.hear(this._prediction, this._started, false);
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
    persist();
    if (!stored && this._stored) {
      this._trouble('not_stored');
    }
    this._stored = stored;
  }

  /** Bring the screen up to date. */
  show() {
    const stopped = this.state === 'idle' && this._prediction;
    if (this.state !== 'listening') {
      this._count.stop();
    }
    get('view-listen').dataset.state = stopped ? 'stopped' : this.state;
    const words = { idle: stopped ? 'listen_again' : 'listen', starting: 'stop', listening: 'stop', paused: 'go_on' };
    get('listen-word').textContent = tr(words[this.state]);
    this._showHint();
    this._stage.show(this.state === 'listening');
    this._showCorrection();
  }

  _showHint() {
    const waits = this.state === 'starting' && !this._engine.definition;
    const hint = this.state === 'idle' ? tr('tap') : waits ? this._download.words : tr('hold');
    if (get('hint').textContent !== hint) {
      get('hint').textContent = hint;
    }
    get('hint').hidden = !!this._prediction;
  }
}
