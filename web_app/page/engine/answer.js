// One dance, two, none of these, or not sure (runtime/answer.py).

/**
 * @typedef {object} Choice
 * @property {'dance' | 'two' | 'none' | 'not sure'} verdict
 * @property {number} best state of the dance that is named, or of the likeliest one
 * @property {number | null} second of 'two' the other dance
 * @property {number} confidence of what is answered; of 'two' of both together
 */

/**
 * @param {import('./definition.js').EvidenceDefinition} settings
 * @param {ArrayLike<number>} posterior of the states, the last of them none of these
 * @param {number | null} named the state that is named
 * @param {Choice | null} [before] of the update before, of music that plays
 * @returns {Choice}
 */
export function choose(settings, posterior, named, before = null) {
  const none = posterior.length - 1;
  const order = Array.from({ length: none + 1 }, (_, state) => state).sort((a, b) => posterior[b] - posterior[a]);
  const [best, second = null] = order.filter((state) => state !== none);
  if (named !== null && named < none) {
    return { verdict: 'dance', best: named, second: null, confidence: posterior[named] };
  }
  const isNone = order.indexOf(none) < 2;
  const verdict = isNone ? 'none' : 'two';
  const same = (/** @type {number | null} */ state) => state === best || state === second;
  const stays = before?.verdict === verdict && (isNone || (same(before.best) && same(before.second)));
  const together = posterior[order[0]] + posterior[order[1]];
  if (named !== none && together < (stays ? settings.two_release_at : settings.two_at)) {
    return { verdict: 'not sure', best, second: null, confidence: posterior[best] };
  }
  return isNone || named === none
    ? { verdict: 'none', best, second: null, confidence: posterior[none] }
    : { verdict, best, second, confidence: together };
}

/** @typedef {'could be' | 'probably' | 'quite sure'} Grade */
/** @type {Grade[]} */
const GRADES = ['could be', 'probably', 'quite sure'];

/**
 * How sure a dance is.
 *
 * @param {import('./definition.js').AnswerDefinition} settings
 * @param {number} confidence probability, 0 to 1
 * @param {number} seconds since the dance began
 * @param {Grade | null} [before] of the same dance at the update before, where the music plays
 * @returns {Grade}
 */
export function grade(settings, confidence, seconds, before = null) {
  const least = before ? GRADES.indexOf(before) : 0;
  const kept = (/** @type {number} */ from, /** @type {number} */ i) => from - (least >= i ? settings.margin : 0);
  if (confidence >= kept(settings.quite_sure_from, 2) && seconds >= settings.quite_sure_seconds) {
    return GRADES[2];
  }
  return confidence >= kept(settings.probably_from, 1) ? GRADES[1] : GRADES[0];
}

/** The grade of music that plays: begins anew with each dance, and does not flicker within one. */
export class Certainty {
  /** @param {import('./definition.js').AnswerDefinition} settings */
  constructor(settings) {
    this._settings = settings;
    /** @type {number | null} */
    this._dance = null;
    /** @type {Grade | null} */
    this._grade = null;
  }

  /**
   * @param {Choice} choice
   * @param {number} seconds since the dance began
   * @returns {Grade | null} null where no dance is shown
   */
  update({ verdict, best, confidence }, seconds) {
    if (verdict === 'two') {
      return GRADES[0];
    }
    if (verdict !== 'dance') {
      return null; // and is remembered: the dance may be named again
    }
    if (this._dance !== best) {
      [this._dance, this._grade] = [best, null];
    }
    this._grade = grade(this._settings, confidence, seconds, this._grade);
    return this._grade;
  }
}

/**
 * What is shown of a prediction.
 *
 * @typedef {object} Answer
 * @property {'dance' | 'two' | 'medley' | 'none' | 'not sure' | 'silence' | 'not yet'} kind
 * @property {string[]} dances keys: of 'dance' one, of 'two' both, the better first, of 'medley' all
 * @property {string | null} closest of 'none' and 'not sure' the likeliest dance
 * @property {number} confidence of what is shown
 * @property {number[]} confidences of 'dance' and 'two' that of each of the dances
 * @property {Grade | null} certainty of 'dance' and 'two'
 * @property {boolean} leaning of 'none' that the closest is likelier than that it is none of them: it stands first
 */

/**
 * @param {import('./session.js').Prediction | null} prediction null before there is one
 * @returns {Answer}
 */
export function answerOf(prediction) {
  const nothing = { dances: [], closest: null, confidence: 0, confidences: [], certainty: null, leaning: false };
  if (!prediction) {
    return { ...nothing, kind: 'not yet' };
  }
  const { verdict, best, also, confidence, certainty, scores, parts, live } = prediction;
  if (verdict === 'dance') {
    return { ...nothing, kind: verdict, dances: [best], confidence, confidences: [confidence], certainty };
  }
  if (verdict === 'two') {
    const dances = [best, ...also];
    const confidences = dances.map((key) => scores[key]);
    return { ...nothing, kind: verdict, dances, confidence, confidences, certainty };
  }
  if (verdict === 'silence') {
    return { ...nothing, kind: verdict };
  }
  const several = [...new Set(parts.flatMap(({ dance }) => dance ?? []))];
  if (verdict === 'not sure' && several.length > 1 && !live) {
    return { ...nothing, kind: 'medley', dances: several };
  }
  const leaning = verdict === 'none' && scores[best] > confidence;
  return { ...nothing, kind: verdict, closest: best, confidence, leaning };
}

/**
 * A probability in whole percent without the sign: '1' to '99', '<1' and '>99'.
 *
 * @param {number} probability
 */
export function percent(probability) {
  const whole = Math.floor(100 * probability + 0.5);
  return whole < 1 ? '<1' : whole > 99 ? '>99' : String(whole);
}

/**
 * Seconds that have passed, as clocks show them: m:ss, or h:mm:ss from an hour on.
 *
 * @param {number} seconds
 */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
