// Where in the bar the music is, at which tempo, in which metre: the bar pointer model (runtime/bar_pointer.py),
// its forward filter. A state is a position in a bar of a certain length and number of beats.

/** @typedef {import('./definition.js').BarsDefinition} BarsDefinition */
/** @typedef {import('./definition.js').Dance} Dance */

const LEAST_CHANGE = 1e-12; // a change of tempo that is less likely is not counted

/**
 * @typedef {object} Metre
 * @property {number} beats of a bar
 * @property {number} bar number of the first bar of this metre
 * @property {number} n bars of it
 * @property {Int32Array} last states of the beats, n × beats
 * @property {{from: number, values: Float64Array}[]} changes of each bar: from which bars on one comes to it, and how
 *   likely
 */

/** All positions in all bars that are looked for. */
export class BarStates {
  /**
   * @param {BarsDefinition} settings
   * @param {number} frameRate
   */
  constructor(settings, frameRate) {
    this.settings = settings;
    this.rate = frameRate * settings.upsampling;
    /** First state of each bar. */
    this.starts = new Int32Array(0);
    /** @type {number[]} */
    const lengths = [];
    /** @type {number[]} */
    const beats = [];
    for (const metre of settings.metres) {
      for (const length of this._lengths(...settings.mpm[String(metre)])) {
        lengths.push(length);
        beats.push(metre);
      }
    }
    this.lengths = Int32Array.from(lengths);
    this.beats = Int32Array.from(beats);
    this.nBars = lengths.length;
    this.mpm = Float64Array.from(lengths, (length) => (60 * this.rate) / length);
    const nStates = lengths.reduce((sum, length) => sum + length, 0);
    this.nStates = nStates;
    this.bar = new Int32Array(nStates);
    this.kind = new Uint8Array(nStates); // 0 no beat, 1 a beat, 2 the one
    this.untilBeat = new Int32Array(nStates);
    this.nextBeat = new Uint8Array(nStates);
    /** @type {Metre[]} */
    this.metres = [];
    let state = 0;
    let bar = 0;
    for (const metre of settings.metres) {
      const mine = lengths.filter((_, i) => beats[i] === metre);
      const last = new Int32Array(mine.length * metre);
      mine.forEach((length, i) => {
        const starts = Array.from({ length: metre }, (_, beat) => halfEven((beat * length) / metre));
        starts.forEach((_, beat) => {
          last[i * metre + beat] = state + (starts[beat + 1] ?? length) - 1;
        });
        this._describe(state, length, metre, starts, bar + i);
        state += length;
      });
      this.metres.push({ beats: metre, bar, n: mine.length, last, changes: this._changes(mine) });
      bar += mine.length;
    }
    this.starts = Int32Array.from(lengths, (_, i) => lengths.slice(0, i).reduce((sum, one) => sum + one, 0));
    this.runs = this._runs();
    /** @type {Map<string, Float64Array>} */
    this._known = new Map(); // bars of dances
  }

  /** Neighbouring states of one bar and kind, bar by bar: first, behind the last, kind of each run. */
  _runs() {
    /** @type {number[][]} */
    const runs = Array.from({ length: this.nBars }, () => []);
    for (let from = 0, state = 1; state <= this.nStates; state++) {
      if (state === this.nStates || this.bar[state] !== this.bar[from] || this.kind[state] !== this.kind[from]) {
        runs[this.bar[from]].push(from, state, this.kind[from]);
        from = state;
      }
    }
    return runs.map((of) => Int32Array.from(of));
  }

  /**
   * @param {number} slowest
   * @param {number} quickest bars a minute
   */
  _lengths(slowest, quickest) {
    const lengths = [Math.floor((60 * this.rate) / quickest)];
    for (let last = lengths[0]; last < (60 * this.rate) / slowest; lengths.push(last)) {
      last = Math.max(last + 1, halfEven(last * this.settings.step));
    }
    return lengths;
  }

