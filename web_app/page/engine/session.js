// One recording on its way: frames in, a prediction out (runtime/session.py). `WholeRecording` is judged at
// its end, `PlayingMusic` at every segment.

import { Certainty, choose, grade } from './answer.js';
import { GrowingContext } from './context.js';
import { argmax, average, divide, Follower } from './evidence.js';
import { isSilent, LoudestSoFar, quietLevel } from './loudness.js';
import { Pairs } from './pairs.js';
import { padded, SegmentStream } from './segments.js';
import { TempoHistory } from './tempo.js';

/** @typedef {import('./definition.js').Definition} Definition */
/** @typedef {import('./evidence.js').Observation} Observation */
/** @typedef {import('./evidence.js').Span} Span */
/** @typedef {import('./mel.js').Frames} Frames */

/**
 * @typedef {object} Network
 * @property {(segment: Float32Array) => Promise<Float32Array>} run
 *   scores of a segment, or of a longer window (frames × n_mels of mel power): the dances', and none of these last
 */

/**
 * @typedef {object} Part
 * @property {number} start s
 * @property {number} end s
 * @property {string | null} dance key; null unless the verdict is 'dance'
 * @property {'dance' | 'two' | 'none' | 'not sure'} verdict
 * @property {number} confidence 0 to 1
 * @property {number | null} tempo_bpm
 * @property {number | null} tempo_mpm
 * @property {string | null} best the likeliest dance
 * @property {string[]} also of 'two' the other dance
 */

/**
 * What a recording was taken for; names and meanings are those of runtime.Prediction.
 *
 * @typedef {object} Prediction
 * @property {string | null} dance
 * @property {'dance' | 'two' | 'none' | 'not sure' | 'silence'} verdict
 * @property {number} confidence
 * @property {string} best
 * @property {string[]} also
 * @property {Record<string, number>} scores
 * @property {Part[]} parts
 * @property {import('./answer.js').Grade | null} certainty
 * @property {number | null} since
 * @property {boolean} live whether the music goes on
 * @property {number} duration
 * @property {boolean} padded
 * @property {number | null} tempo_bpm
 * @property {number | null} tempo_mpm
 * @property {string | null} metre
 * @property {{start: number, end: number, scores: number[]}[]} segments
 */

/**
 * @typedef {object} Heard
 * @property {number} time start of the segment, s
 * @property {Float32Array} scores
 * @property {number} quiet dB
 * @property {number} loudest dB
 */

/** What both kinds of recordings share: segments, loudness and rhythm of the frames so far. */
class Session {
  /**
   * @param {Definition} definition
   * @param {Network} network
   * @param {number} stride
   * @param {number} decay dB per frame that the loudest frame is forgotten by
   */
  constructor(definition, network, stride, decay) {
    this.definition = definition;
    this._network = network;
    const { n_mels: nMels, frame_rate: frameRate } = definition.front_end;
    this._nMels = nMels;
    this._frameRate = frameRate;
    this.labels = definition.model.labels;
    this.segments = new SegmentStream(definition.model.segment_frames, stride, nMels, frameRate);
    this.context = new GrowingContext(definition.model.context_frames, definition.context.doubt, nMels);
    this.tempo = new TempoHistory(definition.tempo, nMels, frameRate);
    this.loudest = new LoudestSoFar(decay);
    this.segmentSeconds = definition.model.segment_frames / frameRate;
    this.nFrames = 0;
    this._heardUntil = 0; // end of the newest segment, s
    /** @type {(segment: import('./segments.js').Segment) => void} told each segment */
    this.onSegment = () => undefined;
  }

  /** Whether the music goes on. */
  get live() {
    return false;
  }

  /**
   * Classify the segments that these frames complete.
   *
   * @param {Frames} frames
   * @returns {Promise<Heard[]>}
   */
  async push(frames) {
    const first = this.nFrames;
    this.nFrames += frames.count;
    this.tempo.push(frames);
    const loudest = this.loudest.push(frames.data, this._nMels);
    const heard = [];
    const score = (/** @type {Float32Array} */ window) => this._network.run(window);
    this.context.push(frames);
    for (const segment of this.segments.push(frames)) {
      this.onSegment(segment);
      const behind = segment.firstFrame + this.segments.segmentFrames;
      const scores = await this.context.scores(behind, await score(segment.frames), score);
      const end = Math.min(behind - first, frames.count);
      heard.push({
        time: segment.time,
        scores,
        quiet: quietLevel(segment.frames, this._nMels, this.segments.stride),
        loudest: loudest[end - 1],
      });
    }
    return heard;
  }

