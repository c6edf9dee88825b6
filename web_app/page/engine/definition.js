// What Python exports at build time (web_app/definition.py), and how it is loaded.

import { FrontEnd } from './mel.js';
import { unlzma } from './unlzma.js';

/**
 * @typedef {object} FrontEndDefinition
 * @property {number} sample_rate Hz, that the lengths of other rates are scaled from
 * @property {number} hop_length samples at sample_rate
 * @property {number} n_mels
 * @property {number} frame_rate frames per second, at every rate
 * @property {number} preferred_rate Hz, where the device has none of those below
 * @property {RateDefinition[]} rates
 */

/**
 * @typedef {object} RateDefinition
 * @property {number} sample_rate Hz
 * @property {number} win_length samples
 * @property {number} n_fft
 * @property {number[]} band_starts first bin of each band
 * @property {number[]} band_lengths how many bins it reaches
 * @property {string} file window and weights, packed
 */

/**
 * @typedef {object} Dance
 * @property {string} name
 * @property {string} family
 * @property {string | null} metre
 * @property {number | null} beats_per_bar
 * @property {number | null} mpm_min
 * @property {number | null} mpm_max
 * @property {number | null} mpm_low
 * @property {number | null} mpm_high
 * @property {string} colour '#rrggbb'
 * @property {string} colour_on_dark
 * @property {string} ink '#rrggbb' that can be read on colour
 * @property {string} ink_on_dark that can be read on colour_on_dark
 */

/**
 * @typedef {object} ModelDefinition
 * @property {string} file gzipped
 * @property {number} bytes of that file
 * @property {string} name
 * @property {string} version
 * @property {string} precision
 * @property {string} licence
 * @property {string} training_data
 * @property {string[]} labels
 * @property {number} segment_frames
 * @property {number[]} context_frames lengths of the windows that it takes
 * @property {string} input
 * @property {string} output
 */

/**
 * @typedef {object} SegmentsDefinition
 * @property {number} default_stride
 * @property {number} live_stride
 * @property {number} min_seconds
 */

/**
 * @typedef {object} EvidenceDefinition
 * @property {number} weight
 * @property {number} change_per_second
 * @property {number} phases
 * @property {number} none_bias
 * @property {number} temperature
 * @property {number} name_at
 * @property {number} release_at
 * @property {number} two_at
 * @property {number} two_release_at
 * @property {number} least_score
 * @property {number} negligible
 * @property {number} max_jumps
 * @property {number} memory_updates
 * @property {number} resume_seconds
 * @property {number} max_parts
 */

/**
 * @typedef {object} AnswerDefinition
 * @property {number} probably_from
 * @property {number} quite_sure_from
 * @property {number} quite_sure_seconds
 * @property {number} margin
 * @property {number} least_two_seconds that two dances are shown before they are a part
 */

/**
 * @typedef {object} LiveDefinition
 * @property {number} muted_seconds
 * @property {number} floor_db
 * @property {number} quiet_db
 * @property {number} clipped
 * @property {number} clipped_samples
 * @property {number} window_seconds
 * @property {number} loudest
 */

/**
 * @typedef {object} ColumnsDefinition
 * @property {string[]} recording
 * @property {string[]} part
 * @property {string[]} evening
 * @property {string} score before the key of a dance
 * @property {string[]} formula what a cell begins with that a spreadsheet computes
 */

/**
 * @typedef {object} LoudnessDefinition
 * @property {number} silence_below
 * @property {number} silence_floor
 * @property {number} decay
 */

/**
 * @typedef {object} TempoDefinition
 * @property {number} max_lag
 * @property {number} onset_bands
 * @property {number} pooled_bands
 * @property {number} dynamic_range
 * @property {number} min_frames
 * @property {number} grid_step
 * @property {number} bar_weight
 * @property {number} prior_octaves
 * @property {number} prior_weight
 * @property {number} bucket_frames
 * @property {number} max_buckets
 */

/**
 * How the model is taught: the constants of runtime.teach, keeping, recalibrate and corrections.
 *
 * @typedef {object} TeachingDefinition
 * @property {number[]} strengths
 * @property {number} forgets
 * @property {number} covered
 * @property {number} segments
 * @property {number} draws
 * @property {number} rehearsed
 * @property {number} new_share
 * @property {number} new_bias
 * @property {number} folds
 * @property {number} min_groups
 * @property {number} balance
 * @property {number} significant
 * @property {number} likely
 * @property {number} surely
 * @property {number} least
 * @property {number} shrinkage
 * @property {number[]} weights
 * @property {number[]} biases
 * @property {number} sequences
 * @property {number} songs
 * @property {number} heard
 * @property {number[]} temperatures
 * @property {number} kept segments of a correction
 * @property {number} most corrections
 * @property {number} remembered segments
 * @property {number} lowest dB of the byte 0
 * @property {number} step dB from one byte to the next
 * @property {string} suffix of a file of what was learnt
 * @property {number} format
 * @property {number} max_bytes of such a file
 * @property {number} max_labels in it
 * @property {number} max_size features of its head
 * @property {number} max_label characters of a label
 * @property {string[]} evidence names of the settings that stand in it
 */

