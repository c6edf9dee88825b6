// Replays the sequences of tests/shared with the page's engine: `node replay.mjs ENGINE < input`, where ENGINE is
// the folder of its modules and the input {definition, settings, kinds: {name: how many sequences}, jive}. Prints
// what each came to, as tests/shared/vectors.py says; that file says what the sequences are made of.

import { readFileSync } from 'node:fs';

const module = (name) => import(`${process.argv[2]}/${name}.js`);
const { Certainty, choose, clock, percent } = await module('answer');
const { divide, Follower } = await module('evidence');
const { Pairs } = await module('pairs');
const { LevelMeter, LiveGuard } = await module('live');
const { TempoHistory } = await module('tempo');
const { BarFilter, BarStates } = await module('bars');
const { definition, settings: all, kinds, jive } = JSON.parse(readFileSync(0, 'utf8'));
const { frame_rate: rate } = definition.front_end;

/** mulberry32 */
function generator(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  next.below = (n) => Math.floor(next() * n);
  return next;
}

const rounded = (values, digits) => Array.from(values, (value) => Number(value.toFixed(digits)));
const spanOf = ({ start, end, state, confidence }) => [...rounded([start, end], 3), state, ...rounded([confidence], 3)];
const pairOf = ({ start, end, best, second, confidence }) => [
  ...rounded([start, end], 3),
  best,
  second,
  ...rounded([confidence], 3),
];
const GRADES = { 'could be': 'c', probably: 'p', 'quite sure': 'q' };
const graded = (grade) => (grade ? GRADES[grade] : '-');
const VERDICTS = { dance: 'D', two: 'T', none: 'N', 'not sure': '-' };
const LABELS = 'abcdefghijklmnopqrstuvwxyz';

function scoresOf(random, nStates, state, strength) {
  const raw = Array.from({ length: nStates }, () => random() ** 3);
  raw[state] += strength;
  const total = raw.reduce((sum, value) => sum + value, 0);
  return raw.map((value) => value / total);
}

function observations(random, nStates, nUpdates, lasts) {
  const length = 224 / rate;
  let [state, strength] = [random.below(nStates), 1.5];
  let [start, heardUntil] = [0, 0];
  return Array.from({ length: nUpdates }, () => {
    if (random() < 1 / lasts) {
      state = random() < 0.5 ? random.below(nStates) : state;
      strength = 1.5 * random();
    }
    if (random() < 0.03) {
      start += 40 * random();
    }
    const scores = scoresOf(random, nStates, state, strength * random());
    const seconds = Math.max(0, Math.min(length, start + length - heardUntil));
    heardUntil = start + length;
    const observation = { start, end: start + length, seconds, scores };
    start += 43 / rate;
    return observation;
  });
}

function evidence(seed) {
  const random = generator(seed);
  const nStates = 2 + random.below(11);
  const [fast, slow, hasty] = all.slice(3);
  const [values, nUpdates, lasts] =
    seed < 2
      ? [fast, 2600, 1]
      : seed < 4
        ? [slow, 600, 300]
        : seed < 10
          ? [hasty, 800, 1.5]
          : [all[random.below(3)], seed % 10 ? 30 : 300, 20];
  const settings = { ...definition.evidence, ...values };
  const heard = observations(random, nStates, nUpdates, lasts);
  const follower = new Follower(settings, nStates);
  const certainty = new Certainty(definition.answer);
  const pairs = new Pairs(3, definition.evidence.max_parts);
  const left = [];
  let choice = null;
  let sums = [0, 0, 0];
  heard.forEach((observation, i) => {
    follower.update(observation);
    if (follower.current !== null) {
      left.push(...pairs.cut(follower.spans.at(-1).start));
    }
    choice = choose(settings, follower.posterior, follower.current, choice);
    pairs.update(choice, observation.end);
    const span = follower.spans.at(-1);
    const grade = certainty.update(choice, span ? span.end - span.start : 0);
    const second = choice.second === null ? 0 : 1 + choice.second;
    const codes = [
      follower.current === null ? 0 : 1 + follower.current,
      'DTN-'.indexOf(VERDICTS[choice.verdict]) + 4 * choice.best + 64 * second,
      'cpq-'.indexOf(graded(grade)),
    ];
    sums = sums.map((total, j) => (total + (i + 1) * codes[j]) % 1_000_003);
  });
  const found = {
    seed,
    named: sums[0],
    shown: sums[1],
    graded: sums[2],
    begun: follower.begun,
    kept: follower.spans.length,
    spans: follower.spans.slice(-4).map(spanOf),
    pairs: [left.length, ...[...left, ...pairs.lasting()].slice(-4).map(pairOf)],
    posterior: rounded(follower.posterior, 5),
  };
  if (seed % 5 === 0) {
    found.divided = divide(settings, heard.slice(0, 40)).spans.map(spanOf);
  }
  return found;
}

