// Context that grows: longer windows while the same dance plays (runtime/context.py).

import { argmax } from './evidence.js';

/** @typedef {import('./mel.js').Frames} Frames */

export class GrowingContext {
  /**
   * @param {number[]} lengths frames of the windows that the network takes, ascending; the first is the segment's
   * @param {number} doubt so much likelier must a segment find its own dance than that of the longer window
   * @param {number} nMels
   */
  constructor(lengths, doubt, nMels) {
    this.lengths = lengths;
    this._doubt = doubt;
    this._nMels = nMels;
    this._frames = new Float32Array(0);
    this._end = 0; // of the newest frame
    this._since = 0; // where the music began that the newest window may hold
  }

  /**
   * Start anew with the next frame pushed, which is number `firstFrame` of the recording.
   *
   * @param {number} firstFrame
   */
  reset(firstFrame = 0) {
    this._frames = new Float32Array(0);
    this._end = firstFrame;
    this._since = firstFrame;
  }

  /**
   * Take the next frames; the segments that they complete are asked for one after the other, by `scores`.
   *
   * @param {Frames} frames
   */
  push(frames) {
    if (this.lengths.length < 2) {
      return;
    }
    // What is older than the longest window behind the oldest frame of the last push is not asked for any more.
    const longest = this.lengths[this.lengths.length - 1] * this._nMels;
    const kept = this._frames.subarray(Math.max(0, this._frames.length - longest));
    const joined = new Float32Array(kept.length + frames.data.length);
    joined.set(kept);
    joined.set(frames.data, kept.length);
    this._frames = joined;
    this._end += frames.count;
  }

  /**
   * Scores of a segment by the longest window behind it that still holds the same music.
   *
   * @param {number} end frame behind the segment, counted from the start of the recording
   * @param {Float32Array} alone the segment's own
   * @param {(window: Float32Array) => Promise<Float32Array>} score
   * @returns {Promise<Float32Array>}
   */
  async scores(end, alone, score) {
    const length = this.lengths.slice(1).findLast((frames) => end - frames >= this._since);
    if (!length) {
      return alone;
    }
    const last = this._frames.length - (this._end - end) * this._nMels;
    const longer = await score(this._frames.slice(last - length * this._nMels, last));
    if (Math.max(...alone) >= this._doubt * alone[argmax(longer)]) {
      this._since = end - this.lengths[0];
      return alone;
    }
    return longer;
  }
}
