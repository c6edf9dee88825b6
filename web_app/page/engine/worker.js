// Front end and network, away from the screen's thread. Listens to one microphone and reads one file at a time.

import { BarStates } from './bars.js';
import { BeatTracker } from './beats.js';
import { danced } from './danced.js';
import { loadDefinition, loadFrontEnd, unpacked } from './definition.js';
import { LevelMeter, LiveGuard } from './live.js';
import { MelStream } from './mel.js';
import { OnnxBeats, OnnxNetwork } from './network.js';
import { spreadOver } from './recalibrate.js';
import { PlayingMusic, TooShort, WholeRecording } from './session.js';
import { decoded, encoded, fromHalf, merged, NotTaught, read, recordingsOf, withHead, written } from './taught.js';

/** @typedef {import('./definition.js').Definition} Definition */

const MOST_WAITING = 8; // s of sound behind: beyond that the device is too slow, and some of it is skipped
const MISSING_SECONDS = 2; // between two chunks: beyond that there was an interruption
const AHEAD = 0.12; // s from now on in which a beat could not be shown any more
const BEAT_FRAMES = 14; // that the network for beats hears at a time
const LOOK_BACK = 64; // chunks: sound comes late at times, and never early
const TELL_MS = 450; // from one reading of the level to the next: each is a frame, and costs more than it shows

const page = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** @type {Promise<{definition: Definition, network: OnnxNetwork, exact: boolean}> | null} */
let loading = null;
/** @type {Listener | null} */
let listener = null;
/** @type {Listener | null} the last one */
let stopped = null;
/** @type {Reader | null} */
let reader = null;

/** @param {boolean} [exact] whether the model in float is wanted; where it doesn't come, the other one does */
function load(exact = false) {
  loading ??= (async () => {
    const definition = await loadDefinition();
    const report = (/** @type {{done: number, all: number}} */ progress) =>
      page.postMessage({ type: 'download', ...progress });
    if (exact && definition.exact) {
      try {
        return { definition, network: await OnnxNetwork.load(definition, report, definition.exact), exact };
      } catch (error) {
        console.info('the larger model did not come', error);
      }
    }
    return { definition, network: await OnnxNetwork.load(definition, report), exact: false };
  })();
  return loading;
}

/**
 * Take the model in float, or the other one, from the next recording on.
 *
 * @param {boolean} exact
 */
async function use(exact) {
  const before = await load();
  const { definition } = before;
  const model = exact ? definition.exact : definition.model;
  if (model && exact !== before.exact) {
    const network = await OnnxNetwork.load(definition, undefined, model);
    loading = Promise.resolve({ definition, network, exact });
    if (!listener && !reader) {
      await before.network.release();
    }
  }
}

/** @type {Promise<{network: OnnxBeats, space: BarStates}> | null} */
let loadingBeats = null;

/** @param {Definition} definition */
function loadBeats(definition) {
  loadingBeats ??= (async () => ({
    network: await OnnxBeats.load(definition),
    space: new BarStates(definition.beats.bars, definition.front_end.frame_rate),
  }))().catch((error) => {
    loadingBeats = null;
    throw error;
  });
  return loadingBeats;
}

/** @type {import('./taught.js').Taught | null} what was learnt and given */
let taught = null;

/**
 * The model as it is to be heard with: with what was taught, held to what is danced here.
 *
 * @param {Danced} wanted
 * @returns {Promise<[Definition, import('./session.js').Network]>}
 */
async function view({ dances, nothingElse }) {
  const { definition, network } = await load();
  const [known, judge] = taught ? withHead(definition, network, taught) : [definition, network];
  return danced(known, judge, dances.length ? dances : known.model.labels, nothingElse);
}

/**
 * Use heads that were taught: what was learnt here, and what was given. Those of another model are left out.
 *
 * @param {(string | null)[]} texts of their files
 */