function numbers(seed) {
  const random = generator(seed);
  const chance = random();
  return [percent(seed % 10 === 0 ? chance ** 3 : chance), clock(10 ** (5 * random()))];
}

function naming(seed) {
  const random = generator(seed);
  const nStates = 2 + random.below(8);
  const settings = { ...definition.evidence, ...all[random.below(3)] };
  let state = random.below(nStates);
  let posterior = scoresOf(random, nStates, state, 2 * random());
  const certainty = new Certainty(definition.answer);
  let choice = null;
  let text = '';
  for (let t = 0; t < 20; t++) {
    if (t) {
      state = random() < 0.3 ? random.below(nStates) : state;
      const fresh = scoresOf(random, nStates, state, 2 * random());
      posterior = posterior.map((value, i) => (4 * value + fresh[i]) / 5);
    }
    const named = random() < 0.4 ? null : posterior.indexOf(Math.max(...posterior));
    choice = choose(settings, posterior, named, choice);
    const grade = certainty.update(choice, 20 * random());
    const second = choice.second === null ? '-' : LABELS[choice.second];
    text += VERDICTS[choice.verdict] + LABELS[choice.best] + second + graded(grade);
  }
  return text;
}

function grading(seed) {
  const random = generator(seed);
  const certainty = new Certainty(definition.answer);
  let [chance, which, seconds] = [random(), 0, 0];
  let text = '';
  for (let t = 0; t < 40; t++) {
    chance = Math.min(1, Math.max(0, chance + (random() - 0.5) / 4));
    const luck = random();
    if (luck < 0.05) {
      [which, seconds] = [1 - which, 0];
    }
    const verdict = luck >= 0.05 && luck < 0.1 ? 'not sure' : 'dance';
    text += graded(certainty.update({ verdict, best: which, second: null, confidence: chance }, seconds));
    seconds += 1;
  }
  return text;
}

function live(seed) {
  const random = generator(seed);
  const sampleRate = seed % 2 ? 100 : 10;
  const [guard, meter] = [new LiveGuard(definition.live, sampleRate), new LevelMeter(definition.live, sampleRate)];
  const pieces = [];
  let [advice, decibels] = ['', 0];
  for (let t = 0; t < 24; t++) {
    const n = 1 + random.below(sampleRate * (seed % 3 ? 1.6 : 4.5));
    const kind = random();
    const block = new Float32Array(n);
    if (kind >= 0.4) {
      const loud = Math.fround(Math.min(1, 1.1 * random() ** 3));
      block.forEach((_, i) => (block[i] = loud * (1 - 2 * (i % 2))));
    }
    const half = Math.floor(n / 2);
    if (kind >= 0.5 && kind < 0.6) {
      block.fill(0, half);
    } else if (kind >= 0.6 && kind < 0.7) {
      block.fill(0, 0, half);
    } else if (kind >= 0.7 && kind < 0.8) {
      block.fill(0, 1, Math.max(1, n - 1));
    } else if (kind >= 0.9) {
      block[0] = kind < 0.93 ? NaN : kind < 0.96 ? Infinity : 1e13;
    }
    for (const piece of guard.take(block)) {
      pieces.push(piece instanceof Float32Array ? `s${piece.length}` : `g${Math.round(piece.seconds * sampleRate)}`);
    }
    const level = meter.push(guard.newest);
    advice += level.advice[0];
    decibels += level.db;
  }
  return [[...pieces, `z${Math.round(guard.held * sampleRate)}`].join(' '), advice, decibels.toFixed(2)];
}

