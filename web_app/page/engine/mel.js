// From samples to mel power: the streaming front end of runtime/mel.py, whose window, filters and lengths
// are exported by Python for each sampling rate.

import { powerSpectrum } from './transform.js';

/**
 * Frames of mel power, row by row.
 *
 * @typedef {object} Frames
 * @property {number} count
 * @property {Float32Array} data count × n_mels
 */

/** Window and filters at one sampling rate. */
export class FrontEnd {
  /**
   * @param {import('./definition.js').FrontEndDefinition} parameters those of every rate
   * @param {import('./definition.js').RateDefinition} rate those of this one
   * @param {ArrayBuffer} numbers the window, then each band's weights: float32, little-endian
   */
  constructor(parameters, rate, numbers) {
    this.parameters = parameters;
    this.sampleRate = rate.sample_rate;
    this.winLength = rate.win_length;
    this.starts = rate.band_starts;
    this.lengths = rate.band_lengths;
    const values = new Float32Array(numbers);
    this.window = values.subarray(0, this.winLength);
    this.weights = values.subarray(this.winLength);
    this.nBins = Math.max(...this.starts.map((start, band) => start + this.lengths[band]));
    this.transform = powerSpectrum(rate.n_fft, this.nBins);
  }

  /**
   * Sample at which a frame is centred: frame · hop · rate / base rate, rounded.
   *
   * @param {number} frame
   */
  centre(frame) {
    const { hop_length: hop, sample_rate: base } = this.parameters;
    return Math.floor((2 * frame * hop * this.sampleRate + base) / (2 * base));
  }

  /**
   * Frames of a recording; centred ones, hence one more than hops.
   *
   * @param {number} nSamples
   */
  nFrames(nSamples) {
    const { hop_length: hop, sample_rate: base } = this.parameters;
    return 1 + Math.floor((nSamples * base) / (hop * this.sampleRate));
  }
}

/** Push samples in chunks of any size, get mel frames as they become complete. */
export class MelStream {
  /** @param {FrontEnd} frontEnd */
  constructor(frontEnd) {
    this.frontEnd = frontEnd;
    // Frames are transformed in pairs: at some rates two cost as much as one.
    this._windowed = [0, 1].map(() => new Float64Array(frontEnd.winLength));
    this._power = [0, 1].map(() => new Float64Array(frontEnd.nBins));
    this._pending = new Float32Array(0);
    this._pendingStart = 0; // index in the recording of the first pending sample
    this._nSamples = 0;
    this._nextFrame = 0;
    this.reset();
  }

  /** Forget everything pushed so far. */
  reset() {
    const half = Math.floor(this.frontEnd.winLength / 2);
    this._pending = new Float32Array(half); // frame 0 is centred on sample 0
    this._pendingStart = -half;
    this._nSamples = 0;
    this._nextFrame = 0;
  }

  /**
   * Take the next samples; return the frames that they complete.
   *
   * @param {Float32Array} samples mono
   * @returns {Frames}
   */
  push(samples) {
    this._nSamples += samples.length;
    this._append(samples);
    const available = this._pendingStart + this._pending.length;
    let end = this._nextFrame;
    while (this._start(end) + this.frontEnd.winLength <= available) {
      end++;
    }
    return this._emit(end);
  }

  /**
   * End the recording: return the last frames, which reach past its end.
   *
   * @returns {Frames}
   */
  flush() {
    const end = this.frontEnd.nFrames(this._nSamples);
    const needed = this._start(end - 1) + this.frontEnd.winLength;
    const missing = needed - (this._pendingStart + this._pending.length);
    this._append(new Float32Array(Math.max(0, missing)));
    const frames = this._emit(end);
    this.reset();
    return frames;
  }

  /** @param {Float32Array} samples */
  _append(samples) {
    const longer = new Float32Array(this._pending.length + samples.length);
    longer.set(this._pending);
    longer.set(samples, this._pending.length);
    this._pending = longer;
  }

  /** @param {number} frame */
  _start(frame) {
    return this.frontEnd.centre(frame) - Math.floor(this.frontEnd.winLength / 2);
  }

  /**
   * Compute frames up to `end` and drop the samples that no later frame needs.
   *
   * @param {number} end
   * @returns {Frames}
   */
  _emit(end) {
    const nMels = this.frontEnd.parameters.n_mels;
    const first = this._nextFrame;
    const count = Math.max(0, end - first);
    const data = new Float32Array(count * nMels);
    for (let i = 0; i < count; i += 2) {
      const pair = Math.min(2, count - i);
      for (let j = 0; j < pair; j++) {
        this._cut(this._start(first + i + j) - this._pendingStart, this._windowed[j]);
      }
      this.frontEnd.transform(this._windowed.slice(0, pair), this._power.slice(0, pair));
      for (let j = 0; j < pair; j++) {
        this._sum(this._power[j], data.subarray((i + j) * nMels, (i + j + 1) * nMels));
      }
    }
    this._nextFrame = first + count;
    const spent = Math.min(this._start(this._nextFrame) - this._pendingStart, this._pending.length);
    if (spent > 0) {
      this._pending = this._pending.slice(spent);
      this._pendingStart += spent;
    }
    return { count, data };
  }

  /**
   * @param {number} offset of the frame's first sample among the pending ones
   * @param {Float64Array} windowed to fill
   */
  _cut(offset, windowed) {
    const { window } = this.frontEnd;
    for (let n = 0; n < windowed.length; n++) {
      windowed[n] = window[n] * this._pending[offset + n];
    }
  }

  /**
   * @param {Float64Array} power
   * @param {Float32Array} bands to fill
   */
  _sum(power, bands) {
    const { starts, lengths, weights } = this.frontEnd;
    for (let band = 0, w = 0; band < starts.length; band++) {
      let sum = 0;
      for (let k = starts[band], stop = k + lengths[band]; k < stop; k++, w++) {
        sum += weights[w] * power[k];
      }
      bands[band] = sum;
    }
  }
}
