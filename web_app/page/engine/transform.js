// Power spectra of real signals, on fft.js. Lengths that are no power of two (4500 at 48 kHz) go through
// Bluestein's chirp transform (Bluestein 1970), which needs a power of two only for its convolution.

import FFT from '../vendor/fft.js';

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
  return Number.isInteger(Math.log2(nFft)) ? radix(nFft, nBins) : chirp(nFft, nBins);
}

/** @type {(nFft: number, nBins: number) => PowerSpectrum} */
function radix(nFft, nBins) {
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
function chirp(nFft, nBins) {
  // nk = (n² + k² - (k - n)²) / 2 turns the transform into a convolution with a chirp, c[n] = exp(iπn²/N).
  // Two real signals a, b are one complex one, z = a + ib, whose bins k and -k tell them apart.
  const size = 2 ** Math.ceil(Math.log2(nFft + 2 * nBins));
  const fft = new FFT(size);
  const angle = (/** @type {number} */ n) => (Math.PI * ((n * n) % (2 * nFft))) / nFft; // n² alone would cost digits
  const cosine = Float64Array.from({ length: nFft }, (_, n) => Math.cos(angle(n)));
  const sine = Float64Array.from({ length: nFft }, (_, n) => Math.sin(angle(n)));
  const kernel = new Float64Array(2 * size);
  for (let n = 1 - nFft - nBins; n < nBins; n++) {
    const place = 2 * ((n + size) % size);
    kernel[place] = Math.cos(angle(n)) / size;
    kernel[place + 1] = Math.sin(angle(n)) / size;
  }
  const filter = new Float64Array(2 * size);
  fft.transform(filter, kernel);
  const twisted = new Float64Array(2 * size);
  const spectrum = new Float64Array(2 * size);
  const nothing = new Float64Array(nFft);
  return ([first, second = nothing], powers) => {
    twisted.fill(0);
    for (let n = 0; n < first.length; n++) {
      twisted[2 * n] = first[n] * cosine[n] + second[n] * sine[n];
      twisted[2 * n + 1] = second[n] * cosine[n] - first[n] * sine[n];
    }
    fft.transform(spectrum, twisted);
    for (let i = 0; i < 2 * size; i += 2) {
      const [real, imaginary] = [spectrum[i], spectrum[i + 1]];
      // conjugated, so that a forward transform inverts
      spectrum[i] = real * filter[i] - imaginary * filter[i + 1];
      spectrum[i + 1] = -(real * filter[i + 1] + imaginary * filter[i]);
    }
    fft.transform(twisted, spectrum); // conjugated, and without the factor of k²: conj(c[k]) Z[k]
    for (let k = 0; k < nBins; k++) {
      const [real, imaginary] = turned(twisted, k, cosine[k], sine[k]);
      const [realBack, imaginaryBack] = turned(twisted, (size - k) % size, cosine[k], sine[k]);
      powers[0][k] = ((real + realBack) ** 2 + (imaginary - imaginaryBack) ** 2) / 4;
      if (powers.length > 1) {
        powers[1][k] = ((real - realBack) ** 2 + (imaginary + imaginaryBack) ** 2) / 4;
      }
    }
  };
}

/**
 * A complex value times exp(iφ).
 *
 * @param {Float64Array} values real and imaginary parts in turn
 * @param {number} place
 * @param {number} cosine
 * @param {number} sine
 */
function turned(values, place, cosine, sine) {
  const [real, imaginary] = [values[2 * place], values[2 * place + 1]];
  return [real * cosine - imaginary * sine, real * sine + imaginary * cosine];
}