/**
 * The network whose features are taught.
 *
 * @typedef {object} TeachableDefinition
 * @property {string} model
 * @property {string} version
 * @property {string} sha256 of its file
 * @property {boolean} exact whether it is the model in float beside this one
 * @property {string} features name of the output
 * @property {number} size how many
 * @property {string} rehearsal file of its statistics, gzipped
 */

/**
 * @typedef {object} BarsDefinition
 * @property {number[]} metres
 * @property {Record<string, [number, number]>} mpm of each metre, slowest and quickest
 * @property {number} step
 * @property {number} upsampling
 * @property {number} tempo_rigidity
 * @property {number} near_seconds
 * @property {number} beat_seconds
 * @property {number} no_beat
 * @property {number} temper
 * @property {number} leak
 * @property {number} tempo_octaves
 * @property {number} unusual
 * @property {number} unlikely
 * @property {number} negligible
 * @property {number} sharpness
 * @property {number} strange
 * @property {number} alike
 * @property {number} least_state
 * @property {number} clear_kept
 * @property {number} faint
 * @property {number} lowest
 */

/**
 * @typedef {object} BeatsDefinition
 * @property {string} file gzipped
 * @property {string[]} dances that the network is told the probabilities of
 * @property {number} state_size
 * @property {[string, string, string]} inputs features, dances, state
 * @property {[string, string]} outputs activations, state
 * @property {number} feature_bands
 * @property {number} harmony_bands
 * @property {number} dynamic_range
 * @property {number} look_ahead
 * @property {number} beat_at
 * @property {number} count_at
 * @property {number} clear_live
 * @property {BarsDefinition} bars
 */

/**
 * How dancers count: what they say and for how many beats, from a beat of the bar on.
 *
 * @typedef {{starts: number, said: [string, number][]}} DanceCount
 */

/**
 * @typedef {object} Definition
 * @property {string} version of whichdance
 * @property {string} other key of none of the dances
 * @property {{side_ratio: number}} audio
 * @property {FrontEndDefinition} front_end
 * @property {SegmentsDefinition} segments
 * @property {{doubt: number}} context
 * @property {{tempo_seconds: number, prevails: number, least_shared: number, ruled_out: number}} session
 * @property {EvidenceDefinition} evidence
 * @property {AnswerDefinition} answer
 * @property {LiveDefinition} live
 * @property {ColumnsDefinition} columns
 * @property {LoudnessDefinition} loudness
 * @property {TempoDefinition} tempo
 * @property {ModelDefinition} model
 * @property {{file: string, bytes: number} | null} exact the same model in float, gzipped, where this one is in int8
 * @property {BeatsDefinition} beats
 * @property {TeachingDefinition} teaching
 * @property {TeachableDefinition | null} teachable null where the model cannot be taught
 * @property {Record<string, DanceCount>} counts by key, of the dances that have one of their own
 * @property {Record<string, Dance>} dances by key, those of the model
 * @property {Record<string, [number, number]>} group_temperatures of the evidence, by group or 'all': where other
 *   music is played as well, and where nothing else is
 * @property {Record<string, string[]>} groups what may be danced somewhere, by name; of the model's dances
 * @property {{mjs: string, wasm: string, bytes: number}} onnxruntime files; the .wasm is packed, to so many bytes
 */

/**
 * A file of this page.
 *
 * @param {string} path below the page
 */
export async function fetched(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  if (!response.ok) {
    throw new Error(`${path}: status ${response.status}`);
  }
  return response;
}

/** @returns {Promise<Definition>} */
export async function loadDefinition() {
  return (await fetched('definition.json')).json();
}

/**
 * A packed file of this page, unpacked, unless the service worker did that. Hosts differ in what they compress on the
 * way; this file is small on any of them.
 *
 * @param {string} path
 * @param {(bytes: number) => void} progress of the file as it is, whenever some of it has come
 */
export async function unpacked(path, progress) {
  const { body, headers } = await fetched(path);
  if (!body) {
    throw new Error(`${path}: empty`);
  }
  let count = 0;
  const counted = new TransformStream({
    transform(chunk, controller) {
      progress((count += chunk.length));
      controller.enqueue(chunk);
    },
  });
  const come = body.pipeThrough(counted);
  if (path.endsWith('.gzip')) {
    return new Response(come.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  }
  const bytes = await new Response(come).arrayBuffer();
  return headers.has('X-Unpacked') ? bytes : unlzma(new Uint8Array(bytes)).buffer;
}

/**
 * The front end at a sampling rate.
 *
 * @param {Definition} definition
 * @param {number} sampleRate one of definition.front_end.rates
 */
export async function loadFrontEnd(definition, sampleRate) {
  const rate = definition.front_end.rates.find((one) => one.sample_rate === sampleRate);
  if (!rate) {
    throw new Error(`no front end for ${sampleRate} Hz`);
  }
  return new FrontEnd(definition.front_end, rate, await unpacked(rate.file, () => undefined));
}

/**
 * The rate at which sound of another rate is to be taken: its own where it is known.
 *
 * @param {Definition} definition
 * @param {number | null} sampleRate Hz; null where it isn't known
 */
export function supportedRate(definition, sampleRate) {
  const { rates, preferred_rate: preferred } = definition.front_end;
  return sampleRate && rates.some((rate) => rate.sample_rate === sampleRate) ? sampleRate : preferred;
}
