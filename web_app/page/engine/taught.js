// The file of a head of one's own, NAME.whichdance (runtime/taught.py), and segments as bytes (runtime/corrections.py).

import { logSoftmax } from './head.js';
import { times } from './teach.js';

/** @typedef {import('./definition.js').Definition} Definition */
/** @typedef {import('./definition.js').Dance} Dance */
/** @typedef {import('./definition.js').TeachingDefinition} TeachingDefinition */
/** @typedef {import('./head.js').Matrix} Matrix */

const LEAST_POWER = 1e-20;
const OWN_COLOUR = { colour: '#8a7f85', colour_on_dark: '#b5a9af', ink: '#000000', ink_on_dark: '#000000' };

/**
 * @typedef {object} Taught
 * @property {string} model
 * @property {string} version
 * @property {string} sha256 of the model's file
 * @property {string[]} labels of the head's rows
 * @property {Matrix} head weights and, last, bias
 * @property {Record<string, number>} evidence
 * @property {Record<string, number>} recordings of each label that it was taught with
 * @property {number} strength
 * @property {Record<string, number[]>} gains right before, right after, all
 * @property {string} created_by
 */

/** The key of a sentence about a file that can't be taken. */
export class NotTaught extends Error {}

/**
 * Mel power of a segment as one byte a value, from its loudest point down.
 *
 * @param {TeachingDefinition} settings
 * @param {Float32Array} power
 */
export function encoded({ lowest, step }, power) {
  let loudest = LEAST_POWER;
  for (let i = 0; i < power.length; i++) {
    loudest = Math.max(loudest, power[i]);
  }
  const gain = 10 ** ((lowest + 255 * step) / 10) / loudest;
  const least = 10 ** (lowest / 10);
  const perStep = 10 / Math.LN10 / step;
  const codes = new Uint8Array(power.length);
  for (let i = 0; i < power.length; i++) {
    const scaled = power[i] * gain;
    codes[i] = scaled > least ? Math.min(255, Math.round(Math.log(scaled) * perStep - lowest / step)) : 0;
  }
  return codes;
}

/**
 * @param {TeachingDefinition} settings
 * @param {Uint8Array} codes
 */
export function decoded({ lowest, step }, codes) {
  const powers = Float32Array.from({ length: 256 }, (_, code) => 10 ** ((lowest + step * code) / 10));
  return Float32Array.from(codes, (code) => powers[code]);
}

/**
 * With how many recordings it was taught.
 *
 * @param {{recordings: Record<string, number>}} taught
 */
export function recordingsOf({ recordings }) {
  return Object.values(recordings).reduce((sum, count) => sum + count, 0);
}

/**
 * The file's text.
 *
 * @param {TeachingDefinition} settings
 * @param {Taught} taught
 */
export function written({ format }, { head, labels, recordings, ...rest }) {
  const halves = new Uint16Array(head.length * head[0].length);
  head.forEach((row, i) => row.forEach((value, j) => (halves[i * row.length + j] = toHalf(value))));
  const bytes = new Uint8Array(new Uint16Array(halves).buffer);
  let text = '';
  bytes.forEach((byte) => (text += String.fromCharCode(byte)));
  const content = {
    whichdance: format,
    model: rest.model,
    version: rest.version,
    sha256: rest.sha256,
    labels,
    recordings,
    strength: rest.strength,
    gains: rest.gains,
    evidence: rest.evidence,
    created_by: rest.created_by,
    size: head[0].length - 1,
    head: btoa(text),
  };
  return JSON.stringify(content, null, 1) + '\n';
}

/**
 * Whether a dance may be labelled so: letters and digits of any script in lower-case words joined by '_'
 * (runtime.dances.is_label).
 *
 * @param {TeachingDefinition} settings
 * @param {unknown} label
 */
export function isLabel({ max_label: most }, label) {
  return (
    typeof label === 'string' &&
    [...label].length <= most &&
    label === label.toLowerCase() &&
    /^[\p{L}\p{N}]+(_[\p{L}\p{N}]+)*$/u.test(label)
  );
}

/**
 * Read and check a file's text; NotTaught where it is none. Nothing in it is code.
 *
 * @param {TeachingDefinition} settings
 * @param {string} text
 * @returns {Taught}
 */
export function read(settings, text) {
  try {
    return checked(settings, JSON.parse(text));
  } catch (error) {
    throw new NotTaught('no_taught_file', { cause: error });
  }
}

/**
 * @param {TeachingDefinition} settings
 * @param {any} found
 * @returns {Taught}
 */
