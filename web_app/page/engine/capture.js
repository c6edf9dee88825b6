// Runs on the audio thread: gathers the microphone's samples and passes them to the worker.

const CHUNK = 8192; // samples, about a sixth of a second; 64 of those pieces that browsers give

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

  /** @param {Float32Array[][]} inputs one, of one channel, as the node asks for; without any while nothing comes */
  process([[samples]]) {
    if (this._out && samples) {
      // It runs 375 times a second, and leaves nothing to be collected.
      this._chunk.set(samples, this._filled);
      this._filled += samples.length;
      if (this._filled === CHUNK) {
        this._send(this._out);
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
