// What the user chose; kept in localStorage where that is allowed.

const KEY = 'whichdance.settings';

/**
 * @typedef {object} Settings
 * @property {string} language code; '' as the device
 * @property {'' | 'light' | 'dark'} look '' as the device
 * @property {'small' | 'normal' | 'large' | 'huge'} size of texts
 * @property {string} danced what is danced here: a group, keys of dances with commas between them, or '' for all
 * @property {boolean} nothingElse whether only those are played
 * @property {boolean} count whether the beats are counted
 * @property {boolean} buzz whether the device buzzes on the one
 * @property {number} latency ms after the sound at which a beat is shown
 * @property {boolean} exact whether the model in float is used, which is larger
 * @property {boolean} awake keep the screen on while listening
 */

/** @type {Settings} */
const DEFAULTS = {
  language: '',
  look: '',
  size: 'normal',
  danced: '',
  nothingElse: false,
  count: true,
  buzz: false,
  latency: 0,
  exact: false,
  awake: true,
};

/** @type {Settings} */
export const settings = { ...DEFAULTS, ...stored() };

/** @returns {Partial<Settings>} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}');
  } catch {
    return {}; // storage is forbidden, or what is stored is damaged: defaults do
  }
}

/** @param {Partial<Settings>} changes */
export function change(changes) {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // The choice holds until the page is closed.
  }
  show();
}

/** Make the page look as chosen. */
export function show() {
  document.documentElement.dataset.look = settings.look;
  document.documentElement.dataset.size = settings.size;
}
