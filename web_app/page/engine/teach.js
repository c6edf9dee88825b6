// Teach the model from what listeners corrected (runtime/teach.py, which says how and why).

import { fit, logSoftmax, Whitening } from './head.js';
import { answerOf, chosen, compared, cooled, foldsOf } from './keeping.js';
import { normals } from './random.js';
import { evidenceOf, spreadOver, temperatureOf } from './recalibrate.js';

/** @typedef {import('./definition.js').EvidenceDefinition} EvidenceDefinition */
/** @typedef {import('./definition.js').TeachingDefinition} TeachingDefinition */
/** @typedef {import('./head.js').Examples} Examples */
/** @typedef {import('./head.js').Matrix} Matrix */
/** @typedef {import('./head.js').Rehearsal} Rehearsal */

/**
 * Music whose dance is known.
 *
 * @typedef {object} Lesson
 * @property {string} dance key; that of none of these where it is none of them
 * @property {string} group what must not be on both sides of cross-validation
 * @property {ArrayLike<number>[]} features of its segments
 */

/**
 * What fitting and cross-validation come to.
 *
 * @typedef {object} Outcome
 * @property {string[]} labels of the head's rows
 * @property {number} strength of the prior
 * @property {boolean} better whether cross-validation shows that something is gained
 * @property {string[]} before what each lesson was taken for
 * @property {string[]} after
 * @property {number} temperature that the head was divided by
 * @property {EvidenceDefinition} evidence
 * @property {Matrix} head for plain features
 */

/** Lessons and rehearsal in the units in which heads are fitted. */
export class Fitter {
  /**
   * @param {TeachingDefinition} settings
   * @param {Rehearsal} rehearsal
   * @param {Lesson[]} lessons
   * @param {string} other key of none of these
   */
  constructor(settings, rehearsal, lessons, other) {
    this._settings = settings;
    this._rehearsal = rehearsal;
    const keys = [...new Set([...rehearsal.labels, ...lessons.map(({ dance }) => dance)])];
    this.labels = [...keys.filter((key) => key !== other), ...(keys.includes(other) ? [other] : [])];
    this.whitening = new Whitening(rehearsal);
    this.prior = this.whitening.head(this._prior(other));
    this._drawn = this._draws();
  }

  /** @param {string} other */
  _prior(other) {
    const { head, labels } = this._rehearsal;
    const place = labels.indexOf(other);
    const mean = head[0].map((_, i) => head.reduce((sum, row) => sum + row[i], 0) / head.length);
    return this.labels.map((label) => {
      const known = labels.indexOf(label);
      const row = (known >= 0 ? head[known] : place >= 0 ? head[place] : mean).slice();
      row[row.length - 1] += known >= 0 ? 0 : this._settings.new_bias;
      return row;
    });
  }

  /** @returns {Examples} */
  _draws() {
    const { rehearsed, draws } = this._settings;
    const { classes, labels, head } = this._rehearsal;
    const features = classes.flatMap((_, place) => drawn(this._rehearsal, place, draws));
    const columns = labels.map((label) => this.labels.indexOf(label));
    const targets = features.map((row) => {
      const target = new Float64Array(this.labels.length);
      logSoftmax(times(head, row)).forEach((value, i) => (target[columns[i]] = Math.exp(value)));
      return target;
    });
    const weights = features.map(() => rehearsed / draws);
    return { features: this.whitening.features(features), targets, weights };
  }

  /**
   * Segments of the lessons, and the draws.
   *
   * @param {Lesson[]} lessons
   * @returns {Examples}
   */
  examples(lessons) {
    const count = (/** @type {string} */ dance) => lessons.filter((one) => one.dance === dance).length;
    const worth = lessons.map(({ dance }) => count(dance) ** -this._settings.balance);
    const mean = worth.reduce((a, b) => a + b, 0) / lessons.length;
    /** @type {Examples} */
    const all = { features: [], targets: [], weights: [] };
    lessons.forEach(({ dance, features }, i) => {
      const rows = spreadOver(features.length, this._settings.segments).map((row) => features[row]);
      all.features.push(...this.whitening.features(rows));
      for (let row = 0; row < rows.length; row++) {
        const target = new Float64Array(this.labels.length);
        target[this.labels.indexOf(dance)] = 1;
        all.targets.push(target);
        all.weights.push(worth[i] / mean / rows.length);
      }
    });
    const { features, targets, weights } = this._drawn;
    return {
      features: [...all.features, ...features],
      targets: [...all.targets, ...targets],
      weights: [...all.weights, ...weights],
    };
  }

  /**
   * The head of examples; new dances are held less firmly.
   *
   * @param {Examples} examples
   * @param {number} strength of the prior
   * @param {Matrix} [start]
   */
  fit(examples, strength, start) {
    const known = (/** @type {string} */ label) => this._rehearsal.labels.includes(label);
    const strengths = this.labels.map((label) => (known(label) ? 1 : this._settings.new_share) * strength);
    return fit(examples, this.prior, strengths, start);
  }