  /**
   * A segment as evidence.
   *
   * @param {Heard} heard
   * @param {number} seconds its length
   * @returns {Observation}
   */
  _observed({ time, scores }, seconds) {
    const fresh = Math.min(seconds, time + seconds - this._heardUntil);
    this._heardUntil = time + seconds;
    return { start: time, end: time + seconds, seconds: Math.max(0, fresh), scores };
  }

  /**
   * Put together what is answered (runtime/session.py, `_prediction`).
   *
   * @param {object} found
   * @param {ArrayLike<number>} found.scores
   * @param {number} found.duration
   * @param {import('./answer.js').Choice | null} [found.choice] of music that plays
   * @param {number | null} [found.named] the state that is named, if any
   * @param {number | null} [found.confidence] of the answer; its score where null
   * @param {Part[]} [found.parts]
   * @param {Part[]} [found.tempoFrom]
   * @param {import('./answer.js').Grade | null} [found.certainty]
   * @param {number | null} [found.since]
   * @param {Heard[]} found.heard
   * @param {boolean} [found.padded]
   * @param {boolean} [found.silent]
   * @param {boolean} [found.one] false of a medley, of which no dances are said together
   * @returns {Prediction}
   */
  _prediction({ scores, duration, choice = null, named = null, confidence = null, parts = [], tempoFrom = parts,
    certainty = null, since = null, heard, padded: repeated = false, silent = false, one = true }) {
    const chosen = choice ?? choose(this.definition.evidence, scores, named);
    const { best } = chosen;
    const verdict = silent ? 'silence' : one || chosen.verdict === 'dance' ? chosen.verdict : 'not sure';
    const also = verdict === 'two' && chosen.second !== null ? [chosen.second] : [];
    const shown = verdict === 'not sure' ? scores[best] : chosen.confidence;
    const key = this.labels[best];
    const answer = verdict === 'dance' ? this.definition.dances[key] : null;
    const mine = tempoFrom.filter((part) => part.dance === key);
    const longest = mine.reduce(
      (most, part) => (!most || part.end - part.start > most.end - most.start ? part : most),
      /** @type {Part | null} */ (null),
    );
    return {
      dance: answer ? key : null,
      verdict,
      confidence: silent ? 0 : (confidence ?? shown),
      best: key,
      also: also.map((state) => this.labels[state]),
      scores: Object.fromEntries([...this.labels, this.definition.other].map((label, i) => [label, scores[i]])),
      parts,
      certainty,
      since,
      live: this.live,
      duration,
      padded: repeated,
      tempo_bpm: answer && longest ? longest.tempo_bpm : null,
      tempo_mpm: answer && longest ? longest.tempo_mpm : null,
      metre: answer ? answer.metre : null,
      segments: heard.map(({ time, scores: row }) => ({
        start: time,
        end: time + this.segmentSeconds,
        scores: Array.from(row),
      })),
    };
  }

  /**
   * @param {Span} span
   * @param {import('./tempo.js').Tempo | null} tempo
   * @param {import('./answer.js').Choice | null} [shown] of a stretch that is not sure enough: what else it may be
   * @returns {Part}
   */
  _part(span, tempo, shown = null) {
    const sure = span.confidence >= this.definition.evidence.name_at;
    const named = sure && span.state < this.labels.length;
    const { start, end, confidence } = span;
    const part = { start, end, dance: null, confidence, tempo_bpm: null, tempo_mpm: null, best: null, also: [] };
    if (named) {
      const dance = this.labels[span.state];
      const { bpm = null, mpm = null } = tempo ?? {};
      return { ...part, dance, verdict: 'dance', tempo_bpm: bpm, tempo_mpm: mpm, best: dance };
    }
    const best = this.labels[shown ? shown.best : span.state] ?? null;
    if (sure || !shown || shown.second === null) {
      return { ...part, verdict: sure ? 'none' : 'not sure', best };
    }
    return { ...part, verdict: 'two', confidence: shown.confidence, best, also: [this.labels[shown.second]] };
  }

