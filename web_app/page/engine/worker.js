// Front end and network, away from the screen's thread. Listens to one microphone and reads one file at a time.

import { loadDefinition, loadFrontEnd } from './definition.js';
import { LevelMeter } from './level.js';
import { MelStream } from './mel.js';
import { OnnxNetwork } from './network.js';
import { PlayingMusic, TooShort, WholeRecording } from './session.js';

/** @typedef {import('./definition.js').Definition} Definition */

const MOST_WAITING = 8; // s of sound behind: beyond that the device is too slow, and some of it is skipped
const SILENT_SECONDS = 3; // of nothing but zeros: the microphone is muted, or another app holds it

const page = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** @type {Promise<{definition: Definition, network: OnnxNetwork}> | null} */
let loading = null;
/** @type {Listener | null} */
let listener = null;
/** @type {Reader | null} */
let reader = null;

function load() {
  loading ??= (async () => {
    const definition = await loadDefinition();
    return { definition, network: await OnnxNetwork.load(definition) };
  })();
  return loading;
}

/** Lets messages that have arrived be handled before the work goes on. */
function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}

/** Follows what a microphone hears. */
class Listener {
  /**
   * @param {MessagePort} port that chunks of samples come from
   * @param {number} sampleRate Hz
   */
  constructor(port, sampleRate) {
    this._port = port;
    this._rate = sampleRate;
    /** @type {Float32Array[]} */
    this._waiting = [];
    this._samples = 0; // of the recording, those skipped included
    this._silent = 0; // samples of nothing but zeros, not yet told to the session
    this._stopped = false;
    port.onmessage = ({ data }) => this._waiting.push(data);
  }

  async run() {
    const { definition, network } = await load();
    const frontEnd = await loadFrontEnd(definition, this._rate);
    this._stream = new MelStream(frontEnd);
    this._session = new PlayingMusic(definition, network);
    this._meter = new LevelMeter(this._rate);
    this._frameRate = definition.front_end.frame_rate;
    this._waiting = []; // what came while the model was being loaded
    while (!this._stopped) {
      const chunk = this._waiting.shift();
      if (!chunk) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      await this._hear(chunk);
      const behind = this._waiting.reduce((total, one) => total + one.length, 0);
      if (behind > MOST_WAITING * this._rate) {
        this._waiting = [];
        this._gap(behind);
        page.postMessage({ type: 'skipped', seconds: behind / this._rate });
      }
      await breathe();
    }
  }

  stop() {
    this._stopped = true;
    this._port.close();
  }

  /** @param {number} samples that are missing */
  _gap(samples) {
    if (this._session && this._stream && this._frameRate) {
      this._samples += samples;
      this._stream.reset();
      this._session.gap(Math.round((this._samples / this._rate) * this._frameRate));
    }
  }

  /** @param {Float32Array} chunk */
  async _hear(chunk) {
    if (!this._session || !this._stream || !this._meter) {
      return;
    }
    const level = this._meter.push(chunk);
    if (!chunk.some((sample) => sample !== 0)) {
      this._silent += chunk.length;
      if (this._silent >= SILENT_SECONDS * this._rate) {
        this._tell(level, null, true);
      }
      return;
    }
    if (this._silent >= SILENT_SECONDS * this._rate) {
      this._gap(this._silent);
    } else if (this._silent) {
      await this._push(new Float32Array(this._silent));
    }
    this._silent = 0;
    const prediction = await this._push(chunk);
    this._tell(level, prediction, false);
  }

  /** @param {Float32Array} samples */
  async _push(samples) {
    if (!this._session || !this._stream) {
      return null;
    }
    this._samples += samples.length;
    const heard = await this._session.push(this._stream.push(samples));
    return heard.length ? this._session.prediction(this._samples / this._rate) : null;
  }

  /**
   * @param {import('./level.js').Level} level
   * @param {import('./session.js').Prediction | null} prediction
   * @param {boolean} nothing whether the microphone gives nothing but zeros
   */
  _tell(level, prediction, nothing) {
    if (!this._stopped) {
      const seconds = (this._samples + this._silent) / this._rate;
      page.postMessage({ type: 'heard', level, seconds, prediction, nothing });
    }
  }
}

/** Reads a recording block by block. */
class Reader {
  /**
   * @param {number} id
   * @param {number} sampleRate Hz
   */
  constructor(id, sampleRate) {
    this.id = id;
    this._rate = sampleRate;
    this._samples = 0;
    /** @type {Promise<void>} */
    this._last = this._open();
  }

  async _open() {
    const { definition, network } = await load();
    this._stream = new MelStream(await loadFrontEnd(definition, this._rate));
    this._session = new WholeRecording(definition, network);
  }

  /** @param {Float32Array} samples mono */
  block(samples) {
    this._then(async () => {
      for (const sample of samples) {
        if (!Number.isFinite(sample)) {
          throw new Error('a sample is not a finite number');
        }
      }
      this._samples += samples.length;
      await this._push(samples);
      page.postMessage({ type: 'taken', id: this.id });
    });
  }

  end() {
    this._then(async () => {
      if (this._stream && this._session) {
        await this._session.push(this._stream.flush());
        const prediction = await this._session.prediction(this._samples / this._rate);
        page.postMessage({ type: 'result', id: this.id, prediction });
      }
    });
  }

  /** @param {Float32Array} samples */
  async _push(samples) {
    if (this._stream && this._session) {
      await this._session.push(this._stream.push(samples));
    }
  }

  /** @param {() => Promise<void>} work to do after what was asked for before */
  _then(work) {
    this._last = this._last.then(async () => {
      if (reader !== this) {
        return; // cancelled
      }
      try {
        await work();
      } catch (error) {
        const problem = error instanceof TooShort ? 'too_short' : 'unexpected';
        page.postMessage({ type: 'failed', id: this.id, problem, detail: String(error) });
        reader = null;
      }
    });
  }
}

page.onmessage = async (/** @type {MessageEvent} */ { data }) => {
  switch (data.type) {
    case 'load':
      try {
        const { definition } = await load();
        page.postMessage({ type: 'ready', definition });
      } catch (error) {
        loading = null;
        page.postMessage({ type: 'unusable', detail: String(error) });
      }
      break;
    case 'listen':
      listener?.stop();
      listener = new Listener(data.port, data.sampleRate);
      listener.run().catch((error) => page.postMessage({ type: 'broken', detail: String(error) }));
      break;
    case 'stop':
      listener?.stop();
      listener = null;
      break;
    case 'open':
      reader = new Reader(data.id, data.sampleRate);
      break;
    case 'block':
      if (reader?.id === data.id) {
        reader?.block(data.samples);
      }
      break;
    case 'end':
      if (reader?.id === data.id) {
        reader?.end();
      }
      break;
    case 'cancel':
      reader = null;
      break;
  }
};
