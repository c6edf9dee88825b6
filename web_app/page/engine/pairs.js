// Stretches of music that plays for which two dances were shown and none was named (runtime/pairs.py).

/**
 * @typedef {object} Pair
 * @property {number} start s; from when they were first shown
 * @property {number} end s
 * @property {number} best state, the likelier one of the newest update
 * @property {number} second state
 * @property {number} confidence the highest probability of both together
 */

/** The pairs since a dance was last named; memory is constant. */
export class Pairs {
  /**
   * @param {number} leastSeconds shorter pairs are none
   * @param {number} most that are kept
   */
  constructor(leastSeconds, most) {
    this._least = leastSeconds;
    this._most = most;
    /** @type {Pair[]} */
    this._over = [];
    /** @type {Pair | null} */
    this._now = null;
  }

  /**
   * Take what is shown at the end of a segment, s.
   *
   * @param {import('./answer.js').Choice} choice
   * @param {number} end
   */
  update({ verdict, best, second, confidence }, end) {
    const now = this._now;
    const same = (/** @type {number} */ state) => state === best || state === second;
    if (verdict !== 'two' || second === null) {
      this._close();
    } else if (now && same(now.best) && same(now.second)) {
      this._now = { ...now, end, best, second, confidence: Math.max(now.confidence, confidence) };
    } else {
      this._close();
      this._now = { start: end, end, best, second, confidence };
    }
  }

  _close() {
    this._over = this.lasting().slice(-this._most);
    this._now = null;
  }

  /** Those that were shown for long enough, the last of which may go on. */
  lasting() {
    const now = this._now;
    return now && now.end - now.start >= this._least ? [...this._over, now] : this._over;
  }

  /**
   * A dance turns out to have begun at `start`, s: what is left of them before that; they are forgotten.
   *
   * @param {number} start
   */
  cut(start) {
    const earlier = this.lasting().map((pair) => ({ ...pair, end: Math.min(pair.end, start) }));
    [this._over, this._now] = [[], null];
    return earlier.filter((pair) => pair.end - pair.start >= this._least);
  }
}
