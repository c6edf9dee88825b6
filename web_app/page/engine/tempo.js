// Tempo of stretches of a recording, given the dance (runtime/tempo.py).

/** @typedef {import('./definition.js').TempoDefinition} TempoDefinition */
/** @typedef {import('./definition.js').Dance} Dance */
/** @typedef {{bpm: number, mpm: number}} Tempo */

/** Sums over frames from which the autocorrelation of onsets is made; those of two stretches add up. */
class RhythmSums {
  /** @param {TempoDefinition} settings */
  constructor(settings) {
    this.settings = settings;
    const { max_lag: maxLag, onset_bands: bands } = settings;
    this.products = new Float64Array((maxLag + 1) * bands);
    this.counts = new Float64Array(maxLag + 1);
    this.onsets = new Float64Array(bands);
  }

  /** @param {RhythmSums} other */
  add(other) {
    other.products.forEach((value, i) => (this.products[i] += value));
    other.counts.forEach((value, i) => (this.counts[i] += value));
    other.onsets.forEach((value, i) => (this.onsets[i] += value));
    return this;
  }

  /** Mean over bands of the normalised autocovariance at each lag. */
  autocorrelation() {
    const { max_lag: maxLag, onset_bands: bands } = this.settings;
    const n = Math.max(this.counts[0], 1);
    const covariance = this.products.map(
      (value, i) => value / Math.max(this.counts[Math.floor(i / bands)], 1) - (this.onsets[i % bands] / n) ** 2,
    );
    const variances = covariance.slice(0, bands);
    const mean = variances.reduce((total, value) => total + value, 0) / bands;
    const result = new Float64Array(maxLag + 1);
    covariance.forEach((value, i) => {
      result[Math.floor(i / bands)] += value / (variances[i % bands] + 0.1 * mean + 1e-12) / bands;
    });
    return result;
  }

  /**
   * The tempo, if the music is this dance; null where it can't be told.
   *
   * @param {Dance} dance
   * @param {number} frameRate
   * @returns {Tempo | null}
   */
  estimate(dance, frameRate) {
    const { beats_per_bar: beats, mpm_low: low, mpm_high: high } = dance;
    const settings = this.settings;
    if (beats === null || low === null || high === null) {
      return null;
    }
    const autocorrelation = this.autocorrelation();
    if (this.counts[0] < settings.min_frames || autocorrelation[0] <= 0) {
      return null;
    }
    const octaves = Math.log2(high / low);
    const steps = Math.floor(octaves / Math.log2(settings.grid_step));
    const beatsPerPhrase = beats === 2 ? 4 : beats; // two 2/4 bars make a phrase
    const longest = Math.floor(Math.min(settings.max_lag, this.counts[0] / 2));
    const centre = Math.sqrt((dance.mpm_min || low) * (dance.mpm_max || high));
    let [best, bestMpm] = [-Infinity, low];
    for (let step = 0; step < steps; step++) {
      const mpm = low * 2 ** ((octaves * step) / (steps - 1));
      const beat = (60 * frameRate) / (mpm * beats);
      let [score, weights] = [0, 0];
      for (let k = 1; k <= 2 * beatsPerPhrase && k * beat <= longest; k++) {
        const weight = k % beatsPerPhrase ? 1 : settings.bar_weight;
        const lag = Math.floor(k * beat);
        const part = k * beat - lag;
        const after = autocorrelation[Math.min(lag + 1, settings.max_lag)];
        score += weight * ((1 - part) * autocorrelation[lag] + part * after);
        weights += weight;
      }
      score /= Math.max(weights, 1);
      score -= settings.prior_weight * (Math.log2(mpm / centre) / settings.prior_octaves) ** 2;
      if (score > best) {
        [best, bestMpm] = [score, mpm];
      }
    }
    return { bpm: bestMpm * beats, mpm: bestMpm };
  }
}

