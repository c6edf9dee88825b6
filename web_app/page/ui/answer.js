// What is shown of a prediction: the answer in words, the scores, the parts.

import { make, swatch, tint } from './dom.js';
import { clock, danceName, dateTime, decimal, percent, tr } from './words.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */
/** @typedef {import('../engine/session.js').Prediction} Prediction */
/** @typedef {import('../engine/session.js').Part} Part */

const PROBABLY_FROM = 1 / 3; // of the way from the threshold to certainty
const QUITE_SURE_FROM = 2 / 3; // of that way, and
const QUITE_SURE_SECONDS = 10; // s of music: one segment alone is never quite sure
const SHOWN = 3; // dances among the scores

/**
 * How sure the answer is, and the answer.
 *
 * @param {Definition} definition
 * @param {Prediction} prediction
 * @param {boolean} live whether the music goes on
 * @returns {{certainty: string, answer: string}}
 */
export function inWords(definition, prediction, live = false) {
  const { verdict, best, also, confidence, duration } = prediction;
  const several = live ? [] : medley(prediction);
  if (several.length) {
    return { certainty: tr('several'), answer: several.map(danceName).join(', ') };
  }
  switch (verdict) {
    case 'dance': {
      const threshold = definition.evidence.name_at;
      const way = (confidence - threshold) / (1 - threshold);
      const sure = way >= QUITE_SURE_FROM && duration >= QUITE_SURE_SECONDS;
      return {
        certainty: tr(sure ? 'quite_sure' : way >= PROBABLY_FROM ? 'probably' : 'could_be'),
        answer: danceName(best),
      };
    }
    case 'two': {
      const answer = also.reduce((text, key) => tr('or', { one: text, other: danceName(key) }), danceName(best));
      return { certainty: tr('could_be'), answer };
    }
    case 'not sure':
      return { certainty: tr('closest', { dance: danceName(best) }), answer: tr('not_sure') };
    case 'none':
      return { certainty: '', answer: tr('none') };
    case 'silence':
      return { certainty: '', answer: tr('silence') };
  }
}

/**
 * The dances of a whole recording that has several, none of which prevails; empty of others.
 *
 * @param {Prediction} prediction
 * @returns {string[]}
 */
export function medley({ verdict, parts }) {
  const keys = [...new Set(parts.flatMap(({ dance }) => dance ?? []))];
  return verdict === 'not sure' && keys.length > 1 ? keys : [];
}

/**
 * Metre and usual tempo, or the tempo that was found.
 *
 * @param {Definition} definition
 * @param {Prediction} prediction
 */
export function facts(definition, prediction) {
  const dance = prediction.dance ? definition.dances[prediction.dance] : null;
  const found = [];
  if (dance?.metre && dance.mpm_min !== null && dance.mpm_max !== null) {
    const { metre, mpm_min: low, mpm_max: high } = dance;
    found.push(tr('metre_and_tempo', { metre, low: decimal(low), high: decimal(high) }));
  }
  return found.join('');
}

/**
 * Bars of the likeliest dances.
 *
 * @param {Definition} definition
 * @param {Prediction} prediction
 */
export function scoreRows(definition, prediction) {
  const ranked = Object.entries(prediction.scores).sort(([, a], [, b]) => b - a);
  return ranked.slice(0, SHOWN).map(([key, score]) => {
    const dance = definition.dances[key];
    const bar = make('span', { class: 'fill' });
    bar.style.width = `${100 * score}%`;
    if (dance) {
      tint(bar, dance);
    }
    return make(
      'li',
      { class: 'score' },
      swatch(dance),
      make('span', { class: 'score-name' }, dance ? danceName(key) : tr('none_short')),
      make('span', { class: 'track', 'aria-hidden': 'true' }, bar),
      make('span', { class: 'score-value' }, percent(score)),
    );
  });
}

/**
 * The dances one after the other.
 *
 * @param {Definition} definition
 * @param {Part[]} parts
 * @param {Date | null} started for times of the day; null for times of the recording
 */
export function partRows(definition, parts, started = null) {
  const time = (/** @type {number} */ seconds) =>
    started
      ? dateTime(new Date(started.getTime() + 1000 * seconds), { hour: 'numeric', minute: '2-digit' })
      : clock(seconds);
  return parts.map((part) => {
    const dance = part.dance ? definition.dances[part.dance] : undefined;
    const details = [started ? clock(part.end - part.start) : `${clock(part.start)}–${clock(part.end)}`];
    if (part.tempo_mpm) {
      details.push(tr('tempo', { tempo: decimal(part.tempo_mpm) }));
    }
    return make(
      'li',
      { class: 'part' },
      swatch(dance),
      make('span', { class: 'part-name' }, part.dance ? danceName(part.dance) : unnamed(part)),
      make('span', { class: 'part-time' }, started ? time(part.start) : percent(part.confidence)),
      make('span', { class: 'part-details' }, details.join(' · ')),
    );
  });
}

/** @param {Part} part */
function unnamed(part) {
  return tr(part.verdict === 'none' ? 'none_short' : 'unsure_part');
}

/**
 * The parts in one sentence, for those who don't see the drawing.
 *
 * @param {Definition} definition
 * @param {Part[]} parts
 */
export function summary(definition, parts) {
  return parts
    .map((part) =>
      tr('from_to', {
        dance: part.dance ? danceName(part.dance) : unnamed(part),
        start: clock(part.start),
        end: clock(part.end),
      }),
    )
    .join('; ');
}
