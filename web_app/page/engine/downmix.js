// Channels to one: their mean, unless they cancel (runtime/audio.py).

/**
 * Two channels in antiphase (one of them wired the wrong way round, or a 'karaoke' copy) have nothing in their
 * mean; where the side has far more power than the middle so far, it is taken instead. Of more channels that
 * cancel, the loudest one.
 */
export class Downmix {
  /** @param {number} sideRatio of powers, from which channels count as in antiphase */
  constructor(sideRatio) {
    this._sideRatio = sideRatio;
    this._middle = 0; // energies so far
    this._side = 0;
    /** @type {number[]} */
    this._channels = [];
  }

  /**
   * @param {Float32Array[]} channels of the next samples, equally long
   * @returns {Float32Array} mono, of its own memory
   */
  push(channels) {
    const n = channels.length;
    const middle = channels[0].slice();
    if (n === 1) {
      return middle;
    }
    for (let i = 0; i < middle.length; i++) {
      let sum = 0;
      for (const channel of channels) {
        sum += channel[i];
      }
      middle[i] = sum / n;
    }
    this._middle += energy(middle);
    if (n === 2) {
      const [left, right] = channels;
      const side = left.map((sample, i) => (sample - right[i]) / 2);
      this._side += energy(side);
      return this._side > this._sideRatio * this._middle ? side : middle;
    }
    this._channels = channels.map((channel, i) => (this._channels[i] ?? 0) + energy(channel));
    const mean = this._channels.reduce((sum, one) => sum + one, 0) / n;
    if (mean > this._sideRatio * n * this._middle) {
      return channels[this._channels.indexOf(Math.max(...this._channels))].slice();
    }
    return middle;
  }
}

/** @param {Float32Array} samples */
function energy(samples) {
  let sum = 0;
  for (const sample of samples) {
    sum += sample * sample;
  }
  return sum;
}
