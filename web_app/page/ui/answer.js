// What is shown of a prediction: the answer in words, the scores, the parts.

import { make, swatch, tint } from './dom.js';
import { clock, danceName, dateTime, decimal, percent, tr } from './words.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */
/** @typedef {import('../engine/session.js').Prediction} Prediction */
/** @typedef {import('../engine/session.js').Part} Part */

const SHOWN = 3; // dances among the scores

/** @typedef {import('../engine/answer.js').Answer} Answer */

/**
 * The answer as short as it can be said, without how sure it is.
 *
 * @param {Answer} answer
 */
export function inWords(answer) {
  const { kind, dances, closest, leaning } = answer;
  switch (kind) {
    case 'dance':
    case 'medley':
      return dances.map(danceName).join(', ');
    case 'two':
      return both(dances);
    case 'none':
      return [leaning && closest ? danceName(closest) : tr('none_short'), besides(answer)].filter(Boolean).join(' — ');
    case 'not sure':
      return tr('not_sure');
    case 'silence':
      return tr('silence');
    case 'not yet':
      return '';
  }
}

/** @param {string[]} dances two keys */
function both([one, other]) {
  return tr('or', { one: danceName(one), other: danceName(other) });
}

/**
 * How sure it is, or what it is closest to.
 *
 * @param {Answer} answer
 */
export function certaintyInWords({ kind, certainty, closest, leaning }) {
  if (kind === 'medley') {
    return tr('several');
  }
  if (leaning) {
    return tr('could_be');
  }
  if (kind === 'not sure' && closest) {
    return tr('closest', { dance: danceName(closest) });
  }
  return certainty ? tr({ 'could be': 'could_be', probably: 'probably', 'quite sure': 'quite_sure' }[certainty]) : '';
}

/**
 * What stands below in smaller type: the closest dance beside 'none of these', or these beside a dance that is likelier.
 *
 * @param {Answer} answer
 */
export function besides({ kind, closest, leaning }) {
  if (kind !== 'none' || !closest) {
    return '';
  }
  return leaning ? tr('or_none') : tr('or_perhaps', { dance: danceName(closest) });
}

/**
 * Each of the dances that are shown, equally large.
 *
 * @param {Answer} answer
 * @returns {(Node | string)[]}
 */
export function names(answer) {
  if (answer.kind === 'two') {
    const [one, other] = answer.dances.map((key) => make('span', { class: 'one' }, danceName(key)));
    return [one, ' ', make('span', { class: 'between' }, tr('between')), ' ', other];
  }
  if (answer.leaning && answer.closest) {
    return [danceName(answer.closest)];
  }
  return [answer.kind === 'none' ? tr('none') : inWords(answer)];
}

/**
 * Metre and usual tempo of each dance that is shown.
 *
 * @param {Definition} definition
 * @param {Answer} answer
 */
export function facts(definition, { kind, dances }) {
  if (kind !== 'dance' && kind !== 'two') {
    return '';
  }
  return dances
    .map((key) => {
      const { metre, mpm_min: low, mpm_max: high } = definition.dances[key];
      if (metre === null || low === null || high === null) {
        return '';
      }
      const text = tr('metre_and_tempo', { metre, low: decimal(low), high: decimal(high) });
      return kind === 'two' ? `${danceName(key)}: ${text}` : text;
    })
    .filter(Boolean)
    .join('\n');
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
    bar.style.width = `${Math.round(100 * score)}%`; // as the number beside it: drawn again when that changes
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
function unnamed({ verdict, best, also }) {
  if (verdict === 'two' && best) {
    return both([best, ...also]);
  }
  return tr(verdict === 'none' ? 'none_short' : 'unsure_part');
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