  /**
   * Logarithms of the scores of a lesson's segments.
   *
   * @param {Matrix} head in these units
   * @param {Lesson} lesson
   * @returns {Matrix}
   */
  logScores(head, { features }) {
    return this.whitening.features(features).map((row) =>
      logSoftmax(head.map((weights) => weights.reduce((sum, weight, i) => sum + weight * row[i], 0))),
    );
  }
}

/**
 * Features of made-up segments of a class; always the same.
 *
 * @param {Rehearsal} rehearsal
 * @param {number} place of the class
 * @param {number} n
 * @returns {Matrix}
 */
export function drawn({ means, directions, spread }, place, n) {
  const [rank, size] = [directions.length, spread.length];
  const numbers = normals(place, n * (rank + size));
  return Array.from({ length: n }, (_, i) => {
    const own = numbers.subarray(i * (rank + size), (i + 1) * (rank + size));
    const row = means[place].map((mean, j) => mean + own[rank + j] * spread[j]);
    directions.forEach((direction, d) => direction.forEach((value, j) => (row[j] += own[d] * value)));
    return row;
  });
}

/**
 * What a head gives for features.
 *
 * @param {ArrayLike<number>[]} head weights and, last, bias
 * @param {ArrayLike<number>} features
 */
export function times(head, features) {
  const size = features.length;
  return Float64Array.from(head, (weights) => {
    let sum = weights[size];
    for (let i = 0; i < size; i++) {
      sum += weights[i] * features[i];
    }
    return sum;
  });
}

/**
 * Strengths of the prior that may be tried: weak ones lose dances that cross-validation cannot see.
 *
 * @param {TeachingDefinition} settings
 * @param {string[]} shipped labels of the shipped head
 * @param {Lesson[]} seen lessons that are compared
 * @param {string} other key of none of these
 */
function strengthsFor({ strengths, forgets, covered }, shipped, seen, other) {
  const filed = new Set(seen.map(({ dance }) => dance));
  const dances = shipped.filter((label) => label !== other);
  const most = dances.filter((label) => filed.has(label)).length >= covered * dances.length;
  return strengths.filter((strength) => most || strength >= forgets);
}

/**
 * Fit a head to lessons, and say by cross-validation what it gains.
 *
 * @param {TeachingDefinition} settings
 * @param {Rehearsal} rehearsal
 * @param {EvidenceDefinition} evidence of the model
 * @param {Lesson[]} lessons at least one
 * @param {{other: string, stride: number}} facts key of none of these; s from one segment to the next
 * @returns {Outcome}
 */
export function taughtBy(settings, rehearsal, evidence, lessons, { other, stride }) {
  const fitter = new Fitter(settings, rehearsal, lessons, other);
  const { labels, prior } = fitter;
  const truth = lessons.map(({ dance }) => labels.indexOf(dance));
  const folds = foldsOf(lessons, settings.folds);
  const shipped = lessons.map((lesson) => fitter.logScores(prior, lesson));
  const seen = compared(lessons);
  const of = (/** @type {any[]} */ all) => seen.map((i) => all[i]);
  const strengths = strengthsFor(settings, rehearsal.labels, of(lessons), other);
  const heldOut = new Map(strengths.map((strength) => [strength, [...shipped]]));
  const different = [...new Set(folds)].sort((a, b) => a - b);
  for (const fold of different.length > 1 ? different : []) {
    const examples = fitter.examples(lessons.filter((_, i) => folds[i] !== fold));
    let head = prior;
    for (const [strength, logs] of heldOut) {
      head = fitter.fit(examples, strength, head);
      lessons.forEach((lesson, i) => {
        if (folds[i] === fold) {
          logs[i] = fitter.logScores(head, lesson);
        }
      });
    }
  }
  const nGroups = new Set(of(lessons).map(({ group }) => group)).size;
  const without = new Map([...heldOut].map(([strength, logs]) => [strength, of(logs)]));
  const { strength, better } = chosen(settings, of(truth), nGroups, of(shipped), without);
  const head = fitter.fit(fitter.examples(lessons), strength);
  const out = heldOut.get(strength) ?? shipped;
  const temperature = temperatureOf(settings, out, truth);
  const logs = out.map((own) => own.map((row) => cooled(row, temperature)));
  const nStates = labels.filter((label) => label !== other).length + 1;
  return {
    labels,
    strength,
    better,
    before: shipped.map((own) => labels[answerOf(settings, own)]),
    after: out.map((own) => labels[answerOf(settings, own)]),
    temperature,
    evidence: evidenceOf(settings, evidence, logs, truth, nStates, stride),
    head: fitter.whitening.plain(head).map((row) => row.map((value) => Math.fround(value / temperature))),
  };
}