function tempo(seed) {
  const random = generator(seed);
  const settings = seed % 10 === 0 ? definition.tempo : { ...definition.tempo, bucket_frames: 40, max_buckets: 6 };
  const nMels = definition.front_end.n_mels;
  const history = new TempoHistory(settings, nMels, rate);
  let frame = 0;
  for (let t = 0; t < 12; t++) {
    const luck = random();
    if (luck < 0.15) {
      frame += 1 + random.below(100);
      history.gap(frame);
    } else if (luck < 0.25) {
      history.forget((0.6 * frame) / rate);
    }
    const count = 1 + random.below(seed % 10 === 1 ? 30 : 150);
    const levels = Array.from({ length: count }, () => 10 ** (7 * random()));
    const data = Float32Array.from({ length: count * nMels }, (_, i) => levels[Math.floor(i / nMels)] * (1 + ((i % nMels) % 5)));
    history.push({ count, data });
    frame += count;
  }
  const total = (values) => values.reduce((sum, value) => sum + value, 0);
  const buckets = history._buckets;
  const sums = [['counts', 0], ['products', 1], ['onsets', 1]].map(([name, digits]) =>
    Number(total(buckets.map(({ sums: one }) => total(one[name]))).toFixed(digits)),
  );
  const found = history.estimate(jive, -Infinity, Infinity);
  const bounds = buckets.map(({ start, end }) => `${start}-${end}`).join(' ');
  return [bounds, ...sums, found && Number(found.bpm.toFixed(1))];
}

const DANCED = ['slow_waltz', 'cha_cha_cha', 'samba', 'quickstep'];
let space = null;

function beats(seed) {
  const random = generator(seed);
  const [period, metre] = [14 + random.below(60), 2 + random.below(3)];
  space ??= new BarStates(definition.beats.bars, rate);
  const bars = new BarFilter(space, definition.dances);
  let frame = 0;
  return [0, 1, 2].map(() => {
    const luck = random();
    if (luck < 0.1) {
      bars.restart();
    } else if (luck < 0.5) {
      const key = DANCED[random.below(DANCED.length)];
      const share = 0.5 + random() / 2;
      bars.believe({ [key]: share, other: 1 - share });
    } else if (luck < 0.6) {
      bars.tellTheOne(-20 * random());
    }
    const heard = [];
    for (let left = 1 + random.below(60); left > 0; left--, frame++) {
      for (const every of [period, period * metre]) {
        heard.push(frame % every === 0 ? (1 + random()) / 2 : random() ** 8);
      }
    }
    bars.push(Float32Array.from(heard));
    const { delay, position, beatsPerBar, period: lasts, beat, count } = bars.forecast(0.4 * random());
    const shown = [beat, count, bars.clarity];
    shown.push(...(beat >= definition.beats.beat_at ? [delay] : []));
    shown.push(...(count >= definition.beats.count_at ? [position, beatsPerBar, lasts] : []));
    return rounded(shown, 3);
  });
}

const makers = { beats, evidence, numbers, naming, grading, live, tempo };
const results = Object.entries(kinds).map(([name, count]) => [
  name,
  Array.from({ length: count }, (_, seed) => makers[name](seed)),
]);
console.log(JSON.stringify(Object.fromEntries(results)));
