// What the segments so far amount to: the recursions of runtime/evidence.py, whose module says where the
// formulas come from. Its settings and constants are exported by Python.

/** @typedef {import('./definition.js').EvidenceDefinition} EvidenceDefinition */

/**
 * What one segment with music in it tells.
 *
 * @typedef {object} Observation
 * @property {number} start s
 * @property {number} end s
 * @property {number} seconds of new sound in it
 * @property {ArrayLike<number>} scores of each state; the last: none of these
 */

/**
 * A stretch of music in one state.
 *
 * @typedef {object} Span
 * @property {number} start s
 * @property {number} end s
 * @property {number} state
 * @property {number} confidence
 */

/** How states follow each other; probabilities are phases × nStates, row by row. */
export class Chain {
  /**
   * @param {EvidenceDefinition} settings
   * @param {number} nStates
   */
  constructor(settings, nStates) {
    this.settings = settings;
    this.nStates = nStates;
    this.size = settings.phases * nStates;
  }

  start() {
    return new Float64Array(this.size).fill(1 / this.nStates, 0, this.nStates);
  }

  /**
   * The probabilities after some time without evidence.
   *
   * @param {Float64Array} p
   * @param {number} seconds
   */
  after(p, seconds) {
    return this._mixed(p, seconds, (values) => this._jump(values));
  }

  /**
   * The likelihood of all that follows, seen from some time earlier.
   *
   * @param {Float64Array} likelihood
   * @param {number} seconds
   */
  before(likelihood, seconds) {
    return this._mixed(likelihood, seconds, (values) => this._jumpBack(values));
  }

  /**
   * @param {Float64Array} values
   * @param {number} seconds
   * @param {(values: Float64Array) => Float64Array} jump
   */
  _mixed(values, seconds, jump) {
    const rate = this.settings.phases * this.settings.change_per_second;
    const mean = Math.min(rate * seconds, this.settings.max_jumps);
    let share = Math.exp(-mean);
    const total = values.map((value) => share * value);
    let jumped = values;
    for (let n = 1; ; n++) {
      share *= mean / n;
      if (share < this.settings.negligible && n > mean) {
        break;
      }
      jumped = jump(jumped);
      for (let i = 0; i < total.length; i++) {
        total[i] += share * jumped[i];
      }
    }
    return total;
  }

  /** @param {Float64Array} p */
  _jump(p) {
    const n = this.nStates;
    const after = new Float64Array(this.size);
    after.set(p.subarray(0, this.size - n), n);
    const leaving = p.subarray(this.size - n).map((value) => value / Math.max(1, n - 1));
    const all = sum(leaving);
    for (let state = 0; state < n; state++) {
      after[state] = all - leaving[state];
    }
    return after;
  }

  /** @param {Float64Array} likelihood */
  _jumpBack(likelihood) {
    const n = this.nStates;
    const before = new Float64Array(this.size);
    before.set(likelihood.subarray(n));
    const all = sum(likelihood.subarray(0, n));
    for (let state = 0; state < n; state++) {
      before[this.size - n + state] = (all - likelihood[state]) / Math.max(1, n - 1);
    }
    return before;
  }

  /**
   * Logarithm of how much a segment speaks for each state, 0 for the best one.
   *
   * @param {Observation} observation
   */
  logEvidence(observation) {
    const { least_score: least, none_bias: bias, weight } = this.settings;
    const log = Float64Array.from(observation.scores, (score) => Math.log(Math.max(score, least)));
    log[this.nStates - 1] += bias;
    const best = Math.max(...log);
    return log.map((value) => (value - best) * weight * observation.seconds);
  }

  /**
   * Probabilities of the states at the temperature, from those of states and phases.
   *
   * @param {Float64Array} p
   */
  tempered(p) {
    const posterior = new Float64Array(this.nStates);
    for (let i = 0; i < this.size; i++) {
      posterior[i % this.nStates] += p[i];
    }
    const total = sum(posterior);
    return normalised(posterior.map((value) => (value / total) ** (1 / this.settings.temperature)));
  }

  /**
   * @param {Float64Array} p
   * @param {Float64Array} log of the evidence
   */
  weighed(p, log) {
    return normalised(p.map((value, i) => value * Math.exp(log[i % this.nStates])));
  }
}