  /**
   * @param {number} from first state
   * @param {number} length
   * @param {number} beats
   * @param {number[]} starts of the beats
   * @param {number} bar
   */
  _describe(from, length, beats, starts, bar) {
    const window = Math.min(this.settings.beat_seconds * this.rate, length / beats / 4);
    for (let position = 0, beat = 0; position < length; position++) {
      while (beat + 1 < beats && starts[beat + 1] <= position) {
        beat++;
      }
      const until = (starts[beat + 1] ?? length) - position;
      const next = (beat + 1) % beats;
      let kind = 0;
      if (position - starts[beat] <= window) {
        kind = beat ? 1 : 2;
      } else if (until <= window) {
        kind = next ? 1 : 2;
      }
      const state = from + position;
      [this.bar[state], this.kind[state], this.untilBeat[state], this.nextBeat[state]] = [bar, kind, until, next];
    }
  }

  /** @param {number[]} lengths */
  _changes(lengths) {
    const rigid = this.settings.tempo_rigidity;
    const weight = (/** @type {number} */ i, /** @type {number} */ j) => Math.exp(-rigid * Math.abs(lengths[j] / lengths[i] - 1));
    const sums = lengths.map((_, i) => lengths.reduce((sum, __, j) => sum + weight(i, j), 0));
    return lengths.map((_, j) => {
      const all = lengths.map((__, i) => weight(i, j) / sums[i]);
      const from = all.findIndex((value) => value >= LEAST_CHANGE);
      const to = all.findLastIndex((value) => value >= LEAST_CHANGE) + 1;
      return { from, values: Float64Array.from(all.slice(from, to)) };
    });
  }

  /**
   * How likely each bar is in a dance, sum one; evenly all of them where nothing is known of it.
   *
   * @param {Dance | undefined} dance
   */
  ofDance(dance) {
    const { metres, tempo_octaves: octaves, unusual, strange } = this.settings;
    const even = Float64Array.from(this.beats, (beats) => {
      const metre = /** @type {Metre} */ (this.metres.find((one) => one.beats === beats));
      return 1 / metre.n / metres.length;
    });
    if (!dance?.beats_per_bar || !metres.includes(dance.beats_per_bar) || !dance.mpm_low || !dance.mpm_high) {
      return even;
    }
    const { beats_per_bar: beats, mpm_low: low, mpm_high: high } = dance;
    const usual = Math.sqrt((dance.mpm_min || low) * (dance.mpm_max || high));
    const likely = this.mpm.map((mpm, i) =>
      this.beats[i] === beats ? Math.exp(-0.5 * (Math.log2(mpm / usual) / octaves) ** 2) : 0,
    );
    const within = this.mpm.map((mpm, i) => (this.beats[i] === beats && mpm >= low && mpm <= high ? 1 : 0));
    const all = likely.reduce((a, b) => a + b, 0);
    const count = Math.max(1, within.reduce((a, b) => a + b, 0));
    return even.map(
      (share, i) => (1 - strange) * ((1 - unusual) * (likely[i] / all) + (unusual * within[i]) / count) + strange * share,
    );
  }

  /**
   * How likely each bar is, from how likely each dance is.
   *
   * @param {Record<string, number>} evidence by key
   * @param {Record<string, Dance>} dances
   */
  weights(evidence, dances) {
    const mixed = new Float64Array(this.nBars);
    let total = 0;
    for (const [key, probability] of Object.entries(evidence)) {
      const share = probability > 0 ? probability ** this.settings.sharpness : 0;
      if (share > 0) {
        const bars = this._known.get(key) ?? this.ofDance(dances[key]);
        this._known.set(key, bars);
        total += share;
        bars.forEach((one, i) => (mixed[i] += share * one));
      }
    }
    return total > 0 ? mixed.map((one) => one / total) : this.ofDance(undefined);
  }
}

/**
 * The next beat as the filter sees it.
 *
 * @typedef {object} Forecast
 * @property {number} delay s from the newest frame until it
 * @property {number} position in the bar, 1 the one
 * @property {number} beatsPerBar
 * @property {number} period s from beat to beat
 * @property {number} beat probability that a beat is there
 * @property {number} count probability that it is the beat of that number
 */

