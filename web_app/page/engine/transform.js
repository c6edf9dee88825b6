// Power spectra of real signals. Lengths that are a power of two go through fft.js; others (4500 at 48 kHz) are
// products of 2, 3 and 5, and are transformed in steps of these (Stockham's order; Swarztrauber 1984), two signals at
// a time.

import FFT from '../vendor/fft.js';

const SIN_60 = Math.sin(Math.PI / 3);
const [COS_72, SIN_72] = [Math.cos((2 * Math.PI) / 5), Math.sin((2 * Math.PI) / 5)];
const [COS_144, SIN_144] = [Math.cos((4 * Math.PI) / 5), Math.sin((4 * Math.PI) / 5)];

/**
 * Squared magnitudes of the first bins of real signals' discrete Fourier transforms; of one signal or of two.
 *
 * @typedef {(signals: Float64Array[], powers: Float64Array[]) => void} PowerSpectrum
 */

/**
 * @param {number} nFft length of the transform
 * @param {number} nBins bins wanted, from 0 Hz up; at most nFft / 2 + 1
 * @returns {PowerSpectrum} takes signals of at most nFft samples and fills nBins values each
 */
export function powerSpectrum(nFft, nBins) {
  return Number.isInteger(Math.log2(nFft)) ? radix2(nFft, nBins) : mixed(nFft, nBins);
}

/** @type {(nFft: number, nBins: number) => PowerSpectrum} */
function radix2(nFft, nBins) {
  const fft = new FFT(nFft);
  const padded = new Float64Array(nFft);
  const spectrum = new Float64Array(2 * nFft);
  return (signals, powers) =>
    signals.forEach((signal, i) => {
      padded.set(signal);
      padded.fill(0, signal.length);
      fft.realTransform(spectrum, padded);
      for (let k = 0; k < nBins; k++) {
        powers[i][k] = spectrum[2 * k] ** 2 + spectrum[2 * k + 1] ** 2;
      }
    });
}

/** @type {(nFft: number, nBins: number) => PowerSpectrum} */
function mixed(nFft, nBins) {
  const transform = new MixedRadix(nFft);
  const { real, imaginary } = transform;
  return ([first, second], powers) => {
    real.set(first);
    real.fill(0, first.length);
    imaginary.fill(0);
    if (second) {
      imaginary.set(second);
    }
    const [re, im] = transform.run();
    // Two real signals a, b are one complex one, a + ib, whose bins k and -k tell them apart.
    for (let k = 0; k < nBins; k++) {
      const back = k ? nFft - k : 0;
      powers[0][k] = ((re[k] + re[back]) ** 2 + (im[k] - im[back]) ** 2) / 4;
      if (second) {
        powers[1][k] = ((im[k] + im[back]) ** 2 + (re[k] - re[back]) ** 2) / 4;
      }
    }
  };
}

/**
 * A step of a transform: butterflies of `radix` values.
 *
 * @typedef {object} Step
 * @property {number} radix
 * @property {number} groups how many different twiddle factors it has
 * @property {number} stride how often each is used
 * @property {Float64Array} cosine of the twiddle factors, groups × radix
 * @property {Float64Array} sine
 */

/** The discrete Fourier transform of a length that is a product of 2, 3, 4 and 5. */
export class MixedRadix {
  /** @param {number} length */
  constructor(length) {
    /** What is to be transformed. */
    this.real = new Float64Array(length);
    this.imaginary = new Float64Array(length);
    this._other = [new Float64Array(length), new Float64Array(length)];
    /** @type {Step[]} */
    this._steps = [];
    let [rest, stride] = [length, 1];
    while (rest > 1) {
      const radix = [5, 3, 4, 2].find((one) => rest % one === 0);
      if (!radix) {
        throw new RangeError(`${length} has factors beyond 5`);
      }
      const groups = rest / radix;
      const angle = (/** @type {number} */ i) => (-2 * Math.PI * Math.floor(i / radix) * (i % radix)) / rest;
      this._steps.push({
        radix,
        groups,
        stride,
        cosine: Float64Array.from({ length: rest }, (_, i) => Math.cos(angle(i))),
        sine: Float64Array.from({ length: rest }, (_, i) => Math.sin(angle(i))),
      });
      [rest, stride] = [groups, stride * radix];
    }
  }

  /**
   * Transform `real` and `imaginary`, which are overwritten.
   *
   * @returns {Float64Array[]} real and imaginary parts, until the next transform
   */
  run() {
    let from = [this.real, this.imaginary];
    let to = this._other;
    for (const step of this._steps) {
      BUTTERFLIES[step.radix](step, from, to);
      [from, to] = [to, from];
    }
    return from;
  }
}

/**
 * The short transforms, each times its twiddle factors; the first factor of a group is one.
 *
 * @type {Record<number, (step: Step, from: Float64Array[], to: Float64Array[]) => void>}
 */
