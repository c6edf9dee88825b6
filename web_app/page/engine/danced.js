// What is danced here: a model and its definition as if it knew these dances alone.

/**
 * @typedef {import('./definition.js').Definition} Definition
 * @typedef {import('./session.js').Network} Network
 */

/**
 * The definition and the network for what is danced here, as `runtime.session.Judging` has them.
 *
 * The scores of the other dances count as none of these; where nothing else is played, they and those of none
 * of these are shared out among the dances in proportion to their own.
 *
 * @param {Definition} definition
 * @param {Network} network
 * @param {readonly string[]} dances keys; those that the model does not know are left out
 * @param {boolean} nothingElse
 * @returns {[Definition, Network]}
 */
export function danced(definition, network, dances, nothingElse) {
  const known = definition.model.labels;
  const labels = known.filter((label) => dances.includes(label));
  if (!labels.length) {
    throw new RangeError(`the model knows none of ${dances.join(', ')}`);
  }
  const temperatures = definition.group_temperatures;
  const group = Object.keys(definition.groups).find((name) => same(definition.groups[name], labels));
  const all = labels.length === known.length || !group || !(group in temperatures);
  const temperature = temperatures[all ? 'all' : group]?.[nothingElse ? 1 : 0] ?? definition.evidence.temperature;
  const evidence = { ...definition.evidence, temperature };
  const { least_shared: least, ruled_out: ruledOut } = definition.session;
  const states = labels.map((label) => known.indexOf(label));
  return [
    {
      ...definition,
      model: { ...definition.model, labels },
      evidence: nothingElse ? { ...evidence, none_bias: ruledOut } : evidence,
    },
    {
      async run(window) {
        const scores = await network.run(window);
        if (labels.length === known.length && !nothingElse) {
          return scores;
        }
        const kept = states.map((state) => scores[state] + (nothingElse ? least : 0));
        const sum = kept.reduce((a, b) => a + b, 0);
        if (nothingElse) {
          return Float32Array.from([...kept.map((score) => score / sum), 0]);
        }
        return Float32Array.from([...kept, Math.max(1 - sum, 0)]);
      },
    },
  ];
}

/**
 * @param {readonly string[]} group
 * @param {readonly string[]} labels both in the model's order
 */
function same(group, labels) {
  return group.length === labels.length && group.every((label, i) => label === labels[i]);
}
