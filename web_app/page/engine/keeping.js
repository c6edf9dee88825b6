// Whether what was taught is kept, and how firmly the shipped head is held: by cross-validation (runtime/keeping.py).

import { logSoftmax } from './head.js';

/** @typedef {import('./head.js').Matrix} Matrix of logarithms of scores, a row per segment */
/** @typedef {import('./definition.js').TeachingDefinition} TeachingDefinition */

/**
 * 32 bits of a text's UTF-8 (FNV-1a).
 *
 * @param {string} text
 */
function hashed(text) {
  return new TextEncoder().encode(text).reduce((value, byte) => Math.imul(value ^ byte, 16777619) >>> 0, 2166136261);
}

/**
 * Fold of each lesson: whole groups, the recordings of each dance spread over the folds.
 *
 * @param {{dance: string, group: string}[]} lessons
 * @param {number} most folds
 */
export function foldsOf(lessons, most) {
  const groups = [...new Set(lessons.map(({ group }) => group))];
  const n = Math.min(most, groups.length);
  const taken = Array.from({ length: n }, () => /** @type {Map<string, number>} */ (new Map()));
  const folds = new Array(lessons.length).fill(0);
  groups.sort((a, b) => hashed(a) - hashed(b) || (a < b ? -1 : 1));
  for (const group of groups) {
    const members = lessons.flatMap((lesson, i) => (lesson.group === group ? [i] : []));
    const filled = taken.map((own, fold) => {
      const mine = members.reduce((sum, i) => sum + (own.get(lessons[i].dance) ?? 0), 0);
      return [mine, [...own.values()].reduce((sum, count) => sum + count, 0), fold];
    });
    const [[, , fold]] = filled.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    for (const i of members) {
      folds[i] = fold;
      taken[fold].set(lessons[i].dance, (taken[fold].get(lessons[i].dance) ?? 0) + 1);
    }
  }
  return folds;
}

/**
 * What a whole recording is taken for: segments multiply, none with less than `least`.
 *
 * @param {TeachingDefinition} settings
 * @param {Matrix} logs
 */
export function answerOf({ least }, logs) {
  const sums = logs[0].map((_, label) => logs.reduce((sum, row) => sum + Math.max(row[label], Math.log(least)), 0));
  return sums.indexOf(Math.max(...sums));
}

/**
 * The lessons on which heads can be compared: those of dances that more than one group has.
 *
 * @param {{dance: string, group: string}[]} lessons
 * @returns {number[]} their places
 */
export function compared(lessons) {
  const groups = (/** @type {string} */ dance) =>
    new Set(lessons.filter((lesson) => lesson.dance === dance).map(({ group }) => group)).size;
  return lessons.flatMap(({ dance }, i) => (groups(dance) > 1 ? [i] : []));
}

/**
 * The strength with the least loss on held-out recordings, and whether it beats the shipped head.
 *
 * @param {TeachingDefinition} settings
 * @param {number[]} truth column of the label of each recording that is compared
 * @param {number} nGroups how many groups these are
 * @param {Matrix[]} shipped logarithms of each recording's scores by the shipped head
 * @param {Map<number, Matrix[]>} heldOut by heads of each strength, the strongest first
 * @returns {{strength: number, better: boolean}}
 */
export function chosen(settings, truth, nGroups, shipped, heldOut) {
  const { balance, least, likely, min_groups: minGroups, surely, temperatures } = settings;
  const asShipped = { strength: Math.max(...heldOut.keys()), better: false };
  if (nGroups < minGroups) {
    return asShipped;
  }
  const count = (/** @type {number} */ label) => truth.filter((one) => one === label).length;
  const raw = truth.map((label) => count(label) ** -balance);
  const all = raw.reduce((a, b) => a + b, 0);
  const weights = raw.map((weight) => weight / all);
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value, i) => sum + weights[i] * value, 0);
  const losses = (/** @type {Matrix[]} */ logs) => {
    const tried = temperatures
      .filter((_, i) => i % 2 === 0)
      .map((temperature) =>
        logs.map((own, i) => {
          const sum = own.reduce((total, row) => total + Math.max(cooled(row, temperature)[truth[i]], Math.log(least)), 0);
          return -sum / own.length;
        }),
      );
    return tried.reduce((best, one) => (mean(one) < mean(best) ? one : best));
  };
  const answered = (/** @type {Matrix[]} */ logs) => logs.map((own, i) => answerOf(settings, own) === truth[i]);
  const before = losses(shipped);
  const right = answered(shipped);
  const tried = [...heldOut].map(([strength, logs]) => {
    const after = losses(logs);
    const gains = before.map((loss, i) => loss - after[i]);
    return { strength, logs, gains, gain: mean(gains) };
  });
  tried.sort((a, b) => b.gain - a.gain || b.strength - a.strength);
  for (const { strength, logs, gains, gain } of right.includes(false) ? tried : []) {
    const error = Math.sqrt(gains.reduce((sum, one, i) => sum + weights[i] ** 2 * (one - gain) ** 2, 0));
    const after = answered(logs);
    const more = after.filter(Boolean).length > right.filter(Boolean).length;
    if (gain > (more ? likely : surely) * error && !worse(settings, truth, right, after)) {
      return { strength, better: true };
    }
  }
  return asShipped;
}

/**
 * @param {Float64Array} row
 * @param {number} temperature
 */
export function cooled(row, temperature) {
  return logSoftmax(row.map((value) => value / temperature));
}

/**
 * Whether all, or those of a dance, lost significantly more right answers than they won (sign test, one-sided).
 *
 * @param {TeachingDefinition} settings
 * @param {number[]} truth
 * @param {boolean[]} before whether each answer is right
 * @param {boolean[]} after
 */
export function worse({ significant }, truth, before, after) {
  return [null, ...new Set(truth)].some((label) => {
    const changes = truth.flatMap((t, i) => (label === null || t === label ? [Number(after[i]) - Number(before[i])] : []));
    const lost = changes.filter((change) => change < 0).length;
    const n = lost + changes.filter((change) => change > 0).length;
    let chance = 0;
    let binomial = 1; // n over k
    for (let k = 0; k <= n; k++) {
      chance += k >= lost ? binomial / 2 ** n : 0;
      binomial = (binomial * (n - k)) / (k + 1);
    }
    return n > 0 && chance < significant;
  });
}