/** Rhythm of the stretches of a recording, in bounded memory: parts of it have tempi of their own. */
export class TempoHistory {
  /**
   * @param {TempoDefinition} settings
   * @param {number} nMels
   * @param {number} frameRate
   */
  constructor(settings, nMels, frameRate) {
    this.settings = settings;
    this._nMels = nMels;
    this._frameRate = frameRate;
    this._frame = 0; // of the recording, next to come
    /** @type {{start: number, end: number, sums: RhythmSums}[]} */
    this._buckets = [];
    this._loudest = 1e-30;
    /** @type {Float64Array | null} */
    this._before = null; // the last frame's levels
    /** @type {Float64Array[]} */
    this._past = []; // onsets of the last frames, the newest last
  }

  /** @param {import('./mel.js').Frames} frames */
  push(frames) {
    for (let i = 0; i < frames.count; i++) {
      let last = this._buckets.at(-1);
      if (!last || last.end !== this._frame || last.end - last.start >= this.settings.bucket_frames) {
        if (this._buckets.length >= this.settings.max_buckets) {
          this._join();
        }
        last = { start: this._frame, end: this._frame, sums: new RhythmSums(this.settings) };
        this._buckets.push(last);
      }
      this._add(last.sums, frames.data.subarray(i * this._nMels, (i + 1) * this._nMels));
      last.end = ++this._frame;
    }
  }

  /**
   * @param {RhythmSums} sums
   * @param {Float32Array} frame
   */
  _add(sums, frame) {
    const { max_lag: maxLag, onset_bands: bands, pooled_bands: pooled, dynamic_range: range } = this.settings;
    const group = this._nMels / pooled;
    const levels = new Float64Array(pooled);
    frame.forEach((value, i) => (levels[Math.floor(i / group)] += value));
    this._loudest = levels.reduce((most, value) => Math.max(most, value), this._loudest);
    const db = levels.map((value) => Math.log(Math.max(value, this._loudest * range)));
    const before = this._before ?? db;
    const onset = new Float64Array(bands);
    db.forEach((value, i) => {
      onset[Math.floor((i * bands) / pooled)] += (Math.max(0, value - before[i]) * bands) / pooled;
    });
    this._before = db;
    this._past.push(onset);
    if (this._past.length > maxLag + 1) {
      this._past.shift();
    }
    const newest = this._past.length - 1;
    for (let lag = 0; lag <= newest; lag++) {
      const earlier = this._past[newest - lag];
      for (let band = 0; band < bands; band++) {
        sums.products[lag * bands + band] += onset[band] * earlier[band];
      }
      sums.counts[lag]++;
    }
    onset.forEach((value, band) => (sums.onsets[band] += value));
  }

  /**
   * Sound is missing: the next frame pushed is number `frame`; no repetition is counted across it.
   *
   * @param {number} frame
   */
  gap(frame) {
    this._before = null;
    this._past = [];
    this._frame = frame;
  }

  /**
   * Forget what lies wholly before this second of the recording.
   *
   * @param {number} before
   */
  forget(before) {
    this._buckets = this._buckets.filter((bucket) => bucket.end > before * this._frameRate);
  }

  /**
   * The tempo from one second of the recording to another, if the music there is this dance.
   *
   * @param {Dance} dance
   * @param {number} start
   * @param {number} end
   */
  estimate(dance, start, end) {
    const sums = new RhythmSums(this.settings);
    for (const bucket of this._buckets) {
      const middle = (bucket.start + bucket.end) / 2 / this._frameRate;
      if (start <= middle && middle <= end) {
        sums.add(bucket.sums);
      }
    }
    return sums.estimate(dance, this._frameRate);
  }

  /** Join the two neighbours that are shortest together. */
  _join() {
    let shortest = 0;
    const length = (/** @type {number} */ i) => this._buckets[i + 1].end - this._buckets[i].start;
    for (let i = 1; i + 1 < this._buckets.length; i++) {
      if (length(i) < length(shortest)) {
        shortest = i;
      }
    }
    const [first, second] = this._buckets.slice(shortest, shortest + 2);
    const joined = { start: first.start, end: second.end, sums: first.sums.add(second.sums) };
    this._buckets.splice(shortest, 2, joined);
  }
}
