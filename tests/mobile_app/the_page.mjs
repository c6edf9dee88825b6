// What the page says where command and app are asked the same: `node the_page.mjs PAGE < input`, where PAGE is the
// folder of its modules and the input {definition, words, asked: [[what, ...values], …]}. Prints the answers.

import { readFileSync } from 'node:fs';

const { definition, words, asked } = JSON.parse(readFileSync(0, 'utf8'));
globalThis.document = { documentElement: { dataset: {} }, querySelectorAll: () => [] };
globalThis.fetch = async () => ({ json: async () => words });
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] } });

const module = (name) => import(`${process.argv[2]}/${name}.js`);
const { answerOf } = await module('engine/answer');
const { LevelMeter, LiveGuard } = await module('engine/live');
const { besides, certaintyInWords, inWords, names } = await module('ui/answer');
const { eveningsAsCsv, recordingsAsCsv, recordingsAsJson } = await module('ui/export');
const { clock, percent, speak } = await module('ui/words');
await speak('en');

const answers = {
  answer: (prediction) => inWords(answerOf(prediction)),
  certainty: (prediction) => certaintyInWords(answerOf(prediction)),
  stands: (prediction) => [names, besides, certaintyInWords].map((what) => String(what(answerOf(prediction)))),
  clock,
  percent,
  evenings: (list) => eveningsAsCsv(definition.columns, list),
  recordings: (rows) => recordingsAsCsv(definition, rows),
  json: (rows) => JSON.parse(recordingsAsJson(rows)),
  /** What of blocks is heard: numbers of samples, and negative ones of missing ones; and what the meter advises. */
  heard: (rate, blocks) => {
    const guard = new LiveGuard(definition.live, rate);
    const meter = new LevelMeter(definition.live, rate);
    const pieces = [];
    let advice = '';
    for (const block of blocks) {
      for (const piece of guard.take(Float32Array.from(block, (value) => value ?? NaN))) {
        pieces.push(piece instanceof Float32Array ? piece.length : -Math.round(piece.seconds * rate));
      }
      ({ advice } = meter.push(guard.newest));
    }
    return { pieces, advice, muted: guard.muted };
  },
};
process.stdout.write(JSON.stringify(asked.map(([what, ...values]) => answers[what](...values))));
