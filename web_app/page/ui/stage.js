// What is shown of the music that plays. Nothing is drawn while nobody can see it.

import { facts, inWords, partRows, scoreRows, summary } from './answer.js';
import { draw, Timeline } from './chart.js';
import { announce, get, tint } from './dom.js';
import { clock, decimal, percent, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../engine/level.js').Level} Level */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

const SPAN = 60; // s of the drawing
const KEPT_SEGMENTS = 600; // of the drawing's past

export class Stage {
  /** @param {Engine} engine */
  constructor(engine) {
    this._engine = engine;
    /** @type {Prediction | null} */
    this._prediction = null;
    /** @type {Timeline | null} */
    this._timeline = null;
    this._started = new Date();
    this._listening = false;
    new ResizeObserver(() => this._draw()).observe(get('live-chart'));
  }

  clear() {
    this._prediction = null;
    this._timeline = null;
  }

  /**
   * @param {Level} level
   * @param {number} seconds heard so far
   */
  level({ fraction, advice }, seconds) {
    if (!seen()) {
      return;
    }
    get('level-fill').style.transform = `scaleX(${fraction.toFixed(2)})`;
    if (get('level-words').dataset.advice !== advice) {
      get('level-words').dataset.advice = advice;
      get('level-words').textContent = tr(`level_${advice}`);
    }
    write('elapsed', clock(seconds));
  }

  /**
   * A new prediction.
   *
   * @param {Prediction} prediction
   * @param {Date} started
   * @param {boolean} isNew whether its segments are
   */
  hear(prediction, started, isNew) {
    this._prediction = prediction;
    this._started = started;
    if (isNew && prediction.segments.length) {
      const [first] = prediction.segments;
      this._timeline ??= new Timeline(first.end - first.start);
      this._timeline.extend(prediction.segments);
      this._timeline.trim(KEPT_SEGMENTS);
    }
    this._answer();
  }

  /**
   * Bring all of it up to date.
   *
   * @param {boolean} listening
   */
  show(listening) {
    this._listening = listening;
    get('level-words').textContent = tr(`level_${get('level-words').dataset.advice || 'wait'}`);
    this._answer();
  }

  _answer() {
    const definition = this._engine.definition;
    const prediction = this._prediction;
    get('hint').hidden = !!prediction;
    get('cards').hidden = !prediction;
    get('sureness').hidden = !prediction || !['dance', 'two'].includes(prediction.verdict);
    if (!prediction || !definition) {
      write('certainty', this._listening ? tr('listening') : '');
      write('answer', '');
      write('facts', '');
      return;
    }
    const { certainty, answer } = inWords(definition, prediction, true);
    if (this._listening) {
      announce(answer);
    }
    if (!seen()) {
      return;
    }
    write('certainty', certainty);
    write('answer', answer);
    get('answer').dataset.length = answer.length > 18 ? 'long' : answer.length > 11 ? 'medium' : 'short';
    const tempo = prediction.tempo_mpm ? tr('tempo', { tempo: decimal(prediction.tempo_mpm) }) : '';
    write('facts', tempo || facts(definition, prediction));
    const fill = get('sureness-fill');
    fill.style.transform = `scaleX(${prediction.confidence.toFixed(2)})`;
    tint(fill, definition.dances[prediction.best]);
    write('sureness-value', percent(prediction.confidence));
    get('scores').replaceChildren(...scoreRows(definition, prediction));
    get('set-list').replaceChildren(...partRows(definition, prediction.parts, this._started).reverse());
    get('set-list-card').hidden = !prediction.parts.length;
    this._draw();
  }

  _draw() {
    const definition = this._engine.definition;
    if (definition && this._timeline && this._prediction && seen()) {
      const span = { span: SPAN, summary: summary(definition, this._prediction.parts.slice(-3)) };
      draw(get('live-chart'), definition, this._timeline, span);
    }
  }
}

/** Whether somebody could see it: the page is in front, and its first section. */
function seen() {
  return document.visibilityState === 'visible' && !get('view-listen').hidden;
}

/**
 * @param {string} id
 * @param {string} text
 */
function write(id, text) {
  const element = get(id);
  if (element.textContent !== text) {
    element.textContent = text; // the same again would be laid out again
  }
}
