// Runs on the audio thread: gathers the microphone's samples and passes them to the worker.

const CHUNK = 8192; // samples, about a sixth of a second

/** @param {Float32Array[]} channels */
function mean(channels) {
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {MessagePort | null} */
    this._out = null;
    this._chunk = new Float32Array(CHUNK);
    this._filled = 0;
    this.port.onmessage = ({ data }) => {
      this._out = data;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    if (!this._out) {
      return true;
    }
    if (channels.length) {
      const mono = channels.length === 1 ? channels[0] : mean(channels);
      for (let from = 0; from < mono.length; ) {
        const some = mono.subarray(from, from + CHUNK - this._filled);
        this._chunk.set(some, this._filled);
        this._filled += some.length;
        from += some.length;
        if (this._filled === CHUNK) {
          this._send(this._out);
        }
      }
    }
    return true;
  }

  /** @param {MessagePort} out */
  _send(out) {
    // With the time of day: after an interruption it says how much is missing.
    out.postMessage({ samples: this._chunk, at: Date.now() }, [this._chunk.buffer]);
    this._chunk = new Float32Array(CHUNK);
    this._filled = 0;
  }
}

registerProcessor('capture', Capture);
