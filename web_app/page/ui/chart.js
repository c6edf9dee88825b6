// Scores of consecutive segments as stacked areas, as in figures 3.5 and 4.11 of the thesis: the areas are
// proportional to the mean scores.

import { tint } from './dom.js';
import { clock, danceName, tr } from './words.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */

const SVG = 'http://www.w3.org/2000/svg';
const MOST_COLUMNS = 240; // neighbouring segments beyond that are averaged
const TICK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // s
const AXIS = 24; // px below the areas
const LETTER = 0.6; // width of an average letter, of the type size

/** Scores segment by segment. */
export class Timeline {
  /**
   * @param {number} segmentSeconds length of a segment
   * @param {string[]} labels of the scores; the last: none of these
   */
  constructor(segmentSeconds, labels) {
    this._half = segmentSeconds / 2;
    this.labels = labels;
    /** @type {number[]} middle of each segment, s */
    this.times = [];
    /** @type {number[][]} */
    this.scores = [];
  }

  /** @param {{start: number, scores: number[]}[]} segments in order of time */
  extend(segments) {
    for (const { start, scores } of segments) {
      this.times.push(start + this._half);
      this.scores.push(scores);
    }
  }

  /**
   * Forget what is older than the last so many segments.
   *
   * @param {number} count
   */
  trim(count) {
    if (this.times.length > 2 * count) {
      this.times = this.times.slice(-count);
      this.scores = this.scores.slice(-count);
    }
  }

  /**
   * Corners of the curves: middles of segments, and half a stride beyond the first and the last.
   *
   * @param {number | null} span only the last so many seconds
   */
  corners(span = null) {
    const end = this.times.at(-1) ?? 0;
    const first = span === null ? 0 : Math.max(0, this.times.findIndex((time) => time > end - span) - 1);
    const [times, scores] = averaged(this.times.slice(first), this.scores.slice(first));
    if (!times.length) {
      return { times, scores };
    }
    const half = times.length > 1 ? (times[1] - times[0]) / 2 : this._half;
    return {
      times: [times[0] - half, ...times, times[times.length - 1] + half],
      scores: [scores[0], ...scores, scores[scores.length - 1]],
    };
  }
}

/**
 * @param {number[]} times
 * @param {number[][]} scores
 * @returns {[number[], number[][]]}
 */
function averaged(times, scores) {
  if (times.length <= MOST_COLUMNS) {
    return [times, scores];
  }
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  /** @type {[number[], number[][]]} */
  const columns = [[], []];
  for (let i = 0; i < MOST_COLUMNS; i++) {
    const from = Math.floor((i * times.length) / MOST_COLUMNS);
    const to = Math.floor(((i + 1) * times.length) / MOST_COLUMNS);
    columns[0].push(mean(times.slice(from, to)));
    columns[1].push(scores[from].map((_, state) => mean(scores.slice(from, to).map((row) => row[state]))));
  }
  return columns;
}

/**
 * Draw into an element, as wide as it is.
 *
 * @param {HTMLElement} place
 * @param {Definition} definition
 * @param {Timeline} timeline
 * @param {{span?: number | null, summary: string}} options span: only the last so many seconds
 */
export function draw(place, definition, timeline, { span = null, summary }) {
  const { times, scores } = timeline.corners(span);
  const width = place.clientWidth || 320;
  const height = place.clientHeight || 220;
  const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', class: 'chart' });
  svg.setAttribute('aria-label', tr('chart_label', { summary }));
  if (times.length) {
    const start = span === null ? times[0] : Math.max(times[0], times[times.length - 1] - span);
    const end = times[times.length - 1];
    const x = (/** @type {number} */ time) => ((time - start) / Math.max(1e-6, end - start)) * width;
    const y = (/** @type {number} */ share) => (1 - share) * (height - AXIS);
    areas(svg, definition, timeline.labels.slice(0, -1), times.map(x), scores, y, width);
    axis(svg, start, end, x, height, width);
  }
  place.replaceChildren(svg);
}

/**
 * @param {SVGElement} svg
 * @param {Definition} definition
 * @param {string[]} labels
 * @param {number[]} xs
 * @param {number[][]} scores
 * @param {(share: number) => number} y
 * @param {number} width
 */
