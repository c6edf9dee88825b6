// How loud the input is, and what to tell somebody who holds the phone badly (as mobile_app/core/level.py).

const FLOOR_DB = -60; // dBFS at the left end of the meter
const QUIET_DB = -52; // dBFS: below this a phone's microphone hears more of itself than of the music
const CLIPPED = 0.999; // of full scale
const CLIPPED_SAMPLES = 8; // in the window: one click is no clipping
const WINDOW_SECONDS = 2; // what is said in words looks back this far, so that it does not flicker

/**
 * @typedef {object} Level
 * @property {number} fraction of the meter, 0 to 1
 * @property {'wait' | 'good' | 'quiet' | 'clipping' | 'silent'} advice
 */

export class LevelMeter {
  /** @param {number} sampleRate Hz */
  constructor(sampleRate) {
    this._window = WINDOW_SECONDS * sampleRate;
    /** @type {{length: number, energy: number, clipped: number}[]} */
    this._chunks = [];
    this._held = 0;
  }

  /**
   * Take the next samples, at least one; return the reading after them.
   *
   * @param {Float32Array} samples
   * @returns {Level}
   */
  push(samples) {
    let [energy, clipped] = [0, 0];
    for (const sample of samples) {
      energy += sample * sample;
      clipped += Math.abs(sample) >= CLIPPED ? 1 : 0;
    }
    this._chunks.push({ length: samples.length, energy, clipped });
    this._held += samples.length;
    while (this._held - this._chunks[0].length >= this._window) {
      this._held -= /** @type {{length: number}} */ (this._chunks.shift()).length;
    }
    const db = decibels(energy / samples.length);
    return { fraction: Math.min(1, Math.max(0, 1 - db / FLOOR_DB)), advice: this._advice() };
  }

  /** @returns {Level['advice']} */
  _advice() {
    const total = (/** @type {'energy' | 'clipped'} */ what) => this._chunks.reduce((n, one) => n + one[what], 0);
    if (total('clipped') >= CLIPPED_SAMPLES) {
      return 'clipping';
    }
    if (this._held < this._window / 2) {
      return 'wait';
    }
    if (!total('energy')) {
      return 'silent';
    }
    return decibels(total('energy') / this._held) < QUIET_DB ? 'quiet' : 'good';
  }
}

/** @param {number} power */
function decibels(power) {
  return power > 0 ? Math.max(FLOOR_DB, 10 * Math.log10(power)) : FLOOR_DB;
}