const BUTTERFLIES = {
  2({ groups, stride, cosine, sine }, [fromRe, fromIm], [toRe, toIm]) {
    for (let group = 0; group < groups; group++) {
      const [c, s] = [cosine[2 * group + 1], sine[2 * group + 1]];
      for (let k = 0; k < stride; k++) {
        const [a, b] = [k + stride * group, k + stride * (group + groups)];
        const out = k + stride * 2 * group;
        toRe[out] = fromRe[a] + fromRe[b];
        toIm[out] = fromIm[a] + fromIm[b];
        turn(toRe, toIm, out + stride, fromRe[a] - fromRe[b], fromIm[a] - fromIm[b], c, s);
      }
    }
  },

  3({ groups, stride, cosine, sine }, [fromRe, fromIm], [toRe, toIm]) {
    for (let group = 0; group < groups; group++) {
      const w = 3 * group;
      for (let k = 0; k < stride; k++) {
        const a = k + stride * group;
        const b = a + stride * groups;
        const c = b + stride * groups;
        const out = k + stride * 3 * group;
        const sumRe = fromRe[b] + fromRe[c];
        const sumIm = fromIm[b] + fromIm[c];
        const nRe = SIN_60 * (fromRe[b] - fromRe[c]);
        const nIm = SIN_60 * (fromIm[b] - fromIm[c]);
        const mRe = fromRe[a] - sumRe / 2;
        const mIm = fromIm[a] - sumIm / 2;
        toRe[out] = fromRe[a] + sumRe;
        toIm[out] = fromIm[a] + sumIm;
        turn(toRe, toIm, out + stride, mRe + nIm, mIm - nRe, cosine[w + 1], sine[w + 1]);
        turn(toRe, toIm, out + 2 * stride, mRe - nIm, mIm + nRe, cosine[w + 2], sine[w + 2]);
      }
    }
  },

  4({ groups, stride, cosine, sine }, [fromRe, fromIm], [toRe, toIm]) {
    for (let group = 0; group < groups; group++) {
      const w = 4 * group;
      for (let k = 0; k < stride; k++) {
        const a = k + stride * group;
        const b = a + stride * groups;
        const c = b + stride * groups;
        const d = c + stride * groups;
        const out = k + stride * 4 * group;
        const [evenRe, evenIm] = [fromRe[a] + fromRe[c], fromIm[a] + fromIm[c]];
        const [oddRe, oddIm] = [fromRe[b] + fromRe[d], fromIm[b] + fromIm[d]];
        const [eRe, eIm] = [fromRe[a] - fromRe[c], fromIm[a] - fromIm[c]];
        const [oRe, oIm] = [fromRe[b] - fromRe[d], fromIm[b] - fromIm[d]];
        toRe[out] = evenRe + oddRe;
        toIm[out] = evenIm + oddIm;
        turn(toRe, toIm, out + stride, eRe + oIm, eIm - oRe, cosine[w + 1], sine[w + 1]);
        turn(toRe, toIm, out + 2 * stride, evenRe - oddRe, evenIm - oddIm, cosine[w + 2], sine[w + 2]);
        turn(toRe, toIm, out + 3 * stride, eRe - oIm, eIm + oRe, cosine[w + 3], sine[w + 3]);
      }
    }
  },

  5({ groups, stride, cosine, sine }, [fromRe, fromIm], [toRe, toIm]) {
    for (let group = 0; group < groups; group++) {
      const w = 5 * group;
      for (let k = 0; k < stride; k++) {
        const a = k + stride * group;
        const b = a + stride * groups;
        const c = b + stride * groups;
        const d = c + stride * groups;
        const e = d + stride * groups;
        const out = k + stride * 5 * group;
        const outerRe = fromRe[b] + fromRe[e];
        const outerIm = fromIm[b] + fromIm[e];
        const innerRe = fromRe[c] + fromRe[d];
        const innerIm = fromIm[c] + fromIm[d];
        const apartRe = fromRe[b] - fromRe[e];
        const apartIm = fromIm[b] - fromIm[e];
        const closeRe = fromRe[c] - fromRe[d];
        const closeIm = fromIm[c] - fromIm[d];
        const mRe = fromRe[a] + COS_72 * outerRe + COS_144 * innerRe;
        const mIm = fromIm[a] + COS_72 * outerIm + COS_144 * innerIm;
        const nRe = SIN_72 * apartRe + SIN_144 * closeRe;
        const nIm = SIN_72 * apartIm + SIN_144 * closeIm;
        const oRe = fromRe[a] + COS_144 * outerRe + COS_72 * innerRe;
        const oIm = fromIm[a] + COS_144 * outerIm + COS_72 * innerIm;
        const pRe = SIN_144 * apartRe - SIN_72 * closeRe;
        const pIm = SIN_144 * apartIm - SIN_72 * closeIm;
        toRe[out] = fromRe[a] + outerRe + innerRe;
        toIm[out] = fromIm[a] + outerIm + innerIm;
        turn(toRe, toIm, out + stride, mRe + nIm, mIm - nRe, cosine[w + 1], sine[w + 1]);
        turn(toRe, toIm, out + 2 * stride, oRe + pIm, oIm - pRe, cosine[w + 2], sine[w + 2]);
        turn(toRe, toIm, out + 3 * stride, oRe - pIm, oIm + pRe, cosine[w + 3], sine[w + 3]);
        turn(toRe, toIm, out + 4 * stride, mRe - nIm, mIm + nRe, cosine[w + 4], sine[w + 4]);
      }
    }
  },
};

/**
 * Put a value there, times a twiddle factor.
 *
 * @param {Float64Array} toRe
 * @param {Float64Array} toIm
 * @param {number} place
 * @param {number} re
 * @param {number} im
 * @param {number} cosine
 * @param {number} sine
 */
function turn(toRe, toIm, place, re, im, cosine, sine) {
  toRe[place] = re * cosine - im * sine;
  toIm[place] = re * sine + im * cosine;
}
