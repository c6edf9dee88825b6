// Power spectra of real signals, on fft.js. Lengths that are no power of two (4500 at 48 kHz) go through
// Bluestein's chirp transform (Bluestein 1970), which needs a power of two only for its convolution.

import FFT from '../vendor/fft.js';

/**
 * Squared magnitudes of the first bins of a real signal's discrete Fourier transform.
 *
 * @typedef {(signal: Float64Array, power: Float64Array) => void} PowerSpectrum
 */

/**
 * @param {number} nFft length of the transform
 * @param {number} nBins bins wanted, from 0 Hz up; at most nFft / 2 + 1
 * @returns {PowerSpectrum} takes signals of at most nFft samples and fills nBins values
 */
export function powerSpectrum(nFft, nBins) {
  return Number.isInteger(Math.log2(nFft)) ? radix(nFft, nBins) : chirp(nFft, nBins);
}

/** @type {(nFft: number, nBins: number) => PowerSpectrum} */
function radix(nFft, nBins) {
  const fft = new FFT(nFft);
  const padded = new Float64Array(nFft);
  const spectrum = new Float64Array(2 * nFft);
  return (signal, power) => {
    padded.set(signal);
    padded.fill(0, signal.length);
    fft.realTransform(spectrum, padded);
    for (let k = 0; k < nBins; k++) {
      power[k] = spectrum[2 * k] ** 2 + spectrum[2 * k + 1] ** 2;
    }
  };
}

/** @type {(nFft: number, nBins: number) => PowerSpectrum} */
function chirp(nFft, nBins) {
  // nk = (n² + k² - (k - n)²) / 2 turns the transform into a convolution with a chirp, c[n] = exp(iπn²/N).
  // A factor of modulus one in front of bin k does not matter for its power, so k² is left out.
  const size = 2 ** Math.ceil(Math.log2(nFft + nBins));
  const fft = new FFT(size);
  const cosine = new Float64Array(nFft);
  const sine = new Float64Array(nFft);
  for (let n = 0; n < nFft; n++) {
    const angle = (Math.PI * ((n * n) % (2 * nFft))) / nFft; // reduced first: n² alone would cost digits
    cosine[n] = Math.cos(angle);
    sine[n] = Math.sin(angle);
  }
  const kernel = new Float64Array(2 * size);
  for (let n = 0; n < nFft; n++) {
    const places = n < nBins ? [n, size - n] : [size - n];
    for (const place of places) {
      kernel[2 * (place % size)] = cosine[n] / size;
      kernel[2 * (place % size) + 1] = sine[n] / size;
    }
  }
  const filter = new Float64Array(2 * size);
  fft.transform(filter, kernel);
  const twisted = new Float64Array(2 * size);
  const spectrum = new Float64Array(2 * size);
  return (signal, power) => {
    twisted.fill(0);
    for (let n = 0; n < signal.length; n++) {
      twisted[2 * n] = signal[n] * cosine[n];
      twisted[2 * n + 1] = -signal[n] * sine[n];
    }
    fft.transform(spectrum, twisted);
    for (let i = 0; i < 2 * size; i += 2) {
      const [real, imaginary] = [spectrum[i], spectrum[i + 1]];
      // conjugated, so that a forward transform inverts
      spectrum[i] = real * filter[i] - imaginary * filter[i + 1];
      spectrum[i + 1] = -(real * filter[i + 1] + imaginary * filter[i]);
    }
    fft.transform(twisted, spectrum);
    for (let k = 0; k < nBins; k++) {
      power[k] = twisted[2 * k] ** 2 + twisted[2 * k + 1] ** 2;
    }
  };
}