/**
 * A whole recording: probabilities at each segment (forward–backward), and the likeliest division (Viterbi).
 *
 * @param {EvidenceDefinition} settings
 * @param {Observation[]} observations at least one, in order
 * @returns {{posterior: Float64Array[], spans: Span[]}}
 */
export function divide(settings, observations) {
  const n = observations[0].scores.length;
  const chain = new Chain(settings, n);
  const logs = observations.map((observation) => chain.logEvidence(observation));
  const gaps = observations.slice(1).map((next, i) => next.end - observations[i].end);

  const forward = [chain.weighed(chain.start(), logs[0])];
  for (let i = 1; i < logs.length; i++) {
    forward.push(chain.weighed(chain.after(forward[i - 1], gaps[i - 1]), logs[i]));
  }
  const posterior = new Array(logs.length);
  let backward = new Float64Array(chain.size).fill(1);
  for (let i = logs.length - 1; i >= 0; i--) {
    posterior[i] = chain.tempered(forward[i].map((value, place) => value * backward[place]));
    if (i) {
      const log = logs[i];
      const likely = backward.map((value, place) => value * Math.exp(log[place % n]));
      backward = normalised(chain.before(likely, gaps[i - 1]));
    }
  }

  const path = bestPath(chain, logs, gaps);
  const spans = [];
  for (let first = 0, i = 1; i <= path.length; i++) {
    if (i < path.length && path[i] === path[first]) {
      continue;
    }
    const start = first ? boundary(observations[first - 1], observations[first])[1] : observations[0].start;
    const end = i < path.length ? boundary(observations[i - 1], observations[i])[0] : observations[i - 1].end;
    const mine = observations.slice(first, i);
    const confidence = average(
      mine.map((_, j) => posterior[first + j][path[first]]),
      mine.map((observation) => observation.seconds),
    );
    spans.push({ start, end, state: path[first], confidence });
    first = i;
  }
  return { posterior, spans };
}

/**
 * The likeliest sequence of states, one per segment.
 *
 * @param {Chain} chain
 * @param {Float64Array[]} logs
 * @param {number[]} gaps
 */
function bestPath(chain, logs, gaps) {
  const { size, nStates } = chain;
  let score = chain.start().map((value, i) => Math.log(value) + logs[0][i % nStates]);
  /** @type {Map<string, Float64Array[]>} */
  const transitions = new Map();
  const pointers = [];
  for (let step = 0; step < gaps.length; step++) {
    const key = gaps[step].toFixed(6);
    let transition = transitions.get(key);
    if (!transition) {
      transition = Array.from({ length: size }, (_, from) => {
        const unit = new Float64Array(size);
        unit[from] = 1;
        return chain.after(unit, gaps[step]).map(Math.log);
      });
      transitions.set(key, transition);
    }
    const pointer = new Uint16Array(size);
    const next = new Float64Array(size).fill(-Infinity);
    for (let from = 0; from < size; from++) {
      for (let to = 0; to < size; to++) {
        const reached = score[from] + transition[from][to];
        if (reached > next[to]) {
          next[to] = reached;
          pointer[to] = from;
        }
      }
    }
    pointers.push(pointer);
    score = next.map((value, i) => value + logs[step + 1][i % nStates]);
  }
  let place = argmax(score);
  const path = [place % nStates];
  for (const pointer of pointers.reverse()) {
    place = pointer[place];
    path.push(place % nStates);
  }
  return path.reverse();
}

/**
 * End of one dance and start of the next, where the state changes between two segments.
 *
 * @param {Observation} before
 * @param {Observation} after
 */
function boundary(before, after) {
  if (after.start >= before.end) {
    return [before.end, after.start];
  }
  const middle = (before.start + before.end + after.start + after.end) / 4;
  return [middle, middle];
}

/** Follows music that plays, from dance to dance; memory and work per update stay constant. */
export class Follower {
  /**
   * @param {EvidenceDefinition} settings
   * @param {number} nStates
   */
  constructor(settings, nStates) {
    this.settings = settings;
    this._chain = new Chain(settings, nStates);
    this._p = this._chain.start();
    /** @type {{observation: Observation, log: Float64Array}[]} */
    this._recent = [];
    this.posterior = this._p.slice(0, nStates);
    /** @type {number | null} the state that is named now */
    this.current = null;
    /** @type {Span[]} what was named so far; the last one goes on while it is current */
    this.spans = [];
    this.begun = 0; // spans, those forgotten included
  }

