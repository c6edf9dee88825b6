// What is shown of the music that plays. Nothing is drawn while nobody can see it.

import { answerOf } from '../engine/answer.js';
import { besides, certaintyInWords, facts, inWords, names, partRows, scoreRows, summary } from './answer.js';
import { draw, Timeline } from './chart.js';
import { announce, fill, get, tint } from './dom.js';
import { clock, decimal, percent, tr } from './words.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../engine/live.js').Level} Level */
/** @typedef {import('../engine/session.js').Prediction} Prediction */

const SPAN = 60; // s of the drawing
const UNDER_DOCK = 100; // px at the bottom of the screen in which nothing is seen of what is drawn
const LEVEL_STEPS = 25; // of the meter, which moves by two and more: music that stays as loud draws no frames
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
    this._told = ''; // the answer that was read out last
    this._chartSeen = false;
    this._drawn = -1; // parts in the drawing; -1 none yet
    this._filled = 0; // steps of the meter
    new ResizeObserver(() => this._draw()).observe(get('live-chart'));
    const above = { rootMargin: `0px 0px -${UNDER_DOCK}px 0px` };
    new IntersectionObserver((entries) => {
      this._chartSeen = entries[entries.length - 1].isIntersecting;
      this._draw();
    }, above).observe(get('live-chart'));
  }

  clear() {
    this._prediction = null;
    this._timeline = null;
    this._told = '';
    this._drawn = -1;
  }

  /**
   * @param {Level} level
   * @param {number} seconds heard so far
   */
  level({ fraction, advice }, seconds) {
    if (!seen()) {
      return;
    }
    const filled = Math.round(LEVEL_STEPS * fraction);
    if (Math.abs(filled - this._filled) > 1) {
      this._filled = filled;
      get('level-fill').style.transform = `scaleX(${(filled / LEVEL_STEPS).toFixed(2)})`;
    }
    if (get('level-words').dataset.advice !== advice) {
      get('level-words').dataset.advice = advice;
      get('level-words').textContent = tr(`level_${advice}`);
    }
    write('elapsed', clock(seconds));
  }

  /**
   * A new prediction, shown at once.
   *
   * @param {Prediction} prediction
   * @param {Date} started
   * @param {boolean} isNew whether its segments are
   */
  hear(prediction, started, isNew) {
    this.take(prediction, started, isNew);
    this.answer();
  }

  /**
   * A new prediction, which `answer` shows.
   *
   * @param {Prediction} prediction
   * @param {Date} started
   * @param {boolean} isNew whether its segments are
   */
  take(prediction, started, isNew) {
    this._prediction = prediction;
    this._started = started;
    if (isNew && prediction.segments.length) {
      const [first] = prediction.segments;
      this._timeline ??= new Timeline(first.end - first.start, Object.keys(prediction.scores));
      this._timeline.extend(prediction.segments);
      this._timeline.trim(KEPT_SEGMENTS);
    }
  }

  /**
   * Bring all of it up to date.
   *
   * @param {boolean} listening
   */
  show(listening) {
    this._listening = listening;
    get('level-words').textContent = tr(`level_${get('level-words').dataset.advice || 'wait'}`);
    this.answer();
  }

  /** Show what is known. */
  answer() {
    const definition = this._engine.definition;
    const prediction = this._prediction;
    get('hint').hidden = !!prediction;
    get('cards').hidden = !prediction;
    const answer = answerOf(prediction);
    get('sureness').hidden = !answer.confidences.length;
    if (!prediction || !definition) {
      write('certainty', this._listening ? tr('listening') : '');
      write('answer', '');
      write('perhaps', '');
      write('facts', '');
      return;
    }
    if (this._listening) {
      this._tell(answer);
    }
    if (!seen()) {
      return;
    }
    const length = Math.max(...names(answer).map((one) => (one instanceof Node ? (one.textContent ?? '') : one).length));
    write('certainty', certaintyInWords(answer));
    rewrite('answer', names(answer));
    get('answer').dataset.length = length > 18 ? 'long' : length > 11 ? 'medium' : 'short';
    const { confidences, dances } = answer;
    write('perhaps', besides(answer));
    const tempo = prediction.tempo_mpm ? tr('tempo', { tempo: decimal(prediction.tempo_mpm) }) : '';
    write('facts', tempo || facts(definition, answer));
    confidences.forEach((confidence, i) => {
      get(`sureness-${i}`).style.width = `${Math.round(100 * confidence)}%`;
      tint(get(`sureness-${i}`), definition.dances[dances[i]]);
    });
    get('sureness-1').hidden = confidences.length < 2;
    write('sureness-value', confidences.map(percent).join(' · '));
    fill(get('scores'), scoreRows(definition, prediction));
    fill(get('set-list'), partRows(definition, prediction.parts, this._started).reverse());
    get('set-list-card').hidden = !prediction.parts.length;
    this._draw();
  }

  /**
   * Say the answer to those who don't see it; once, however its words waver.
   *
   * @param {import('../engine/answer.js').Answer} answer
   */
  _tell(answer) {
    const key = [answer.kind, ...answer.dances.toSorted()].join();
    if (key !== this._told) {
      this._told = key;
      announce(inWords(answer));
    }
  }

  /** The drawing: all the time while it is in sight, else once for each part, for those who don't see. */
  _draw() {
    const definition = this._engine.definition;
    const count = this._prediction?.parts.length;
    if (definition && this._timeline && this._prediction && seen() && (this._chartSeen || count !== this._drawn)) {
      this._drawn = count ?? 0;
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

/**
 * @param {string} id
 * @param {(Node | string)[]} content
 */
function rewrite(id, content) {
  const text = content.map((one) => (one instanceof Node ? one.textContent : one)).join('');
  if (get(id).textContent !== text) {
    get(id).replaceChildren(...content);
  }
}
