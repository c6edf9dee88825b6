// Results as a table (CSV) or as JSON, for a spreadsheet or another program.

/** @typedef {import('../engine/session.js').Prediction} Prediction */
/** @typedef {import('./store.js').Evening} Evening */

/**
 * Lines of cells as CSV (RFC 4180). A cell that a spreadsheet would take for a formula starts with an apostrophe.
 *
 * @param {(string | number | null | undefined)[][]} rows
 */
export function csv(rows) {
  return rows.map((row) => row.map(cell).join(',') + '\r\n').join('');
}

/** @param {string | number | null | undefined} value */
function cell(value) {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number') {
    return String(Number(value.toFixed(4)));
  }
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Prediction | null} prediction
 * @property {string} error '' if none
 */

/**
 * One line per recording.
 *
 * @param {Row[]} rows
 * @param {string[]} labels
 */
export function recordingsAsCsv(rows, labels) {
  const header = ['file', 'dance', 'verdict', 'confidence', 'best', 'tempo_mpm', 'tempo_bpm', 'duration', 'error'];
  return csv([
    [...header, ...labels.map((label) => `score_${label}`)],
    ...rows.map(({ name, prediction: p, error }) => [
      name,
      ...(p
        ? [p.dance, p.verdict, p.confidence, p.best, p.tempo_mpm, p.tempo_bpm, p.duration]
        : new Array(7).fill(null)),
      error,
      ...labels.map((label) => p?.scores[label]),
    ]),
  ]);
}

/** @param {Row[]} rows */
export function recordingsAsJson(rows) {
  const records = rows.map(({ name, prediction, error }) => ({ file: name, ...prediction, error: error || null }));
  return JSON.stringify(records, null, 1) + '\n';
}

/**
 * One line per dance that was played.
 *
 * @param {Evening[]} list
 */
export function eveningsAsCsv(list) {
  return csv([
    ['started', 'start', 'end', 'dance', 'confidence', 'tempo_mpm', 'model'],
    ...list.flatMap(({ started, parts, model }) =>
      parts.map((part) => [started, part.start, part.end, part.dance, part.confidence, part.tempo_mpm, model]),
    ),
  ]);
}

/** @param {Evening[]} list */
export function eveningsAsJson(list) {
  return JSON.stringify(list, null, 1) + '\n';
}