/** A belief over all states, brought up to date with every frame; work and memory are constant. */
export class BarFilter {
  /**
   * @param {BarStates} space
   * @param {Record<string, Dance>} dances
   */
  constructor(space, dances) {
    this.space = space;
    this._dances = dances;
    this._belief = new Float32Array(space.nStates);
    this._ends = new Float64Array(Math.max(...space.metres.map(({ beats, n }) => beats * n)));
    this._scale = 1; // what the belief is to be multiplied with, so that it sums to one
    /** @type {Float64Array} of the bars */
    this._weights = new Float64Array(space.nBars);
    /** @type {number[]} bars that can be */
    this._possible = [];
    /** @type {[number, number][]} first bar of each metre that can be, and the one behind the last, in it */
    this._bounds = [];
    this.reset();
  }

  /** Nothing is known but that it may be any dance. */
  reset() {
    this._weigh(this.space.weights({}, this._dances));
    this.restart();
  }

  /** Sound is missing: what was believed of the dance stays, where the bar is does not. */
  restart() {
    this._belief.fill(0);
    for (const bar of this._possible) {
      const [from, length] = [this.space.starts[bar], this.space.lengths[bar]];
      this._belief.fill(this._weights[bar] / length, from, from + length);
    }
    this._scale = 1;
    /** @type {[number, number] | null} */
    this._previous = null;
    this._told = false;
    // activation at beats, how many beats, all activation, how many steps: of the last seconds
    this._clear = [0, 0, 0, 0];
  }

  /** @param {Float64Array} weights of the bars */
  _weigh(weights) {
    this._weights = weights;
    this._possible = Array.from(weights.keys()).filter((bar) => weights[bar] > 0);
    this._bounds = this.space.metres.map(({ bar, n }) => {
      const mine = weights.subarray(bar, bar + n);
      return [Math.max(0, mine.findIndex((one) => one > 0)), mine.findLastIndex((one) => one > 0) + 1];
    });
  }

  /**
   * Somebody says that a bar begins so many frames behind the newest one (negative: before it): from then on
   * downbeats that are heard count as any beats, and the bar is not looked for anew at every state.
   *
   * @param {number} frames
   */
  tellTheOne(frames) {
    this._normalise();
    const { space, _belief: belief } = this;
    const { upsampling } = space.settings;
    const moved = belief.slice().fill(0); // what was thought of tempo and beats stays: they have other numbers
    for (let state = 0; state < space.nStates; state++) {
      const bar = space.bar[state];
      const [from, length] = [space.starts[bar], space.lengths[bar]];
      const beat = length / space.beats[bar];
      const place = space.nextBeat[state] - space.untilBeat[state] / beat + (frames * upsampling) / beat;
      const number = ((halfEven(place) % space.beats[bar]) + space.beats[bar]) % space.beats[bar];
      const position = (state - from - halfEven(number * beat)) % length;
      moved[from + (position < 0 ? position + length : position)] += belief[state];
    }
    belief.set(moved);
    this._told = true;
    this._normalise();
  }

  /** Other music begins: what is heard of downbeats counts again. */
  forgetTheOne() {
    this._told = false;
  }

  /**
   * Take what is known now of which dance it is, in place of what was known before.
   *
   * @param {Record<string, number>} evidence
   */
  believe(evidence) {
    this._normalise();
    const { space } = this;
    const { negligible, unlikely } = space.settings;
    let fresh = space.weights(evidence, this._dances);
    const most = fresh.reduce((a, b) => Math.max(a, b), 0);
    fresh = fresh.map((one) => (one < negligible * most ? 0 : one));
    const all = fresh.reduce((a, b) => a + b, 0);
    fresh = fresh.map((one) => one / all);
    const before = this._weights;
    this._weigh(fresh);
    let sum = 0;
    for (let bar = 0; bar < space.nBars; bar++) {
      if (before[bar] === 0) {
        continue; // nothing was believed of it
      }
      const ratio = fresh[bar] / before[bar];
      for (let state = space.starts[bar], end = state + space.lengths[bar]; state < end; state++) {
        sum += this._belief[state] *= ratio;
      }
    }
    for (const bar of this._possible) {
      const more = (unlikely * Math.max(sum, 1e-12) * fresh[bar]) / space.lengths[bar];
      for (let state = space.starts[bar], end = state + space.lengths[bar]; state < end; state++) {
        this._belief[state] += more;
      }
    }
    this._normalise();
  }

