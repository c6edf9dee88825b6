// Where there is no music: silence is no evidence for any dance (runtime/loudness.py).

/** @typedef {import('./definition.js').LoudnessDefinition} LoudnessDefinition */

/**
 * Level of each frame of mel power, dB.
 *
 * @param {Float32Array} data n × nMels
 * @param {number} nMels
 */
export function levels(data, nMels) {
  const result = new Float64Array(data.length / nMels);
  for (let frame = 0; frame < result.length; frame++) {
    let power = 0;
    for (let i = frame * nMels; i < (frame + 1) * nMels; i++) {
      power += data[i];
    }
    result[frame] = 10 * Math.log10(Math.max(power, 1e-12));
  }
  return result;
}

/**
 * How quiet a segment is, dB: half of its frames, or of its new frames, are below it.
 *
 * @param {Float32Array} frames n × nMels
 * @param {number} nMels
 * @param {number} stride frames at its end that are new
 */
export function quietLevel(frames, nMels, stride) {
  const all = levels(frames, nMels);
  return Math.min(median(all), median(all.slice(-stride)));
}

/** @param {Float64Array} values */
function median(values) {
  const sorted = values.slice().sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Level of the loudest frame so far; of live sound it is slowly forgotten. */
export class LoudestSoFar {
  /** @param {number} decay dB per frame */
  constructor(decay) {
    this._decay = decay;
    this.level = -Infinity;
  }

  /**
   * Take the next frames; return the loudest level as of each of them, dB.
   *
   * @param {Float32Array} data n × nMels
   * @param {number} nMels
   */
  push(data, nMels) {
    const loudest = levels(data, nMels);
    for (let frame = 0; frame < loudest.length; frame++) {
      this.level = Math.max(this.level - this._decay, loudest[frame]);
      loudest[frame] = this.level;
    }
    return loudest;
  }
}

/**
 * Whether a segment tells nothing new of any music.
 *
 * @param {LoudnessDefinition} settings
 * @param {number} quiet its quiet level, dB
 * @param {number} loudest level of the loudest frame, dB
 */
export function isSilent(settings, quiet, loudest) {
  return quiet < Math.max(settings.silence_floor, loudest - settings.silence_below);
}
