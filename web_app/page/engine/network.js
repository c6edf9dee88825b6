// The network, in onnxruntime-web: WebAssembly with SIMD, one thread, nothing but this page's own files.

import * as ort from '../vendor/ort.wasm.min.mjs';
import { unpacked } from './definition.js';

/** @typedef {import('./definition.js').Definition} Definition */

/** @type {Promise<void> | null} */
let preparing = null;

/**
 * Get WebAssembly ready, once.
 *
 * @param {Definition} definition
 * @param {(bytes: number) => void} [progress]
 */
function prepare({ onnxruntime }, progress = () => {}) {
  preparing ??= (async () => {
    ort.env.wasm.numThreads = 1; // more need COOP and COEP headers, which static hosts don't send
    ort.env.wasm.proxy = false;
    ort.env.wasm.wasmPaths = { mjs: new URL(`../${onnxruntime.mjs}`, import.meta.url).href };
    ort.env.wasm.wasmBinary = await unpacked(onnxruntime.wasm, progress);
  })().catch((error) => {
    preparing = null;
    throw error;
  });
  return preparing;
}

/** @param {ArrayBuffer} bytes of an .onnx file */
function openSession(bytes) {
  return ort.InferenceSession.create(bytes, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
}

/**
 * What came out, whose place in WebAssembly is free again.
 *
 * @param {import('onnxruntime-web').Tensor} tensor of floats
 */
function taken(tensor) {
  const values = /** @type {Float32Array} */ (tensor.data).slice(); // `from` would go value by value
  tensor.dispose();
  return values;
}

export class OnnxNetwork {
  /**
   * @param {Definition} definition
   * @param {import('onnxruntime-web').InferenceSession} session
   */
  constructor(definition, session) {
    const { model, front_end: frontEnd } = definition;
    this._session = session;
    this._model = model;
    this._features = definition.teachable?.features ?? '';
    this._nMels = frontEnd.n_mels;
    this._input = new Float32Array(frontEnd.n_mels * Math.max(...model.context_frames));
    /** @type {Promise<unknown>} */
    this._last = Promise.resolve();
  }

  /**
   * @param {Definition} definition
   * @param {(progress: {done: number, all: number}) => void} [report] bytes of the files it needs
   * @param {{file: string, bytes: number}} [model] where it lies
   */
  static async load(definition, report = () => {}, model = definition.model) {
    const { onnxruntime } = definition;
    const sizes = [onnxruntime.bytes, model.bytes];
    const done = [0, 0];
    const progress = (/** @type {number} */ file) => (/** @type {number} */ count) => {
      done[file] = Math.min(count, sizes[file]); // what comes from the cache may be unpacked
      report({ done: done[0] + done[1], all: sizes[0] + sizes[1] });
    };
    const [bytes] = await Promise.all([unpacked(model.file, progress(1)), prepare(definition, progress(0))]);
    return new OnnxNetwork(definition, await openSession(bytes));
  }

  /** Let go of its memory. */
  async release() {
    await this._last;
    await this._session.release();
  }

  /**
   * Scores of a segment, or of a longer window: the dances', and none of these last. Calls wait for each other.
   *
   * @param {Float32Array} frames frames × n_mels of mel power
   * @returns {Promise<Float32Array>}
   */
  run(frames) {
    const result = this._last.then(() => this._run(frames));
    this._last = result.catch(() => undefined);
    return result;
  }

  /**
   * What the network makes of a segment before its last layer; of a model that can be taught.
   *
   * @param {Float32Array} frames
   * @returns {Promise<Float32Array>}
   */
  embed(frames) {
    const result = this._last.then(() => this._output(frames, this._features));
    this._last = result.catch(() => undefined);
    return result;
  }

  /** @param {Float32Array} frames */
  async _run(frames) {
    const { output, labels } = this._model;
    const scores = new Float32Array(labels.length + 1);
    scores.set(await this._output(frames, output));
    const known = scores.reduce((total, score) => total + score, 0);
    scores[labels.length] = Math.max(0, 1 - known);
    return scores;
  }

  /**
   * @param {Float32Array} frames
   * @param {string} output name; a file may give features too
   */
  async _output(frames, output) {
    const nFrames = frames.length / this._nMels;
    for (let frame = 0; frame < nFrames; frame++) {
      for (let band = 0; band < this._nMels; band++) {
        this._input[band * nFrames + frame] = frames[frame * this._nMels + band];
      }
    }
    const values = this._input.subarray(0, this._nMels * nFrames);
    const tensor = new ort.Tensor('float32', values, [1, 1, this._nMels, nFrames]);
    const results = await this._session.run({ [this._model.input]: tensor }, [output]);
    return taken(results[output]);
  }
}

/** The network for beats, in the same WebAssembly. */
export class OnnxBeats {
  /**
   * @param {import('./definition.js').BeatsDefinition} settings
   * @param {import('onnxruntime-web').InferenceSession} session
   */
  constructor(settings, session) {
    this._settings = settings;
    this._session = session;
  }

  /** @param {Definition} definition */
  static async load(definition) {
    const [bytes] = await Promise.all([unpacked(definition.beats.file, () => undefined), prepare(definition)]);
    return new OnnxBeats(definition.beats, await openSession(bytes));
  }

  /**
   * @param {Float32Array} features (pooled and narrow bands) × T
   * @param {Float32Array} told probabilities of the dances
   * @param {Float32Array} state of the frames before
   */
  async run(features, told, state) {
    const { inputs, outputs, feature_bands: pooled, harmony_bands: narrow } = this._settings;
    const rows = pooled + narrow;
    const results = await this._session.run(
      {
        [inputs[0]]: new ort.Tensor('float32', features, [1, rows, features.length / rows]),
        [inputs[1]]: new ort.Tensor('float32', told, [1, told.length]),
        [inputs[2]]: new ort.Tensor('float32', state, [1, state.length]),
      },
      outputs,
    );
    const [activations, after] = outputs.map((name) => taken(results[name]));
    return { activations, state: after };
  }
}