  /**
   * Take the next frames' activations.
   *
   * @param {Float32Array} activations n × 2: of a beat and of a downbeat
   */
  push(activations) {
    const { upsampling } = this.space.settings;
    for (let i = 0; i < activations.length; i += 2) {
      const [beat, downbeat] = [activations[i], activations[i + 1]];
      const [beatBefore, downbeatBefore] = this._previous ?? [beat, downbeat];
      for (let step = 1; step <= upsampling; step++) {
        const share = step / upsampling;
        this._step(beatBefore * (1 - share) + beat * share, downbeatBefore * (1 - share) + downbeat * share);
      }
      this._previous = [beat, downbeat];
    }
  }

  /** How far the activation of the last seconds lies at beats: 1 all of it, 0 no more than by chance. */
  get clarity() {
    const [atBeats, beats, strength, steps] = /** @type {number[]} */ (this._clear);
    if (steps < this.space.rate) {
      return 0; // a second
    }
    const chance = beats / steps;
    return (atBeats / strength - chance) / (1 - chance + 1e-9);
  }

  /**
   * @param {number} heardBeat
   * @param {number} heardDownbeat
   */
  _step(heardBeat, heardDownbeat) {
    const { lowest, no_beat: noBeat, clear_kept: kept, faint, temper } = this.space.settings;
    const beat = Math.min(1 - lowest, Math.max(lowest, heardBeat));
    const downbeat = Math.min(1 - lowest, Math.max(lowest, heardDownbeat));
    this._move();
    const seen = [
      (1 - Math.max(beat, downbeat)) / noBeat,
      this._told ? beat : Math.max(beat - downbeat, lowest),
      this._told ? beat : downbeat,
    ].map((likelihood) => likelihood ** temper);
    const beats = this._hear(seen);
    const strength = heardBeat + faint;
    const now = [beats * strength, beats, strength, 1];
    this._clear = /** @type {number[]} */ (this._clear).map((before, i) => kept * before + now[i]);
  }

  /**
   * The ends of beats become what comes to the next ones, from all tempi; `_hear` takes each state a step on.
   */
  _move() {
    const { _belief: belief, _ends: ends, space, _weights: weights } = this;
    for (let metre = 0; metre < space.metres.length; metre++) {
      const { beats, bar, n, last, changes } = space.metres[metre];
      const [low, high] = this._bounds[metre]; // other bars have no belief
      for (let beat = 0; beat < beats; beat++) {
        for (let i = low; i < high; i++) {
          ends[beat * n + i] = belief[last[i * beats + beat]];
        }
      }
      for (let j = low; j < high; j++) {
        if (weights[bar + j] === 0) {
          continue;
        }
        const { from, values } = changes[j];
        const start = Math.max(from, low);
        const stop = Math.min(from + values.length, high);
        for (let beat = 0; beat < beats; beat += 2) {
          const next = Math.min(beat + 1, beats - 1); // two sums at a time: each waits for its last addition
          let sum = 0;
          let other = 0;
          for (let i = start, one = beat * n + i, two = next * n + i; i < stop; i++, one++, two++) {
            const share = values[i - from];
            sum += share * ends[one];
            other += share * ends[two];
          }
          belief[last[j * beats + beat]] = sum;
          belief[last[j * beats + next]] = other;
        }
      }
    }
  }