function checked(settings, found) {
  const { format, evidence: names, max_labels: most, max_size: widest } = settings;
  const must = (/** @type {boolean} */ holds, /** @type {string} */ what) => {
    if (!holds) {
      throw new Error(what);
    }
  };
  const isText = (/** @type {unknown} */ one) => typeof one === 'string' && one.length <= 500;
  const isCount = (/** @type {unknown} */ one) => Number.isInteger(one) && Number(one) >= 0;
  must(found?.whichdance === format, 'format');
  for (const key of ['model', 'version', 'sha256', 'created_by']) {
    must(isText(found[key]), key);
  }
  const { labels, size, strength, recordings, gains, evidence } = found;
  must(Array.isArray(labels) && labels.length > 1 && labels.length <= most, 'labels');
  must(
    labels.every((/** @type {unknown} */ label) => isLabel(settings, label)),
    'labels',
  );
  must(new Set(labels).size === labels.length, 'labels');
  must(Number.isInteger(size) && size > 0 && size <= widest, 'size');
  must(Number.isFinite(strength) && strength > 0, 'strength');
  must(!!recordings && Object.entries(recordings).every(([key, n]) => labels.includes(key) && isCount(n)), 'recordings');
  must(!!gains && Object.values(gains).every((g) => Array.isArray(g) && g.length === 3 && g.every(isCount)), 'gains');
  must(!!evidence && names.every((name) => Number.isFinite(evidence[name])), 'evidence');
  must(evidence.phases >= 1 && evidence.phases <= 16 && Number.isInteger(evidence.phases), 'evidence');
  must(['weight', 'change_per_second', 'temperature'].every((name) => evidence[name] > 0), 'evidence');
  const bytes = Uint8Array.from(atob(found.head), (letter) => letter.charCodeAt(0));
  must(bytes.length === 2 * labels.length * (size + 1), 'head');
  const values = Float64Array.from(new Uint16Array(bytes.buffer), fromHalf);
  must(values.every(Number.isFinite), 'head');
  return {
    model: found.model,
    version: found.version,
    sha256: found.sha256,
    labels,
    head: labels.map((/** @type {string} */ _, /** @type {number} */ i) => values.slice(i * (size + 1), (i + 1) * (size + 1))),
    evidence: Object.fromEntries(names.map((name) => [name, evidence[name]])),
    recordings: { ...recordings },
    strength,
    gains: { ...gains },
    created_by: found.created_by,
  };
}

/**
 * Several heads on one model as one: their mean, weighted by how many recordings each was taught with.
 *
 * @param {Taught[]} parts
 * @param {string} other key of none of these
 * @returns {Taught}
 */
export function merged(parts, other) {
  if (parts.length === 1) {
    return parts[0];
  }
  const keys = [...new Set(parts.flatMap(({ labels }) => labels))];
  const labels = [...keys.filter((key) => key !== other), ...(keys.includes(other) ? [other] : [])];
  const head = labels.map((label) => {
    const knowing = parts.filter((part) => part.labels.includes(label));
    const weights = knowing.map((part) => Math.max(1, recordingsOf(part)));
    const all = weights.reduce((a, b) => a + b, 0);
    const row = new Float64Array(parts[0].head[0].length);
    knowing.forEach((part, i) =>
      part.head[part.labels.indexOf(label)].forEach((value, j) => (row[j] += (weights[i] * value) / all)),
    );
    return row.map(Math.fround);
  });
  /** @type {Record<string, number>} */
  const recordings = {};
  for (const part of parts) {
    for (const [key, count] of Object.entries(part.recordings)) {
      recordings[key] = (recordings[key] ?? 0) + count;
    }
  }
  const largest = parts.reduce((most, part) => (recordingsOf(part) > recordingsOf(most) ? part : most));
  return { ...parts[0], labels, head, evidence: largest.evidence, recordings, strength: largest.strength, gains: {} };
}

/**
 * The definition and the network as if the model had this head.
 *
 * @param {Definition} definition
 * @param {{embed: (window: Float32Array) => Promise<Float32Array>}} network
 * @param {Taught} taught
 * @returns {[Definition, import('./session.js').Network]}
 */
export function withHead(definition, network, taught) {
  const { other } = definition;
  const labels = taught.labels.filter((label) => label !== other);
  const places = labels.map((label) => taught.labels.indexOf(label));
  const dances = { ...definition.dances };
  for (const label of labels) {
    dances[label] ??= /** @type {Dance} */ ({ name: label, family: '', metre: null, beats_per_bar: null, ...OWN_COLOUR });
  }
  return [
    {
      ...definition,
      dances,
      model: { ...definition.model, labels },
      evidence: { ...definition.evidence, ...taught.evidence },
      group_temperatures: {},
    },
    {
      async run(window) {
        const logs = logSoftmax(times(taught.head, await network.embed(window)));
        const scores = Float32Array.from([...places.map((place) => Math.exp(logs[place])), 0]);
        scores[labels.length] = Math.max(0, 1 - scores.reduce((sum, score) => sum + score, 0));
        return scores;
      },
    },
  ];
}

/**
 * A number in half precision (IEEE 754 binary16), rounded to the nearest, halves to even.
 *
 * @param {number} value
 */
export function toHalf(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) {
    return sign | 0x7c00;
  }
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -30)));
  const unit = 2 ** (exponent - 10);
  let steps = Math.round(size / unit);
  if (Math.abs((size / unit) % 1) === 0.5 && steps % 2) {
    steps--;
  }
  return sign | ((exponent + 14) * 1024 + steps); // a carry counts up the exponent
}

/** @param {number} half */
export function fromHalf(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return half & 0x8000 ? -size : size;
}
