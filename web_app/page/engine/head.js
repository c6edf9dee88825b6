// A last layer of one's own: multinomial logistic regression with a Gaussian prior around the shipped one
// (runtime/head.py, whose docstrings say where the formulas come from). A matrix is a list of its rows.

/** @typedef {Float64Array[]} Matrix */

const MEMORY = 12; // pairs of steps and changes of the gradient
const MAX_ITERATIONS = 200;
const TOLERANCE = 1e-6; // of the gradient, relative to the number of recordings
const SUFFICIENT = 1e-4; // of the decrease that the slope promises (Armijo)
const LEAST_VARIANCE = 1e-6; // of the mean one, that a feature is taken to have

/**
 * What a head is fitted to.
 *
 * @typedef {object} Examples
 * @property {Matrix} features in the units of `Whitening`, with a one behind each
 * @property {Matrix} targets probabilities of the labels
 * @property {number[]} weights how much each counts
 */

/**
 * The last layer of a model, and the statistics of the features before it.
 *
 * @typedef {object} Rehearsal
 * @property {string[]} labels of the layer's rows
 * @property {Matrix} head weights and, last, bias
 * @property {string[]} classes that there are statistics of
 * @property {Matrix} means of each class
 * @property {Matrix} directions whose outer products sum to the covariance within classes, but for
 * @property {Float64Array} spread the standard deviation that is each feature's own
 */

/** Features in units of their spread within classes, and heads that take them there and back. */
export class Whitening {
  /** @param {Rehearsal} rehearsal */
  constructor({ directions, spread, means }) {
    const n = spread.length;
    this._factor = cholesky(shrunk(directions, spread));
    this._centre = new Float64Array(n);
    for (const row of means) {
      row.forEach((value, i) => (this._centre[i] += value / means.length));
    }
  }

  /**
   * In these units, and a one behind each.
   *
   * @param {ArrayLike<number>[]} features
   * @returns {Matrix}
   */
  features(features) {
    const n = this._centre.length;
    return features.map((row) => {
      const white = new Float64Array(n + 1);
      for (let i = 0; i < n; i++) {
        const factor = this._factor[i];
        let sum = row[i] - this._centre[i];
        for (let k = 0; k < i; k++) {
          sum -= factor[k] * white[k];
        }
        white[i] = sum / factor[i];
      }
      white[n] = 1;
      return white;
    });
  }

  /**
   * A head for features in these units.
   *
   * @param {Matrix} head
   * @returns {Matrix}
   */
  head(head) {
    const n = this._centre.length;
    return head.map((row) => {
      const white = new Float64Array(n + 1);
      white[n] = row[n];
      for (let i = 0; i < n; i++) {
        white[n] += row[i] * this._centre[i];
        for (let k = 0; k <= i; k++) {
          white[k] += row[i] * this._factor[i][k];
        }
      }
      return white;
    });
  }

  /**
   * The inverse of `head`.
   *
   * @param {Matrix} head
   * @returns {Matrix}
   */
  plain(head) {
    const n = this._centre.length;
    return head.map((row) => {
      const plain = Float64Array.from(row);
      for (let i = n - 1; i >= 0; i--) {
        plain[i] /= this._factor[i][i];
        for (let k = 0; k < i; k++) {
          plain[k] -= this._factor[i][k] * plain[i];
        }
      }
      for (let i = 0; i < n; i++) {
        plain[n] -= plain[i] * this._centre[i];
      }
      return plain;
    });
  }
}

/**
 * The covariance, shrunk towards its diagonal by half; its lower triangle.
 *
 * @param {Matrix} directions
 * @param {Float64Array} spread
 * @returns {Matrix}
 */
function shrunk(directions, spread) {
  const n = spread.length;
  const covariance = Array.from({ length: n }, (_, i) => new Float64Array(i + 1));
  for (const row of directions) {
    for (let i = 0; i < n; i++) {
      const mine = covariance[i];
      for (let k = 0; k <= i; k++) {
        mine[k] += row[i] * row[k];
      }
    }
  }
  let trace = 0;
  covariance.forEach((row, i) => (trace += row[i] += spread[i] ** 2));
  const least = Math.max((LEAST_VARIANCE * trace) / n, 1e-12);
  covariance.forEach((row, i) => (row[i] += Math.max(row[i], least)));
  return covariance;
}

/**
 * The factor L of L Lᵀ, in place of its lower triangle.
 *
 * @param {Matrix} a
 */
function cholesky(a) {
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) {
        sum -= a[i][k] * a[j][k];
      }
      a[i][j] = i === j ? Math.sqrt(sum) : sum / a[j][j];
    }
  }
  return a;
}

/**
 * The head at which the penalised likelihood is highest.
 *
 * @param {Examples} examples
 * @param {Matrix} prior around which the head is thought to lie
 * @param {number[]} strengths inverse variance of that, of each row
 * @param {Matrix} [start]
 * @returns {Matrix}
 */