  /**
   * @param {number} state
   * @param {number} start
   * @param {number} end
   */
  _tempo(state, start, end) {
    const dance = state < this.labels.length ? this.definition.dances[this.labels[state]] : null;
    return dance ? this.tempo.estimate(dance, start, end) : null;
  }

  /**
   * @param {number} duration
   * @param {Heard[]} heard
   * @param {boolean} repeated
   */
  _silence(duration, heard, repeated = false) {
    const scores = new Float64Array(this.labels.length + 1);
    scores[this.labels.length] = 1;
    return this._prediction({ scores, duration, heard, padded: repeated, silent: true });
  }
}

/** The recording is shorter than what tells a rhythm. */
export class TooShort extends Error {}

/** A recording that is known to its end. */
export class WholeRecording extends Session {
  /**
   * @param {Definition} definition
   * @param {Network} network
   * @param {number} [stride] frames from one segment to the next
   */
  constructor(definition, network, stride = definition.segments.default_stride) {
    super(definition, network, stride, 0);
    /** @type {Heard[]} */
    this._heard = [];
  }

  /** @param {Frames} frames */
  async push(frames) {
    const heard = await super.push(frames);
    this._heard.push(...heard);
    return heard;
  }

  /**
   * The answer; a recording shorter than one segment is classified from one padded segment.
   *
   * @param {number} duration s
   * @returns {Promise<Prediction>}
   */
  async prediction(duration) {
    let seconds = this.segmentSeconds;
    const short = !this._heard.length;
    if (short) {
      if (duration < this.definition.segments.min_seconds) {
        throw new TooShort();
      }
      seconds = Math.min(seconds, duration);
      const frames = padded(this.segments.pending, this.segments.segmentFrames * this._nMels);
      const quiet = quietLevel(frames, this._nMels, this.segments.segmentFrames);
      this._heard.push({ time: 0, scores: await this._network.run(frames), quiet, loudest: 0 });
    }
    const { loudness, evidence } = this.definition;
    const music = this._heard.filter(({ quiet }) => !isSilent(loudness, quiet, this.loudest.level));
    if (!music.length) {
      return this._silence(duration, this._heard, short);
    }
    const observations = music.map((heard) => this._observed(heard, seconds));
    const { posterior, spans } = divide(evidence, observations);
    if (music.at(-1) === this._heard.at(-1)) {
      spans[spans.length - 1].end = duration; // the music goes on to the end
    }
    const weights = observations.map((observation) => observation.seconds);
    const centres = observations.map(({ start, end }) => (start + end) / 2);
    const parts = spans.map((span) => {
      const within = centres.map((centre, i) => (span.start <= centre && centre <= span.end ? weights[i] : 0));
      const mean = posterior[0].map((_, state) => average(posterior.map((row) => row[state]), within));
      return this._part(span, this._tempo(span.state, span.start, span.end), choose(evidence, mean, null));
    });
    const nStates = this.labels.length + 1;
    const scores = Array.from({ length: nStates }, (_, state) =>
      average(
        posterior.map((row) => row[state]),
        weights,
      ),
    );
    const lengths = new Float64Array(nStates);
    spans.forEach((span) => (lengths[span.state] += span.end - span.start));
    const main = argmax(lengths);
    const mine = spans.filter((span) => span.state === main);
    const confidence = average(
      mine.map((span) => span.confidence),
      mine.map((span) => span.end - span.start),
    );
    const all = lengths.reduce((total, length) => total + length, 0);
    const one = lengths[main] > this.definition.session.prevails * all;
    const prevails = one && confidence >= evidence.name_at;
    const choice = choose(evidence, scores, prevails ? main : null);
    const certainty = {
      dance: grade(this.definition.answer, confidence, lengths[main]),
      two: one ? /** @type {const} */ ('could be') : null,
      none: null,
      'not sure': null,
    }[choice.verdict];
    return this._prediction({
      scores,
      duration,
      named: prevails ? main : null,
      confidence: prevails ? confidence : null,
      parts,
      certainty,
      heard: this._heard,
      padded: short,
      one,
    });
  }
}

