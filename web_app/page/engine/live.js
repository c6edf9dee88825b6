// Which of a microphone's sound may be heard, and how loud it is (runtime/live.py).

/** @typedef {import('./definition.js').LiveDefinition} LiveDefinition */
/** @typedef {{seconds: number}} Gap sound that is missing */

/** What of a microphone's blocks may be heard; the rest are gaps. */
export class LiveGuard {
  /**
   * @param {LiveDefinition} settings
   * @param {number} sampleRate Hz
   */
  constructor(settings, sampleRate) {
    this.settings = settings;
    this._rate = sampleRate;
    this._least = Math.ceil(settings.muted_seconds * sampleRate); // zeros that are a gap
    this._zeros = 0; // held back
    /** @type {Float32Array} the last block as it came; empty where it was a gap */
    this.newest = new Float32Array(0);
  }

  /** Zeros held back, s. */
  get held() {
    return this._zeros / this._rate;
  }

  /** Whether there are nothing but zeros, for long. */
  get muted() {
    return this._zeros >= this._least;
  }

  /**
   * The next block: what of it, and of the zeros held back, is to be heard, in order.
   *
   * @param {Float32Array} block
   * @returns {(Float32Array | Gap)[]}
   */
  take(block) {
    if (!within(block, this.settings.loudest)) {
      this.newest = new Float32Array(0);
      return [...this._released(), { seconds: block.length / this._rate }];
    }
    this.newest = block;
    return [...this._withoutMute(block)];
  }

  /**
   * @param {Float32Array} block
   * @returns {Generator<Float32Array | Gap>}
   */
  *_withoutMute(block) {
    const first = block.findIndex((sample) => sample !== 0);
    if (first < 0) {
      this._zeros += block.length;
      return;
    }
    let samples = block;
    if (this._zeros + first >= this._least) {
      yield { seconds: (this._zeros + first) / this._rate };
      samples = block.subarray(first);
    } else if (this._zeros) {
      samples = new Float32Array(this._zeros + block.length);
      samples.set(block, this._zeros);
    }
    let start = 0;
    let last = -1; // sample that is not zero
    if (block.length <= this._least) {
      last = samples.findLastIndex((sample) => sample !== 0); // too short to hold a gap: nothing else to look for
    }
    for (let i = last + 1; i < samples.length; i++) {
      if (samples[i] === 0) {
        continue;
      }
      if (last >= 0 && i - last > this._least) {
        yield samples.slice(start, last + 1);
        yield { seconds: (i - last - 1) / this._rate };
        start = i;
      }
      last = i;
    }
    yield samples.slice(start, last + 1);
    this._zeros = samples.length - last - 1;
  }

  /** The zeros held back, as sound or as a gap. */
  _released() {
    const zeros = this._zeros;
    this._zeros = 0;
    if (!zeros) {
      return [];
    }
    return [zeros >= this._least ? { seconds: zeros / this._rate } : new Float32Array(zeros)];
  }
}

/**
 * Whether no sample is louder than that, or no number at all.
 *
 * @param {Float32Array} block
 * @param {number} loudest
 */
function within(block, loudest) {
  for (let i = 0; i < block.length; i++) {
    if (!(Math.abs(block[i]) <= loudest)) {
      return false;
    }
  }
  return true;
}

/**
 * @typedef {object} Level
 * @property {number} db dBFS of the newest block
 * @property {number} fraction of the meter, 0 to 1
 * @property {'wait' | 'good' | 'quiet' | 'clipping' | 'silent'} advice
 */

/** Reads levels from blocks of samples; remembers two seconds for its advice. */
export class LevelMeter {
  /**
   * @param {LiveDefinition} settings
   * @param {number} sampleRate Hz
   */
  constructor(settings, sampleRate) {
    this._settings = settings;
    this._window = settings.window_seconds * sampleRate;
    /** @type {{length: number, energy: number, clipped: number}[]} */
    this._blocks = [];
    this._held = 0;
  }

  /**
   * Take the next samples, finite numbers; return the reading after them.
   *
   * @param {Float32Array} samples
   * @returns {Level}
   */
  push(samples) {
    if (!samples.length) {
      return { db: this._settings.floor_db, fraction: 0, advice: this._advice() };
    }
    let [energy, clipped] = [0, 0];
    for (const sample of samples) {
      energy += sample * sample;
      clipped += Math.abs(sample) >= this._settings.clipped ? 1 : 0;
    }
    this._blocks.push({ length: samples.length, energy, clipped });
    this._held += samples.length;
    while (this._held - this._blocks[0].length >= this._window) {
      this._held -= this._blocks[0].length;
      this._blocks.shift();
    }
    const db = this._decibels(energy / samples.length);
    const fraction = 1 - db / this._settings.floor_db;
    return { db, fraction: Math.min(1, Math.max(0, fraction)), advice: this._advice() };
  }

  /** @returns {Level['advice']} */
  _advice() {
    const total = (/** @type {'energy' | 'clipped'} */ what) => this._blocks.reduce((n, one) => n + one[what], 0);
    if (total('clipped') >= this._settings.clipped_samples) {
      return 'clipping';
    }
    if (this._held < this._window / 2) {
      return 'wait';
    }
    if (!total('energy')) {
      return 'silent';
    }
    return this._decibels(total('energy') / this._held) < this._settings.quiet_db ? 'quiet' : 'good';
  }

  /** @param {number} power */
  _decibels(power) {
    const floor = this._settings.floor_db;
    return power > 0 ? Math.max(floor, 10 * Math.log10(power)) : floor;
  }
}
