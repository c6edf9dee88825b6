// Results as a table (CSV) or as JSON, for a spreadsheet or another program.

/** @typedef {import('../engine/session.js').Prediction} Prediction */
/** @typedef {import('./store.js').Evening} Evening */

/** @typedef {import('../engine/definition.js').ColumnsDefinition} Columns */
/** @typedef {import('../engine/definition.js').Definition} Definition */
/** @typedef {string | number | boolean | string[] | null | undefined} Value */

/**
 * Lines of cells as CSV (RFC 4180). A cell that a spreadsheet would take for a formula starts with an apostrophe.
 *
 * @param {Columns} columns
 * @param {Value[][]} rows
 */
function csv(columns, rows) {
  return rows.map((row) => row.map((value) => cell(columns, value)).join(',') + '\r\n').join('');
}

/**
 * @param {Columns} columns
 * @param {Value} value
 */
function cell(columns, value) {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number') {
    return String(Number(value.toFixed(4)));
  }
  const text = Array.isArray(value) ? value.join(' ') : String(value);
  const safe = columns.formula.some((start) => text.startsWith(start)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Prediction | null} prediction
 * @property {string} error '' if none
 */

/**
 * One line per recording; the columns are those of the command.
 *
 * @param {Definition} definition
 * @param {Row[]} rows
 */
export function recordingsAsCsv({ columns, model, other }, rows) {
  const labels = [...model.labels, other];
  return csv(columns, [
    ['path', ...columns.recording, ...labels.map((label) => `${columns.score}${label}`), 'error'],
    ...rows.map(({ name, prediction, error }) => {
      const values = /** @type {Record<string, Value>} */ (/** @type {unknown} */ (prediction ?? {}));
      return [
        name,
        ...columns.recording.map((column) => values[column]),
        ...labels.map((label) => prediction?.scores[label]),
        error,
      ];
    }),
  ]);
}

/** @param {Row[]} rows */
export function recordingsAsJson(rows) {
  const records = rows.map(({ name, prediction, error }) => ({ path: name, ...prediction, error: error || null }));
  return JSON.stringify(records, null, 1) + '\n';
}

/**
 * One line per dance that was played; the columns are those of the app.
 *
 * @param {Columns} columns
 * @param {Evening[]} list
 */
export function eveningsAsCsv(columns, list) {
  return csv(columns, [
    columns.evening,
    ...list.flatMap(({ started, parts, model }) =>
      parts.map((part) => {
        const at = new Date(Date.parse(started) + 1000 * part.start).toISOString();
        /** @type {Record<string, Value>} */
        const values = { evening: started, source: 'microphone', at, model, ...part };
        return columns.evening.map((column) => values[column]);
      }),
    ),
  ]);
}

/** @param {Evening[]} list */
export function eveningsAsJson(list) {
  return JSON.stringify(list, null, 1) + '\n';
}