  /** @param {Observation} observation */
  update(observation) {
    const log = this._chain.logEvidence(observation);
    const last = this._recent.at(-1);
    if (last) {
      this._p = this._chain.after(this._p, observation.end - last.observation.end);
    }
    this._p = this._chain.weighed(this._p, log);
    this.posterior = this._chain.tempered(this._p);
    this._recent.push({ observation, log });
    if (this._recent.length > this.settings.memory_updates) {
      this._recent.shift();
    }
    this._name(observation);
  }

  /** @param {Observation} observation */
  _name(observation) {
    const best = argmax(this.posterior);
    const confidence = this.posterior[best];
    if (best !== this.current && confidence >= this.settings.name_at) {
      this._begin(best, confidence);
    } else if (this.current !== null) {
      const now = this.posterior[this.current];
      if (now >= this.settings.release_at) {
        const last = this._last;
        this._last = { ...last, end: observation.end, confidence: Math.max(last.confidence, now) };
      } else {
        this._end(this._change(null, this.current)[0]);
        this.current = null;
      }
    }
  }

  /**
   * @param {number} state
   * @param {number} confidence
   */
  _begin(state, confidence) {
    const now = this._recent[this._recent.length - 1].observation.end;
    const last = this.spans.at(-1);
    let [ended, started] = this._change(state, this.current);
    if (this.current !== null) {
      this._end(ended);
    } else if (last && last.state === state && started - last.end < this.settings.resume_seconds) {
      this._last = { start: last.start, end: now, state, confidence: Math.max(confidence, last.confidence) };
      this.current = state;
      return;
    }
    if (this.spans.length) {
      started = Math.max(started, this._last.end);
    }
    this.spans.push({ start: started, end: now, state, confidence });
    if (this.spans.length > this.settings.max_parts) {
      this.spans.shift();
    }
    this.begun++;
    this.current = state;
  }

  /** @param {number} end */
  _end(end) {
    const last = this._last;
    this._last = { ...last, end: Math.max(last.start, Math.min(end, last.end)) };
  }

  get _last() {
    return this.spans[this.spans.length - 1];
  }

  set _last(span) {
    this.spans[this.spans.length - 1] = span;
  }

  /**
   * When the old state ended and the new one began: where the evidence turned.
   *
   * @param {number | null} next
   * @param {number | null} old
   * @returns {number[]}
   */
  _change(next, old) {
    const floor = this.spans.length ? this._last.start : -Infinity;
    const recent = this._recent.filter(({ observation }) => observation.end > floor);
    let since = 0;
    let best = -Infinity;
    let first = 0;
    for (let i = recent.length - 1; i >= 0; i--) {
      since += logOf(recent[i].log, next, old) - logOf(recent[i].log, old, next);
      if (since >= best) {
        [best, first] = [since, i];
      }
    }
    if (first === 0) {
      const { start } = recent[0].observation;
      return [start, start];
    }
    return boundary(recent[first - 1].observation, recent[first].observation);
  }
}

/**
 * Log evidence of a state; of null the logarithm of the mean over all states but the other.
 *
 * @param {Float64Array} log
 * @param {number | null} state
 * @param {number | null} other
 */
function logOf(log, state, other) {
  if (state !== null) {
    return log[state];
  }
  const rest = log.filter((_, i) => i !== other).map(Math.exp);
  return Math.log(sum(rest) / rest.length);
}

/** @param {Float64Array} values */
function normalised(values) {
  const total = sum(values);
  return values.map((value) => value / total);
}

/** @param {Float64Array} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Place of the largest value, the first of equals.
 *
 * @param {ArrayLike<number>} values
 */
export function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if (values[i] > values[best]) {
      best = i;
    }
  }
  return best;
}

/**
 * Weighted mean.
 *
 * @param {number[]} values
 * @param {number[]} weights
 */
export function average(values, weights) {
  let [total, weight] = [0, 0];
  values.forEach((value, i) => {
    total += value * weights[i];
    weight += weights[i];
  });
  return total / weight;
}