async function useTaught(texts) {
  const { definition } = await load();
  const { teachable, teaching, other } = definition;
  const parts = texts.map((text) => (text === null ? null : read(teaching, text)));
  const fitting = parts.map((part) => (part && part.sha256 === teachable?.sha256 ? part : null));
  const used = fitting.flatMap((part) => part ?? []);
  if (used.length && teachable?.exact) {
    await use(true); // the small model has no features to judge by
  }
  taught = used.length ? merged(used, other) : null;
  return {
    definition: taught ? withHead(definition, (await load()).network, taught)[0] : definition,
    from: fitting.map((part) => (part ? recordingsOf(part) : 0)),
    misfits: parts.map((part, i) => part !== null && fitting[i] === null),
    exact: (await load()).exact,
  };
}

/**
 * Learn from corrections.
 *
 * @param {{dance: string, id: string, segments: Uint8Array[]}[]} corrections
 * @returns {Promise<{text: string | null, better: boolean}>} text of a file, where something is gained
 */
async function learn(corrections) {
  const { definition } = await load();
  const { teachable, teaching, other } = definition;
  if (!teachable) {
    throw new NotTaught('not_teachable');
  }
  if (teachable.exact) {
    await use(true);
  }
  const { network } = await load();
  const { rehearsal, head: known } = await loadRehearsal(teachable.rehearsal);
  const lessons = [];
  for (const { dance, id, segments } of corrections) {
    const features = [];
    for (const codes of segments) {
      features.push(await network.embed(decoded(teaching, codes)));
    }
    lessons.push({ dance, group: id, features });
  }
  const facts = { other, stride: definition.segments.default_stride / definition.front_end.frame_rate };
  const given = { settings: teaching, rehearsal: { ...rehearsal, head: known }, evidence: definition.evidence, lessons, facts };
  const outcome = await fitted(given);
  if (!outcome.better) {
    return { text: null, better: false };
  }
  const filed = lessons.map(({ dance }) => dance);
  const count = (/** @type {string[]} */ of, /** @type {string} */ label) =>
    filed.filter((one, i) => one === label && of[i] === label).length;
  const labels = [...new Set(filed)].sort();
  const file = {
    ...teachable,
    created_by: `whichdance ${definition.version}, the page`,
    labels: outcome.labels,
    head: outcome.head,
    evidence: Object.fromEntries(teaching.evidence.map((name) => [name, outcome.evidence[/** @type {'weight'} */ (name)]])),
    recordings: Object.fromEntries(labels.map((label) => [label, count(filed, label)])),
    strength: outcome.strength,
    gains: Object.fromEntries(
      labels.map((label) => [label, [count(outcome.before, label), count(outcome.after, label), count(filed, label)]]),
    ),
  };
  return { text: written(teaching, file), better: true };
}

