// Fits the heads of tests/shared/head.json with the page's engine: `node teach.mjs ENGINE < input`, where the input is
// {definition, cases, bytes, merging}. Prints what each came to, as tests/shared/teaching.py says.

import { readFileSync } from 'node:fs';

const module = (name) => import(`${process.argv[2]}/${name}.js`);
const { drawn, Fitter, taughtBy, times } = await module('teach');
const { logSoftmax } = await module('head');
const { foldsOf, worse } = await module('keeping');
const { decoded, encoded, merged } = await module('taught');
const { definition, cases, bytes, merging, losses } = JSON.parse(readFileSync(0, 'utf8'));
const { teaching: settings, other } = definition;
const stride = definition.segments.default_stride / definition.front_end.frame_rate;

const rows = (matrix) => matrix.map((row) => Float64Array.from(row));
const scores = (head, tried) => tried.map((row) => Array.from(logSoftmax(times(head, row)), Math.exp));

const found = cases.map(({ given, steps }) => {
  const { head, means, directions, spread } = given.rehearsal;
  const rehearsal = {
    ...given.rehearsal,
    head: rows(head),
    means: rows(means),
    directions: rows(directions),
    spread: Float64Array.from(spread),
  };
  const { lessons, tried } = given;
  const fitter = new Fitter(settings, rehearsal, lessons, other);
  const byStrength = Object.keys(steps.scores).map((strength) => {
    const one = fitter.whitening.plain(fitter.fit(fitter.examples(lessons), Number(strength)));
    return [strength, scores(one, tried)];
  });
  const evidence = { ...definition.evidence, ...given.evidence };
  const outcome = taughtBy(settings, rehearsal, evidence, lessons, { other, stride });
  return {
    steps: {
      draws: Array.from(drawn(rehearsal, 0, 1)[0]),
      folds: foldsOf(lessons, settings.folds),
      prior: fitter.whitening.plain(fitter.prior).map((row) => Array.from(row)),
      scores: Object.fromEntries(byStrength),
    },
    outcome: {
      ...outcome,
      head: undefined,
      evidence: Object.fromEntries(settings.evidence.map((name) => [name, outcome.evidence[name]])),
      scores: scores(outcome.head, tried),
    },
  };
});
const power = Float32Array.from(bytes.power.flat(3));
const codes = encoded(settings, power);
const parts = merging.parts.map((part) => ({ ...part, recordings: { a: part.recordings }, head: rows(part.head) }));
const both = merged(parts, other);
console.log(
  JSON.stringify({
    cases: found,
    bytes: { codes: Array.from(codes), decoded: Array.from(decoded(settings, Uint8Array.from(bytes.codes.flat(3)))) },
    worse: losses.map(({ truth, before, after }) => worse(settings, truth, before, after)),
    merging: { labels: both.labels, recordings: both.recordings.a, head: both.head.map((row) => Array.from(row)) },
  }),
);