export function fit({ features, targets, weights }, prior, strengths, start = prior) {
  const [nLabels, size] = [prior.length, prior[0].length];
  const flat = (/** @type {Matrix} */ rows) => {
    const all = new Float64Array(nLabels * size);
    rows.forEach((row, i) => all.set(row, i * size));
    return all;
  };
  const held = flat(prior);
  const likely = new Float64Array(nLabels);
  /** @type {(head: Float64Array) => [number, Float64Array]} */
  const loss = (head) => {
    const slope = new Float64Array(head.length);
    let value = 0;
    for (let i = 0; i < head.length; i++) {
      const apart = head[i] - held[i];
      const strength = strengths[Math.floor(i / size)];
      value += (strength / 2) * apart * apart;
      slope[i] = strength * apart;
    }
    for (let n = 0; n < features.length; n++) {
      const x = features[n];
      for (let label = 0; label < nLabels; label++) {
        let sum = 0;
        for (let i = 0, place = label * size; i < size; i++, place++) {
          sum += head[place] * x[i];
        }
        likely[label] = sum;
      }
      const logs = logSoftmax(likely);
      for (let label = 0; label < nLabels; label++) {
        value -= weights[n] * targets[n][label] * logs[label];
        const more = weights[n] * (Math.exp(logs[label]) - targets[n][label]);
        for (let i = 0, place = label * size; i < size; i++, place++) {
          slope[place] += more * x[i];
        }
      }
    }
    return [value, slope];
  };
  const count = weights.reduce((sum, weight) => sum + weight, 0);
  const found = minimise(loss, flat(start), TOLERANCE * Math.max(1, count));
  return prior.map((_, label) => found.slice(label * size, (label + 1) * size));
}

/**
 * @param {ArrayLike<number>} logits
 * @returns {Float64Array}
 */
export function logSoftmax(logits) {
  const most = Math.max(...Array.from(logits));
  const apart = Float64Array.from(logits, (value) => value - most);
  const total = Math.log(apart.reduce((sum, value) => sum + Math.exp(value), 0));
  return apart.map((value) => value - total);
}

/**
 * The minimum of a smooth convex function, by L-BFGS with backtracking.
 *
 * @param {(point: Float64Array) => [number, Float64Array]} loss the value, and the gradient
 * @param {Float64Array} start
 * @param {number} tolerance length of the gradient below which a point is the minimum
 */
function minimise(loss, start, tolerance) {
  let point = start;
  let [value, gradient] = loss(start);
  /** @type {{moved: Float64Array, change: Float64Array, curvature: number}[]} */
  const pairs = [];
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const length = Math.sqrt(dot(gradient, gradient));
    if (length <= tolerance) {
      break;
    }
    const step = inverseHessianTimes(gradient, pairs).map((one) => -one);
    const promised = dot(gradient, step);
    let share = pairs.length ? 1 : Math.min(1, 1 / length);
    let found = null;
    for (let attempt = 0; attempt < 40 && !found; attempt++, share /= 2) {
      const trial = point.map((one, i) => one + share * step[i]);
      const [there, slope] = loss(trial);
      if (there <= value + SUFFICIENT * share * promised) {
        found = { trial, there, slope };
      }
    }
    if (!found) {
      break; // no descent is left that these digits can show
    }
    const { trial, there, slope } = found;
    const moved = trial.map((one, i) => one - point[i]);
    const change = slope.map((one, i) => one - gradient[i]);
    const curvature = dot(moved, change);
    if (curvature > 1e-12 * dot(change, change)) {
      pairs.push({ moved, change, curvature });
      if (pairs.length > MEMORY) {
        pairs.shift();
      }
    }
    [point, value, gradient] = [trial, there, slope];
  }
  return point;
}

/**
 * @param {Float64Array} gradient
 * @param {{moved: Float64Array, change: Float64Array, curvature: number}[]} pairs
 */
function inverseHessianTimes(gradient, pairs) {
  const q = gradient.slice();
  const shares = new Float64Array(pairs.length);
  for (let p = pairs.length - 1; p >= 0; p--) {
    const { moved, change, curvature } = pairs[p];
    shares[p] = dot(moved, q) / curvature;
    add(q, change, -shares[p]);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = last.curvature / dot(last.change, last.change);
    q.forEach((value, i) => (q[i] = scale * value));
  }
  pairs.forEach(({ moved, change, curvature }, p) => add(q, moved, shares[p] - dot(change, q) / curvature));
  return q;
}

/**
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

/**
 * @param {Float64Array} to
 * @param {Float64Array} what
 * @param {number} times
 */
function add(to, what, times) {
  for (let i = 0; i < to.length; i++) {
    to[i] += times * what[i];
  }
}
