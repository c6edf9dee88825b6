// Sliding windows over frames that arrive bit by bit (runtime/segments.py).

/**
 * @typedef {object} Segment
 * @property {number} time start, seconds from the start of the recording
 * @property {number} firstFrame number of its first frame in the recording
 * @property {Float32Array} frames segment_frames × n_mels
 */

const ROOM = 4; // times what is pending, that is made for it and for what comes next

export class SegmentStream {
  /**
   * @param {number} segmentFrames frames in a segment
   * @param {number} stride frames from one segment to the next
   * @param {number} nMels
   * @param {number} frameRate frames per second
   */
  constructor(segmentFrames, stride, nMels, frameRate) {
    this.segmentFrames = segmentFrames;
    this.stride = stride;
    this._nMels = nMels;
    this._frameRate = frameRate;
    this._store = new Float32Array(0); // with what is pending in it
    this._from = 0;
    this._to = 0;
    this._skip = 0; // frames still to be dropped, where the stride exceeds the frames at hand
    this._nextStart = 0; // frame at which the next segment starts
  }

  /**
   * Start anew with the next frame pushed, which is number `firstFrame` of the recording.
   *
   * @param {number} firstFrame
   */
  reset(firstFrame = 0) {
    [this._from, this._to] = [0, 0];
    this._skip = 0;
    this._nextStart = firstFrame;
  }

  /** Frames that no complete segment has used up yet, n × n_mels. */
  get pending() {
    return this._store.subarray(this._from, this._to);
  }

  /**
   * Take the next frames; return the segments that they complete.
   *
   * @param {import('./mel.js').Frames} frames
   * @returns {Segment[]}
   */
  push(frames) {
    const skipped = Math.min(this._skip, frames.count);
    this._skip -= skipped;
    this._append(frames.data.subarray(skipped * this._nMels));
    const { pending } = this;
    const count = pending.length / this._nMels;
    const segments = [];
    let first = 0;
    for (; first + this.segmentFrames <= count; first += this.stride) {
      segments.push({
        time: this._nextStart / this._frameRate,
        firstFrame: this._nextStart,
        frames: pending.slice(first * this._nMels, (first + this.segmentFrames) * this._nMels),
      });
      this._nextStart += this.stride;
    }
    this._skip += Math.max(0, first - count);
    this._from += Math.min(first, count) * this._nMels;
    return segments;
  }

  /** @param {Float32Array} added behind what is pending; only moves that where there is no room, for it comes often */
  _append(added) {
    const { pending } = this;
    const length = pending.length + added.length;
    if (this._from + length > this._store.length) {
      this._store = 2 * length > this._store.length ? new Float32Array(ROOM * length) : this._store;
      this._store.set(pending);
      this._from = 0;
    }
    this._store.set(added, this._from + pending.length);
    this._to = this._from + length;
  }
}

/**
 * A recording shorter than a segment, repeated until it fills one.
 *
 * @param {Float32Array} frames n × n_mels
 * @param {number} length values wanted
 */
export function padded(frames, length) {
  const filled = new Float32Array(length);
  for (let place = 0; place < length && frames.length; place += frames.length) {
    filled.set(frames.subarray(0, Math.min(frames.length, length - place)), place);
  }
  return filled;
}
