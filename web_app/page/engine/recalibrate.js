// How sure a taught head may be, fitted to recordings by heads that were taught without them (runtime/recalibrate.py).

import { Chain } from './evidence.js';
import { logSoftmax } from './head.js';
import { cooled } from './keeping.js';
import { uniform } from './random.js';

/** @typedef {import('./definition.js').EvidenceDefinition} EvidenceDefinition */
/** @typedef {import('./definition.js').TeachingDefinition} TeachingDefinition */
/** @typedef {import('./head.js').Matrix} Matrix */

/**
 * At most `most` of `n` places, evenly spread, the first and the last among them.
 *
 * @param {number} n
 * @param {number} most
 */
export function spreadOver(n, most) {
  const kept = Math.min(n, most);
  return Array.from({ length: kept }, (_, i) => Math.floor((kept > 1 ? (i * (n - 1)) / (kept - 1) : 0) + 0.5));
}

/**
 * Divides the logits so that held-out recordings are likeliest.
 *
 * @param {TeachingDefinition} settings
 * @param {Matrix[]} logs of each recording
 * @param {number[]} truth column of its label
 */
export function temperatureOf({ shrinkage, temperatures, least }, logs, truth) {
  const losses = temperatures.map((factor) => {
    let loss = shrinkage * Math.log(factor) ** 2;
    logs.forEach((own, i) => {
      const sum = own.reduce((total, row) => total + Math.max(cooled(row, factor)[truth[i]], Math.log(least)), 0);
      loss -= sum / own.length;
    });
    return loss;
  });
  return temperatures[losses.indexOf(Math.min(...losses))];
}

/**
 * Weight, bias of 'none of these' and temperature of the evidence, on sequences of held-out recordings.
 *
 * @param {TeachingDefinition} constants
 * @param {EvidenceDefinition} settings of the shipped model
 * @param {Matrix[]} logs of each recording's segments
 * @param {number[]} truth
 * @param {number} nStates
 * @param {number} stride s from one segment to the next
 * @returns {EvidenceDefinition}
 */
export function evidenceOf(constants, settings, logs, truth, nStates, stride) {
  const { heard, sequences, songs, weights, biases, temperatures, shrinkage, least } = constants;
  const segments = logs.map((own) =>
    Array.from({ length: heard }, (_, i) => {
      const row = spreadOver(own.length, heard)[i];
      const scores = new Float64Array(nStates);
      if (row !== undefined) {
        own[row].forEach((value, label) => (scores[label] = Math.exp(value)));
      }
      return { start: 0, end: 0, scores, seconds: row === undefined ? 0 : stride };
    }),
  );
  const counts = segments.map((own) => own.filter(({ seconds }) => seconds > 0).length);
  const drawn = Array.from(uniform(0, sequences * songs), (one) => Math.floor(one * logs.length));
  const played = Array.from({ length: sequences }, (_, i) => drawn.slice(i * songs, (i + 1) * songs));
  const all = drawn.length; // each song's shares sum to one
  const lines = played.map((of) => of.flatMap((song) => segments[song].map((one) => ({ one, song }))));
  let [best, lowest] = [settings, Infinity];
  for (const weight of weights) {
    for (const bias of biases) {
      const tried = { ...settings, weight: settings.weight * weight, none_bias: settings.none_bias + bias };
      const followed = lines.map((line) => follow(tried, line.map(({ one }) => one), nStates));
      const held = shrinkage * (Math.log(weight) ** 2 + bias ** 2);
      for (const factor of temperatures) {
        const temperature = settings.temperature * factor;
        let loss = held + shrinkage * Math.log(factor) ** 2;
        lines.forEach((line, i) =>
          line.forEach(({ one, song }, j) => {
            if (one.seconds > 0) {
              const said = logSoftmax(followed[i][j].map((value) => value / temperature))[truth[song]];
              loss -= ((logs.length / all / counts[song]) * Math.max(said, Math.log(least)));
            }
          }),
        );
        if (loss < lowest - 1e-9) {
          [best, lowest] = [{ ...tried, temperature }, loss];
        }
      }
    }
  }
  return best;
}

/**
 * Logarithms of the probabilities after each segment.
 *
 * @param {EvidenceDefinition} settings
 * @param {import('./evidence.js').Observation[]} line
 * @param {number} nStates
 */
function follow(settings, line, nStates) {
  const chain = new Chain(settings, nStates);
  let p = chain.start();
  return line.map((one) => {
    p = chain.weighed(chain.after(p, one.seconds), chain.logEvidence(one));
    const states = new Float64Array(nStates);
    p.forEach((value, i) => (states[i % nStates] += value));
    return states.map((value) => Math.log(Math.max(value, 1e-12)));
  });
}
