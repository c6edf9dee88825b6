// When the beats are, and which of them is the one, of music that plays (runtime/beats.py,
// runtime/beat_activations.py).

import { BarFilter } from './bars.js';

/** @typedef {import('./definition.js').BeatsDefinition} BeatsDefinition */
/** @typedef {import('./definition.js').Definition} Definition */
/** @typedef {import('./mel.js').Frames} Frames */

/**
 * Whatever computes the network.
 *
 * @typedef {object} BeatNetwork
 * @property {(features: Float32Array, told: Float32Array, state: Float32Array) =>
 *   Promise<{activations: Float32Array, state: Float32Array}>} run
 *   features of T frames, (pooled and narrow bands) × T; probabilities of the dances; activations 2 × T
 */

/** Log power below the loudest so far, frame by frame, of pooled bands and of the lowest ones one by one. */
export class BeatFeatures {
  /**
   * @param {BeatsDefinition} settings
   * @param {number} nMels
   */
  constructor(settings, nMels) {
    this._settings = settings;
    this._nMels = nMels;
    this._loudest = Math.fround(1e-30);
  }

  /**
   * @param {Frames} frames of mel power
   * @returns {Float32Array} (feature_bands + harmony_bands) × count: time last, as the network takes them
   */
  push({ count, data }) {
    const { feature_bands: bands, harmony_bands: narrow, dynamic_range: range } = this._settings;
    const width = this._nMels / bands;
    const result = new Float32Array(count * (bands + narrow));
    for (let frame = 0; frame < count; frame++) {
      const first = frame * this._nMels;
      for (let band = 0; band < bands; band++) {
        let sum = 0;
        for (let i = 0; i < width; i++) {
          sum = Math.fround(sum + data[first + band * width + i]);
        }
        result[band * count + frame] = sum;
        this._loudest = Math.max(this._loudest, sum);
      }
      for (let band = 0; band < narrow; band++) {
        result[(bands + band) * count + frame] = data[first + band];
      }
      for (let at = frame; at < result.length; at += count) {
        result[at] = Math.log(Math.max(result[at] / this._loudest, range));
      }
    }
    return result;
  }
}

/** Streaming activations: of the frames that have future enough. */
export class BeatActivations {
  /**
   * @param {Definition} definition
   * @param {BeatNetwork} network
   */
  constructor(definition, network) {
    this._definition = definition;
    this._network = network;
    this.reset();
    this.believe({});
  }

  /**
   * Take what is known from now on of which dance it is; dances that are new to it count as other.
   *
   * @param {Record<string, number>} evidence
   */
  believe(evidence) {
    const { dances } = this._definition.beats;
    this._told = new Float32Array(dances.length);
    for (const [key, probability] of Object.entries(evidence)) {
      const place = dances.indexOf(key);
      this._told[place < 0 ? dances.indexOf(this._definition.other) : place] += probability;
    }
  }

  /** A new recording begins, or sound is missing. */
  reset() {
    const { beats, front_end: frontEnd } = this._definition;
    this._features = new BeatFeatures(beats, frontEnd.n_mels);
    this._state = new Float32Array(beats.state_size);
    this._early = beats.look_ahead; // outputs still to come that are of no frame
  }

  /**
   * @param {Frames} frames of mel power
   * @returns {Promise<Float32Array>} n × 2: of a beat and of a downbeat
   */
  async push(frames) {
    const { count } = frames;
    if (!count || !this._features || !this._told || !this._state) {
      return new Float32Array(0);
    }
    const features = this._features.push(frames);
    const { activations, state } = await this._network.run(features, this._told, this._state);
    this._state = state;
    const skipped = Math.min(this._early ?? 0, count);
    this._early = (this._early ?? 0) - skipped;
    return Float32Array.from({ length: 2 * (count - skipped) }, (_, i) => activations[(i % 2) * count + skipped + (i >> 1)]);
  }
}

/**
 * A beat that is to come.
 *
 * @typedef {object} NextBeat
 * @property {number} time s from the start of the recording
 * @property {number | null} position in the bar, 1 the one; null where the bar is not sure
 * @property {number} beatsPerBar
 * @property {number} period s from beat to beat
 */

/** Follows the beats of music that plays; work and memory are constant. */
export class BeatTracker {
  /**
   * @param {Definition} definition
   * @param {BeatNetwork} network
   * @param {import('./bars.js').BarStates} space
   */
  constructor(definition, network, space) {
    this._settings = definition.beats;
    this._frameRate = definition.front_end.frame_rate;
    this._activations = new BeatActivations(definition, network);
    this._filter = new BarFilter(space, definition.dances);
    this._next = 0; // frame whose activation comes next
    this._known = false;
  }

  /**
   * Sound is missing: the next frame pushed is number `frame` of the recording.
   *
   * @param {number} frame
   */
  gap(frame) {
    this._activations.reset();
    this._filter.restart();
    this._next = frame;
    this._known = false;
  }

  /** @param {Frames} frames */
  async push(frames) {
    const heard = await this._activations.push(frames);
    if (heard.length) {
      this._filter.push(heard);
      this._next += heard.length / 2;
      this._known = true;
    }
  }

  /** @param {Record<string, number>} evidence what is known now of which dance it is */
  believe(evidence) {
    this._activations.believe(evidence);
    this._filter.believe(evidence);
  }

  /**
   * A dancer says that the beat next to a moment is the one.
   *
   * @param {number} time s
   */
  thisIsTheOne(time) {
    this._filter.tellTheOne(time * this._frameRate - (this._next - 1));
  }

  /** Other music begins, for which that word does not hold. */
  forgetTheOne() {
    this._filter.forgetTheOne();
  }

  /**
   * The first beat after a moment; null where no beat is sure enough.
   *
   * @param {number} now s of the recording
   * @returns {NextBeat | null}
   */
  beat(now) {
    if (!this._known) {
      return null;
    }
    const { beat_at: beatAt, count_at: countAt, clear_live: clear } = this._settings;
    const newest = (this._next - 1) / this._frameRate;
    const seen = this._filter.forecast(Math.max(0, now - newest));
    if (seen.beat < beatAt || this._filter.clarity < clear) {
      return null;
    }
    return {
      time: newest + seen.delay,
      position: seen.count >= countAt ? seen.position : null,
      beatsPerBar: seen.beatsPerBar,
      period: seen.period,
    };
  }
}
