// The page's words, in the language of its user.

import * as answer from '../engine/answer.js';

export const LANGUAGES = { en: 'English', de: 'Deutsch', cs: 'Čeština', es: 'Español' };

/** @typedef {keyof typeof LANGUAGES} Language */

/** @type {Record<string, string>} until the language's own are here: what is said where they don't come */
let words = {
  load_failed: 'The page could not be loaded completely. Connect to the network and try again.',
  retry: 'Try again',
};
/** @type {string} language and, where the device names it, the region: for numbers and times */
let locale = 'en';

/**
 * The nearest language there is.
 *
 * @param {readonly string[]} wanted as in navigator.languages
 * @returns {Language}
 */
export function nearest(wanted) {
  const codes = wanted.map((language) => language.split('-')[0].toLowerCase());
  return /** @type {Language} */ (codes.find((code) => code in LANGUAGES) ?? 'en');
}

/** @param {Language} language */
export async function speak(language) {
  const response = await fetch(new URL(`../words/${language}.json`, import.meta.url));
  words = await response.json();
  document.documentElement.dataset.spoken = 'yes';
  locale = navigator.languages.find((one) => one.split('-')[0] === language) ?? language;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-word]')) {
    element.textContent = tr(/** @type {HTMLElement} */ (element).dataset.word ?? '');
  }
  for (const element of document.querySelectorAll('[data-word-label]')) {
    element.setAttribute('aria-label', tr(/** @type {HTMLElement} */ (element).dataset.wordLabel ?? ''));
  }
}

/**
 * A text in the language spoken.
 *
 * @param {string} key
 * @param {Record<string, string | number>} values for its {fields}
 */
export function tr(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (field, name) => String(values[name] ?? field));
}

/** @param {string} key of a dance */
export function danceName(key) {
  return words[`dance.${key}`] ?? key;
}

/** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat>} made once each: making one costs more than all it writes */
const formats = new Map();

/**
 * @template {Intl.NumberFormat | Intl.DateTimeFormat} Format
 * @param {new (locale: string, options: object) => Format} Kind
 * @param {object} options
 * @returns {Format}
 */
function format(Kind, options) {
  const key = [Kind.name, locale, JSON.stringify(options)].join();
  const made = formats.get(key) ?? new Kind(locale, options);
  formats.set(key, made);
  return /** @type {Format} */ (made);
}

/** @param {number} fraction */
export function percent(fraction) {
  const whole = answer.percent(fraction);
  const [digits = ''] = whole.match(/\d+/) ?? [];
  const written = format(Intl.NumberFormat, { style: 'percent' }).format(Number(digits) / 100);
  return whole.replace(digits, written);
}

/**
 * @param {number} value
 * @param {number} digits
 */
export function decimal(value, digits = 0) {
  return format(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/**
 * @param {Date} date
 * @param {Intl.DateTimeFormatOptions} options
 */
export function dateTime(date, options) {
  return format(Intl.DateTimeFormat, options).format(date);
}

export const { clock } = answer;