  /**
   * Take each state to the next one, and what was heard into account; returns the probability of a beat.
   *
   * @param {number[]} seen likelihood of each kind of state
   */
  _hear(seen) {
    const { _belief: belief, space, _weights: weights } = this;
    const leak = this._told ? 0 : space.settings.leak; // what begins anew has any number
    const stays = (1 - leak) * this._scale;
    let sum = 0;
    let beats = 0;
    for (const bar of this._possible) {
      const runs = space.runs[bar];
      const begins = (leak * weights[bar]) / space.lengths[bar];
      let coming = belief[space.starts[bar] + space.lengths[bar] - 1];
      for (let run = 0; run < runs.length; run += 3) {
        const factor = seen[runs[run + 2]];
        let mine = 0;
        for (let state = runs[run], end = runs[run + 1]; state < end; state++) {
          const here = belief[state];
          mine += belief[state] = (coming * stays + begins) * factor;
          coming = here;
        }
        sum += mine;
        beats += runs[run + 2] ? mine : 0;
      }
    }
    this._scale = 1 / sum; // in the next step: each state is touched once
    return beats / sum;
  }

  _normalise() {
    const { _belief: belief, space } = this;
    let sum = 0;
    for (const bar of this._possible) {
      for (let state = space.starts[bar], end = state + space.lengths[bar]; state < end; state++) {
        sum += belief[state];
      }
    }
    for (const bar of this._possible) {
      for (let state = space.starts[bar], end = state + space.lengths[bar]; state < end; state++) {
        belief[state] /= sum;
      }
    }
    this._scale = 1;
  }

  /**
   * The first beat of the likeliest state that is at least so many seconds behind the newest frame.
   *
   * @param {number} [lag] s
   * @returns {Forecast}
   */
  forecast(lag = 0) {
    this._normalise();
    const { space, _belief: belief } = this;
    // Of the likeliest state, not the likeliest beat: where two places of the beat are nearly as likely, half of
    // what is believed of the one is past just before it comes, and the other would be shown in its place.
    const alike = space.settings.alike * belief.reduce((most, value) => Math.max(most, value), 0);
    const likeliest = belief.findIndex((value) => value >= alike);
    const bar = space.bar[likeliest];
    const beats = space.beats[bar];
    const every = space.lengths[bar] / beats;
    const until = space.untilBeat[likeliest];
    const width = halfEven(space.settings.near_seconds * space.rate);
    const steps = Math.ceil(lag * space.rate - 1e-9);
    let later = Math.max(0, Math.ceil((steps - width - until) / every));
    const at = (/** @type {number} */ beat) => until + halfEven(beat * every);
    const numbered = (/** @type {number} */ beat) => (space.nextBeat[likeliest] + beat) % beats;
    let found = this._around(at(later), numbered(later), beats, width);
    if (found.delay < lag * space.rate - 1e-9) {
      later++; // that one is past, and beats are further apart than the width
      found = this._around(at(later), numbered(later), beats, width);
    }
    return {
      delay: found.delay / space.rate,
      position: numbered(later) + 1,
      beatsPerBar: beats,
      period: found.period / space.rate,
      beat: found.there,
      count: found.mine,
    };
  }

  /**
   * What is believed of the beats around a moment: of any, and of those of a number; when these come on the average.
   *
   * @param {number} at states from now
   * @param {number} position from 0
   * @param {number} beats of a bar
   * @param {number} width states on both sides
   */
  _around(at, position, beats, width) {
    const { space, _belief: belief } = this;
    const least = space.settings.least_state;
    let [there, mine, delays, lengths] = [0, 0, 0, 0];
    for (const one of this._possible) {
      const bars = space.beats[one];
      const length = space.lengths[one] / bars;
      for (let state = space.starts[one], end = state + space.lengths[one]; state < end; state++) {
        if (belief[state] < least) {
          continue;
        }
        const nearest = halfEven((at - space.untilBeat[state]) / length); // its beat that lies nearest
        const beat = space.untilBeat[state] + nearest * length;
        if (Math.abs(beat - at) > width) {
          continue;
        }
        there += belief[state];
        if (bars === beats && (((space.nextBeat[state] + nearest) % beats) + beats) % beats === position) {
          mine += belief[state];
          delays += belief[state] * beat;
          lengths += belief[state] * length;
        }
      }
    }
    return { there, mine, delay: delays / mine, period: lengths / mine };
  }
}

/**
 * Rounded as Python and numpy do: halves to the even neighbour.
 *
 * @param {number} value
 */
function halfEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