function areas(svg, definition, labels, xs, scores, y, width) {
  const total = labels.map((_, state) => scores.reduce((sum, row) => sum + row[state], 0));
  // The largest area at the bottom; none of the dances on top.
  const order = labels.map((_, state) => state).sort((a, b) => total[b] - total[a]);
  let lower = xs.map(() => 0);
  for (const state of order) {
    const upper = lower.map((level, i) => level + scores[i][state]);
    const dance = definition.dances[labels[state]];
    if (total[state] > 0.002 * xs.length) {
      const area = element('polygon', { points: outline(xs, lower, upper, y), class: 'area' });
      tint(area, dance);
      svg.append(area);
      label(svg, danceName(labels[state]), dance, xs, lower.map(y), upper.map(y), width);
    }
    lower = upper;
  }
  const top = lower.map(() => 1);
  if (lower.some((level) => level < 0.995)) {
    svg.append(hatch(), element('polygon', { points: outline(xs, lower, top, y), class: 'none-area' }));
    label(svg, tr('none_short'), null, xs, lower.map(y), top.map(y), width);
  }
}

/**
 * @param {number[]} xs
 * @param {number[]} lower
 * @param {number[]} upper
 * @param {(share: number) => number} y
 */
function outline(xs, lower, upper, y) {
  const forth = xs.map((x, i) => `${x.toFixed(1)},${y(upper[i]).toFixed(1)}`);
  const back = xs.map((x, i) => `${x.toFixed(1)},${y(lower[i]).toFixed(1)}`).reverse();
  return [...forth, ...back].join(' ');
}

/** Stripes for none of the dances. */
function hatch() {
  const pattern = element('pattern', { id: 'hatch', width: '8', height: '8', patternUnits: 'userSpaceOnUse' });
  pattern.append(element('path', { d: 'M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4', class: 'hatch' }));
  const defs = element('defs', {});
  defs.append(pattern);
  return defs;
}

/**
 * Write a name into an area where there is most room, if there is room at all: it tells areas apart where
 * colours do not.
 *
 * @param {SVGElement} svg
 * @param {string} name
 * @param {import('../engine/definition.js').Dance | null} dance null for none of the dances
 * @param {number[]} xs
 * @param {number[]} lower
 * @param {number[]} upper
 * @param {number} width
 */
function label(svg, name, dance, xs, lower, upper, width) {
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.875;
  const length = LETTER * size * name.length + 12;
  const steps = 160;
  const at = (/** @type {number[]} */ ys, /** @type {number} */ x) => {
    const right = Math.max(1, xs.findIndex((one) => one >= x));
    const share = (x - xs[right - 1]) / Math.max(1e-9, xs[right] - xs[right - 1]);
    return ys[right - 1] + Math.min(1, Math.max(0, share)) * (ys[right] - ys[right - 1]);
  };
  const room = [];
  for (let i = 0; i <= steps; i++) {
    const x = (i / steps) * width;
    room.push({ x, bottom: at(lower, x), top: at(upper, x) });
  }
  const needed = Math.ceil((length / width) * steps);
  const places = [];
  let most = 0;
  for (let i = 0; i + needed <= steps; i++) {
    const stretch = room.slice(i, i + needed + 1);
    const bottom = Math.min(...stretch.map((one) => one.bottom));
    const top = Math.max(...stretch.map((one) => one.top));
    places.push({ x: (room[i].x + room[i + needed].x) / 2, y: (bottom + top) / 2, height: bottom - top });
    most = Math.max(most, bottom - top);
  }
  if (most < 1.5 * size) {
    return;
  }
  const roomy = places.filter((place) => place.height > 0.97 * most);
  const { x, y } = roomy[Math.floor(roomy.length / 2)];
  const text = element('text', { x: String(x), y: String(y), class: 'area-label' });
  if (dance) {
    tint(text, dance);
  }
  text.textContent = name;
  svg.append(text);
}

/**
 * @param {SVGElement} svg
 * @param {number} start
 * @param {number} end
 * @param {(time: number) => number} x
 * @param {number} height
 * @param {number} width
 */
function axis(svg, start, end, x, height, width) {
  const most = Math.max(2, Math.floor(width / 70));
  const step = TICK_STEPS.find((one) => (end - start) / one <= most) ?? TICK_STEPS[TICK_STEPS.length - 1];
  for (let time = Math.ceil(start / step) * step; time <= end; time += step) {
    const place = x(time);
    if (place < 14 || place > width - 14) {
      continue; // would be cut
    }
    svg.append(element('path', { d: `M${place},${height - AXIS} v4`, class: 'tick' }));
    const text = element('text', { x: String(place), y: String(height - 4), class: 'tick-label' });
    text.textContent = clock(time);
    svg.append(text);
  }
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function element(name, attributes) {
  const created = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) {
    created.setAttribute(key, value);
  }
  return created;
}
