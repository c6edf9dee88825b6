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
  const dances = Array.from({ length: none }, (_, state) => state).sort((a, b) => posterior[b] - posterior[a]);
  const best = dances[0];
  if (named !== null && named < none) {
    return { verdict: 'dance', best: named, second: null, confidence: posterior[named] };
  }
  if (named === none) {
    return { verdict: 'none', best, second: null, confidence: posterior[none] };
  }
  const isNone = posterior[none] > posterior[best];
  const rival = isNone ? none : (dances[1] ?? null);
  const unsure = { verdict: /** @type {const} */ ('not sure'), best, second: null, confidence: posterior[best] };
  if (rival === null) {
    return unsure;
  }
  const verdict = isNone ? 'none' : 'two';
  const same = (/** @type {number | null} */ state) => state === best || state === rival;
  const stays = before?.verdict === verdict && (isNone || (same(before.best) && same(before.second)));
  const together = posterior[best] + posterior[rival];
  if (together < (stays ? settings.two_release_at : settings.two_at)) {
    return unsure;
  }
  return isNone
    ? { verdict, best, second: null, confidence: posterior[none] }
    : { verdict, best, second: rival, confidence: together };
}