/** Music that goes on, followed from dance to dance; memory and work per update stay constant. */
export class PlayingMusic extends Session {
  /**
   * @param {Definition} definition
   * @param {Network} network
   * @param {number} [stride] frames from one segment to the next
   */
  constructor(definition, network, stride = definition.segments.live_stride) {
    super(definition, network, stride, definition.loudness.decay);
    this._follower = new Follower(definition.evidence, this.labels.length + 1);
    /** @type {Part[]} */
    this._parts = [];
    this._begun = 0; // parts, those forgotten included
    this._pairs = new Pairs(definition.answer.least_two_seconds, definition.evidence.max_parts);
    /** @type {Heard[]} */
    this._newest = [];
    /** @type {import('./answer.js').Choice | null} */
    this._choice = null;
    this._certainty = new Certainty(definition.answer);
    /** @type {import('./answer.js').Grade | null} */
    this._grade = null;
  }

  get live() {
    return true;
  }

  /** Pieces of music so far, those forgotten included. */
  get begun() {
    return this._begun;
  }

  /**
   * Sound is missing: the next frame pushed is number `frame` of the recording.
   *
   * @param {number} frame
   */
  gap(frame) {
    this.segments.reset(frame);
    this.context.reset(frame);
    this.tempo.gap(frame);
    this.nFrames = frame;
  }

  /** @param {Frames} frames */
  async push(frames) {
    const heard = await super.push(frames);
    if (heard.length) {
      this._newest = heard;
    }
    for (const one of heard) {
      if (!isSilent(this.definition.loudness, one.quiet, one.loudest)) {
        this._follower.update(this._observed(one, this.segmentSeconds));
        this._noteParts();
        const { current, posterior, spans } = this._follower;
        this._choice = choose(this.definition.evidence, posterior, current, this._choice);
        const span = spans.at(-1);
        this._grade = this._certainty.update(this._choice, span ? span.end - span.start : 0);
        this._pairs.update(this._choice, one.time + this.segmentSeconds);
      }
    }
    return heard;
  }

  /** Bring the set list up to date: the last part, and the one before where a new one began. */
  _noteParts() {
    const { spans, begun, current } = this._follower;
    const pairs = current === null ? [] : this._pairs.cut(spans[spans.length - 1].start);
    if (begun > this._begun) {
      const before = this._parts.at(-1);
      if (before) {
        before.end = spans[spans.length - 2].end;
      }
      this._parts.push(...pairs.map((pair) => this._ofTwo(pair)), this._part(spans[spans.length - 1], null));
      this._parts = this._parts.slice(-this.definition.evidence.max_parts);
      this._begun = begun;
    }
    const span = spans.at(-1);
    if (!span) {
      return;
    }
    let tempo = null;
    if (current !== null) {
      const recent = Math.max(span.start, span.end - this.definition.session.tempo_seconds);
      tempo = this._tempo(span.state, recent, span.end);
      this.tempo.forget(recent);
    }
    const last = this._parts[this._parts.length - 1];
    const part = this._part(span, tempo);
    if (!tempo) {
      [part.tempo_bpm, part.tempo_mpm] = [last.tempo_bpm, last.tempo_mpm];
    }
    this._parts[this._parts.length - 1] = part;
  }

  /**
   * @param {import('./pairs.js').Pair} pair
   * @returns {Part}
   */
  _ofTwo({ start, end, best, second, confidence }) {
    const [key, also] = [this.labels[best], [this.labels[second]]];
    return { start, end, dance: null, verdict: 'two', confidence, tempo_bpm: null, tempo_mpm: null, best: key, also };
  }

  /**
   * The answer now; its segments are those of the newest update.
   *
   * @param {number} duration s of the recording so far
   */
  prediction(duration) {
    if (!this._choice) {
      return this._silence(duration, this._newest);
    }
    const { current, posterior, spans } = this._follower;
    const last = this._parts[this._parts.length - 1];
    return this._prediction({
      scores: posterior,
      duration,
      choice: this._choice,
      parts: [...this._parts, ...this._pairs.lasting().map((pair) => this._ofTwo(pair))]
        .slice(-this.definition.evidence.max_parts)
        .map((part) => ({ ...part })),
      heard: this._newest,
      tempoFrom: current === null ? this._parts : [last],
      certainty: this._grade,
      since: current === null ? null : spans[spans.length - 1].start,
    });
  }
}