/** @param {string} file */
async function loadRehearsal(file) {
  const text = new TextDecoder().decode(await unpacked(file, () => undefined));
  const { size, labels, classes, rank, ...numbers } = JSON.parse(text);
  const bytes = (/** @type {string} */ base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
  const halves = (/** @type {string} */ base64) => Float64Array.from(new Uint16Array(bytes(base64)), fromHalf);
  const rows = (/** @type {Float64Array} */ all, /** @type {number} */ n, width = size) =>
    Array.from({ length: n }, (_, i) => all.slice(i * width, (i + 1) * width));
  const head = rows(Float64Array.from(new Float32Array(bytes(numbers.head))), labels.length, size + 1);
  return {
    head,
    rehearsal: {
      labels,
      classes,
      means: rows(halves(numbers.means), classes.length),
      directions: rows(halves(numbers.directions), rank),
      spread: halves(numbers.spread),
    },
  };
}

/**
 * @param {object} given
 * @returns {Promise<import('./teach.js').Outcome>}
 */
function fitted(given) {
  const learner = new Worker(new URL('./learner.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    learner.onmessage = ({ data }) => resolve(data);
    learner.onerror = (event) => reject(new Error(event.message));
    learner.postMessage(given);
  }).finally(() => learner.terminate());
}

/** @typedef {{dances: string[], nothingElse: boolean}} Danced dances: none for all */

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

/** @param {Float32Array[]} pieces */
function joined(pieces) {
  const all = new Float32Array(pieces.reduce((sum, one) => sum + one.length, 0));
  let place = 0;
  for (const one of pieces) {
    all.set(one, place);
    place += one.length;
  }
  return all;
}

/** @typedef {{samples: Float32Array, at: number, rate: number}} Chunk mono; the time of day at its end, ms; Hz */

/** Follows what a microphone hears, or several, one after the other. */
class Listener {
  /** @param {Danced} wanted what is danced here */
  constructor(wanted) {
    this._wanted = wanted;
    /** @type {MessagePort | null} */
    this._port = null;
    /** @type {Chunk[]} */
    this._waiting = [];
    this._arrived = () => {};
    this._stopped = false;
    this._rate = 0; // Hz, of the samples heard last
    this._heardAt = 0; // time of day of their end, ms
    this._before = 0; // s of the recording up to the last gap
    this._samples = 0; // since then
    this._toldAt = 0;
    /** @type {{network: OnnxBeats, space: BarStates} | null} */
    this._forBeats = null;
    /** @type {BeatTracker | null} */
    this._beats = null;
    this._counts = false; // whether the count is wanted, and seen
    this._latency = 0; // s after the sound that a beat is to be shown
    /** @type {import('./mel.js').Frames[]} that the beats' network has not heard yet */
    this._unheard = [];
    this._heardBeats = false; // since a beat was told
    this._songs = 0;
    /** @type {{time: number, pieces: Float32Array[]}[]} of the last segments: frames that end with theirs */
    this._memory = [];
    /** @type {number[]} time of day less seconds of the recording, s, of the last chunks */
    this._origins = [];
  }

  /**
   * Follow the beats, or stop that; while nobody sees them it costs nothing.
   *
   * @param {boolean} wanted
   * @param {number} latency s
   */
  count(wanted, latency) {
    [this._counts, this._latency] = [wanted, latency];
    if (!wanted) {
      this._beats = null;
    }
    this._openBeats();
  }

  async _openBeats() {
    if (this._counts && this._definition && !this._forBeats) {
      try {
        this._forBeats = await loadBeats(this._definition);
      } catch (error) {
        console.info('no beats', error); // their network has not come yet
      }
    }
  }

  /**
   * A dancer says that the one was now.
   *
   * @param {number} at time of day, ms
   */
  theOne(at) {
    this._beats?.thisIsTheOne(at / 1000 - this._latency - Math.min(...this._origins));
  }

  /**
   * Keep a segment, should somebody correct what is said of it; where it goes on, what is new in it alone.
   *
   * @param {number} time s, of its start
   * @param {Float32Array} frames
   */
  _remember(time, frames) {
    if (!this._definition?.teachable) {
      return;
    }
    const { teaching, front_end: frontEnd, segments, model } = this._definition;
    const before = this._memory.at(-1);
    const later = before ? Math.round((time - before.time) * frontEnd.frame_rate) : 0;
    const goesOn = before && later === segments.live_stride && later < model.segment_frames;
    const pieces = goesOn ? [...before.pieces, frames.slice(-later * frontEnd.n_mels)] : [frames];
    const most = Math.ceil(model.segment_frames / segments.live_stride);
    this._memory.push({ time, pieces: pieces.slice(-most) });
    this._memory = this._memory.slice(-teaching.remembered);
  }

  /**
   * Segments that lie between two times, s, spread over them, as bytes.
   *
   * @param {number} from
   * @param {number} to
   */
  between(from, to) {
    if (!this._definition || !this._session) {
      return [];
    }
    const { teaching, model, front_end: frontEnd } = this._definition;
    const end = to - this._session.segmentSeconds + 0.1;
    const inside = this._memory.filter(({ time }) => from <= time && time <= end);
    return spreadOver(inside.length, teaching.kept).map((i) => {
      const frames = joined(inside[i].pieces).subarray(-model.segment_frames * frontEnd.n_mels);
      return encoded(teaching, frames);
    });
  }

  /**
   * Take sound from here from now on.
   *
   * @param {MessagePort} port that chunks of samples come from
   * @param {number} rate Hz
   */
  attach(port, rate) {
    this._port?.close();
    this._port = port;
    port.onmessage = ({ data }) => {
      this._waiting.push({ ...data, rate });
      this._arrived();
    };
  }

  async run() {
    const [definition, network] = await view(this._wanted);
    this._definition = definition;
    this._session = new PlayingMusic(definition, network);
    this._session.onSegment = ({ time, frames }) => this._remember(time, frames);
    this._frameRate = definition.front_end.frame_rate;
    this._openBeats();
    this._waiting = []; // what came while the model was being loaded
    while (!this._stopped) {
      const chunk = this._waiting.shift();
      if (!chunk) {
        await new Promise((resolve) => (this._arrived = () => resolve(undefined)));
        continue;
      }
      await this._follow(chunk);
      await this._hear(chunk.samples);
      this._tellBeat(chunk.at);
      const behind = this._waiting.reduce((total, { samples, rate }) => total + samples.length / rate, 0);
      if (behind > MOST_WAITING) {
        this._heardAt = this._waiting[this._waiting.length - 1].at;
        this._waiting = [];
        this._miss(behind);
        page.postMessage({ type: 'skipped', seconds: behind });
      }
      if (this._waiting.length) {
        await breathe(); // else messages are handled while it waits for sound
      }
    }
  }

  stop() {
    this._stopped = true;
    this._port?.close();
    this._arrived();
  }

  /**
   * Notice what is missing before a chunk, and whether another microphone took over.
   *
   * @param {Chunk} chunk
   */
  async _follow({ samples, at, rate }) {
    if (this._rate) {
      const missing = (at - this._heardAt) / 1000 - samples.length / rate;
      if (missing > MISSING_SECONDS || rate !== this._rate) {
        this._miss(Math.max(0, missing));
      }
    }
    if (rate !== this._rate && this._definition) {
      [this._before, this._samples] = [this._seconds, 0];
      this._rate = rate;
      this._stream = new MelStream(await loadFrontEnd(this._definition, rate));
      this._begin();
    }
    this._heardAt = at;
  }

  get _seconds() {
    return this._before + this._samples / (this._rate || 1);
  }

  _begin() {
    if (this._definition) {
      this._guard = new LiveGuard(this._definition.live, this._rate);
      this._meter = new LevelMeter(this._definition.live, this._rate);
    }
  }

  /** @param {number} seconds of sound that did not come here at all */
  _miss(seconds) {
    this._gap(seconds + (this._guard?.held ?? 0));
    this._begin();
  }

  /** @param {number} seconds that are missing */
  _gap(seconds) {
    if (this._session && this._stream && this._frameRate) {
      this._before = this._seconds + seconds;
      this._samples = 0;
      this._stream.reset();
      this._session.gap(Math.round(this._before * this._frameRate));
      this._beats?.gap(this._session.nFrames);
      [this._origins, this._unheard] = [[], []];
    }
  }

  /** @param {Float32Array} chunk */
  async _hear(chunk) {
    if (!this._session || !this._stream || !this._meter || !this._guard) {
      return;
    }
    let prediction = null;
    const pieces = this._guard.take(chunk);
    const level = this._meter.push(this._guard.newest);
    for (const piece of pieces) {
      if (!(piece instanceof Float32Array)) {
        this._gap(piece.seconds);
        continue;
      }
      this._samples += piece.length;
      if (this._counts && this._forBeats && !this._beats && this._definition) {
        this._beats = new BeatTracker(this._definition, this._forBeats.network, this._forBeats.space);
        this._beats.gap(this._session.nFrames);
        this._unheard = [];
      }
      const frames = this._stream.push(piece);
      const heard = await this._session.push(frames);
      prediction = heard.length ? this._session.prediction(this._seconds) : prediction;
      await this._hearBeats(frames);
      if (heard.length && prediction) {
        this._beats?.believe(prediction.scores);
      }
    }
    if (this._session.begun !== this._songs) {
      this._songs = this._session.begun;
      this._beats?.forgetTheOne();
    }
    this._tell(level, prediction, this._guard.muted);
  }

  /**
   * @param {import('./live.js').Level} level
   * @param {import('./session.js').Prediction | null} prediction
   * @param {boolean} nothing whether the microphone gives nothing but zeros
   */
  _tell(level, prediction, nothing) {
    const now = performance.now();
    if (!this._stopped && (prediction || now - this._toldAt >= TELL_MS)) {
      this._toldAt = now;
      page.postMessage({ type: 'heard', level, seconds: this._seconds + (this._guard?.held ?? 0), prediction, nothing });
    }
  }

  /**
   * Some at a time: each call of the network costs, and the beat is foreseen anyway.
   *
   * @param {import('./mel.js').Frames} frames
   */
  async _hearBeats(frames) {
    if (!this._beats) {
      return;
    }
    this._unheard.push(frames);
    const count = this._unheard.reduce((sum, one) => sum + one.count, 0);
    if (count >= BEAT_FRAMES) {
      const data = joined(this._unheard.map((one) => one.data));
      this._unheard = [];
      await this._beats.push({ count, data });
      this._heardBeats = true;
    }
  }

  /** @param {number} at time of day of the newest sound, ms */
  _tellBeat(at) {
    const now = this._seconds + (this._guard?.held ?? 0);
    this._origins.push(at / 1000 - now);
    this._origins = this._origins.slice(-LOOK_BACK);
    if (this._beats && this._heardBeats && !this._stopped) {
      this._heardBeats = false;
      const origin = Math.min(...this._origins);
      const late = Math.max(0, (Date.now() - at) / 1000);
      const beat = this._beats.beat(now + late + AHEAD - this._latency);
      const shown = beat && { ...beat, at: 1000 * (origin + beat.time + this._latency) };
      page.postMessage({ type: 'beat', beat: shown });
    }
  }
}

/** Reads a recording block by block. */
class Reader {
  /**
   * @param {number} id
   * @param {number} sampleRate Hz
   * @param {Danced} wanted what is danced here
   */
  constructor(id, sampleRate, wanted) {
    this.id = id;
    this._wanted = wanted;
    this._rate = sampleRate;
    this._samples = 0;
    /** @type {Promise<void>} */
    this._last = this._open();
  }

  async _open() {
    const [definition, network] = await view(this._wanted);
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
        reader = null;
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

/** @type {Record<string, (given: any) => unknown>} */
const answers = {
  taught: ({ texts }) => useTaught(texts),
  learn: ({ corrections }) => learn(corrections),
  segments: ({ from, to }) => (listener ?? stopped)?.between(from, to) ?? [],
};

page.onmessage = async (/** @type {MessageEvent} */ { data }) => {
  switch (data.type) {
    case 'load':
      try {
        const { definition, exact } = await load(data.exact);
        page.postMessage({ type: 'ready', definition, exact });
      } catch (error) {
        loading = null;
        page.postMessage({ type: 'unusable', detail: String(error) });
      }
      break;
    case 'use':
      try {
        await use(data.exact);
        page.postMessage({ type: 'using', exact: data.exact });
      } catch (error) {
        page.postMessage({ type: 'not used', detail: String(error) });
      }
      break;
    case 'listen':
      listener?.stop();
      listener = new Listener(data.danced);
      listener.attach(data.port, data.sampleRate);
      listener.count(data.count.wanted, data.count.latency);
      listener.run().catch((error) => page.postMessage({ type: 'broken', detail: String(error) }));
      break;
    case 'go on':
      listener?.attach(data.port, data.sampleRate);
      break;
    case 'count':
      listener?.count(data.wanted, data.latency);
      break;
    case 'the one':
      listener?.theOne(data.at);
      break;
    case 'stop':
      listener?.stop();
      stopped = listener ?? stopped; // what was heard last can still be corrected
      listener = null;
      break;
    case 'ask':
      try {
        page.postMessage({ type: 'answer', id: data.id, found: await answers[data.what](data.given) });
      } catch (error) {
        const problem = error instanceof NotTaught ? error.message : 'unexpected';
        page.postMessage({ type: 'answer', id: data.id, problem, detail: String(error) });
      }
      break;
    case 'open':
      reader = new Reader(data.id, data.sampleRate, data.danced);
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
