// Any recording that the browser can decode, as blocks of mono samples. WAV and MP3 are decoded piece by
// piece, so that their length does not matter, and so is whatever else the browser decodes packet by packet; the
// rest is decoded at once, as far as the memory goes.

import { supportedRate } from '../engine/definition.js';
import { Downmix } from '../engine/downmix.js';
import { decodesPackets, openStream } from './streams.js';

/** @typedef {import('../engine/definition.js').Definition} Definition */

/**
 * Why a file can't be read: the key of a sentence, and what stands in its fields.
 */
export class Unreadable extends Error {
  /**
   * @param {string} problem
   * @param {Record<string, string | number>} values
   */
  constructor(problem, values = {}) {
    super(problem);
    this.problem = problem;
    this.values = values;
  }
}

/**
 * @typedef {object} Block
 * @property {Float32Array} samples mono
 * @property {number} progress how much of the file it ends at, 0 to 1
 */

/**
 * @typedef {object} Recording
 * @property {number} sampleRate Hz
 * @property {AsyncGenerator<Block>} blocks
 */

const HEAD = 1 << 16; // bytes that tell what a file is
const PIECE_SECONDS = 30; // of WAV decoded at a time
const PIECE_BYTES = 1 << 20; // of MP3 decoded at a time: a minute or so
const LEAD_FRAMES = 12; // of MP3 decoded before a piece and dropped: a frame leans on the ones before it
const BLOCK_SECONDS = 15; // handed over at a time
const MEMORY_SHARE = 1 / 4; // of the device's, that a recording may take which must be decoded at once
const COPIES = 3; // of its samples that browsers hold meanwhile, by `python -m benchmarks phone`
const USUAL_MEMORY = 4; // GiB, where the browser doesn't say
const CHANNELS = 2;
const LOOK_BYTES = 1 << 20; // files below this are decoded at once, which every browser can do

/**
 * Open a recording.
 *
 * @param {File} file
 * @param {Definition} definition
 * @returns {Promise<Recording>}
 */
export async function open(file, definition) {
  if (!file.size) {
    throw new Unreadable('empty_file');
  }
  const head = await bytes(file, 0, HEAD);
  const wav = readWav(head, file.size);
  const downmix = new Downmix(definition.audio.side_ratio);
  if (wav) {
    const sampleRate = supportedRate(definition, wav.sampleRate);
    return { sampleRate, blocks: wavBlocks(file, wav, sampleRate, downmix) };
  }
  const mp3 = await readMp3(file, head);
  if (mp3) {
    const sampleRate = supportedRate(definition, mp3.sampleRate);
    return { sampleRate, blocks: mp3Blocks(file, mp3, sampleRate, downmix) };
  }
  if (file.size > LOOK_BYTES && decodesPackets()) {
    const stream = await openStream(file);
    if (stream && supportedRate(definition, stream.sampleRate) === stream.sampleRate) {
      return { sampleRate: stream.sampleRate, blocks: streamBlocks(stream, downmix, file) };
    }
    await stream?.close();
  }
  const sampleRate = supportedRate(definition, rateOf(head));
  if (file.size > LOOK_BYTES) {
    const minutes = (await length(file)) / 60;
    const most = mostMinutes(sampleRate);
    if (minutes > most) {
      throw new Unreadable('too_long', { minutes: Math.round(minutes), most });
    }
  }
  return { sampleRate, blocks: wholeBlocks(file, sampleRate, downmix) };
}

/**
 * Minutes that this device has the memory to decode at once: beyond that its browser would end the page.
 *
 * @param {number} sampleRate Hz
 */
function mostMinutes(sampleRate) {
  const { deviceMemory = USUAL_MEMORY } = /** @type {{deviceMemory?: number}} */ (navigator);
  const perMinute = 60 * sampleRate * CHANNELS * COPIES * Float32Array.BYTES_PER_ELEMENT;
  return Math.floor((MEMORY_SHARE * deviceMemory * 2 ** 30) / perMinute);
}

/**
 * @param {File} file
 * @param {number} start
 * @param {number} end
 */
async function bytes(file, start, end) {
  try {
    return new Uint8Array(await file.slice(start, end).arrayBuffer());
  } catch {
    throw new Unreadable('unreadable_now');
  }
}

/**
 * @param {ArrayBuffer} data
 * @param {number} sampleRate Hz
 * @param {File} file for the error
 */
async function decoded(data, sampleRate, file) {
  try {
    return await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(data);
  } catch {
    throw new Unreadable(file.type.startsWith('video/') ? 'no_sound' : 'unreadable');
  }
}

/**
 * @param {AudioBuffer} buffer
 * @param {number} from first sample wanted
 * @param {Downmix} downmix of the recording
 * @param {(share: number) => number} progress at a share of the buffer
 */
function* inBlocks(buffer, from, downmix, progress) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  const step = BLOCK_SECONDS * buffer.sampleRate;
  for (let start = from; start < buffer.length; start += step) {
    const end = Math.min(buffer.length, start + step);
    const samples = downmix.push(channels.map((channel) => channel.subarray(start, end)));
    yield { samples, progress: progress(end / buffer.length) };
  }
}

/**
 * @param {File} file
 * @param {number} sampleRate Hz to decode at
 * @param {Downmix} downmix
 * @returns {AsyncGenerator<Block>}
 */
async function* wholeBlocks(file, sampleRate, downmix) {
  const data = await bytes(file, 0, file.size);
  const buffer = await decoded(/** @type {ArrayBuffer} */ (data.buffer), sampleRate, file);
  yield* inBlocks(buffer, 0, downmix, (share) => share);
}

/**
 * @param {import('./streams.js').Stream} stream
 * @param {Downmix} downmix
 * @param {File} file for the error
 * @returns {AsyncGenerator<Block>}
 */
async function* streamBlocks(stream, downmix, file) {
  try {
    yield* stream.blocks(downmix);
  } catch (error) {
    console.info(file.name, error);
    throw new Unreadable('unreadable');
  }
}

/**
 * Length of a recording, s; 0 where the browser can't tell.
 *
 * @param {File} file
 * @returns {Promise<number>}
 */
function length(file) {
  const url = URL.createObjectURL(file);
  const audio = new Audio();
  return new Promise((resolve) => {
    const done = (/** @type {number} */ seconds) => {
      audio.removeAttribute('src');
      URL.revokeObjectURL(url);
      resolve(Number.isFinite(seconds) ? seconds : 0);
    };
    audio.onloadedmetadata = () => done(audio.duration);
    audio.onerror = () => done(0);
    audio.preload = 'metadata';
    audio.src = url;
  });
}

/**
 * @param {Uint8Array} data
 * @param {number} place
 * @param {number} count
 */
function text(data, place, count) {
  return String.fromCharCode(...data.subarray(place, place + count));
}

/**
 * Sampling rate that a FLAC or Ogg file says it has, Hz; null of others.
 *
 * @param {Uint8Array} head
 */
function rateOf(head) {
  const view = new DataView(head.buffer);
  if (text(head, 0, 4) === 'fLaC' && head.length > 22) {
    return view.getUint32(18) >>> 12; // 20 bits of STREAMINFO
  }
  if (text(head, 0, 4) === 'OggS' && head.length > 58) {
    const packet = 27 + head[26];
    return text(head, packet + 1, 6) === 'vorbis' ? view.getUint32(packet + 12, true) : null;
  }
  return null;
}

// WAV: a piece is a whole WAV file of its own, with the same format.

/**
 * @typedef {object} Wav
 * @property {number} sampleRate Hz
 * @property {Uint8Array} format contents of the chunk 'fmt '
 * @property {number} blockAlign bytes that belong together
 * @property {number} start of the samples, bytes
 * @property {number} end
 */

/**
 * @param {Uint8Array} head
 * @param {number} size of the file
 * @returns {Wav | null}
 */
function readWav(head, size) {
  if (!['RIFF', 'RF64'].includes(text(head, 0, 4)) || text(head, 8, 4) !== 'WAVE') {
    return null;
  }
  const view = new DataView(head.buffer);
  let format = null;
  for (let place = 12; place + 8 <= head.length; ) {
    const [name, bytesInChunk] = [text(head, place, 4), view.getUint32(place + 4, true)];
    place += 8;
    if (name === 'fmt ' && bytesInChunk >= 16 && place + bytesInChunk <= head.length) {
      format = head.slice(place, place + bytesInChunk);
    } else if (name === 'data' && format) {
      const fields = new DataView(format.buffer);
      const [sampleRate, blockAlign] = [fields.getUint32(4, true), fields.getUint16(12, true)];
      // Lengths of zero or of all ones are those of recordings that were never closed, or over 4 GB.
      const unclosed = bytesInChunk === 0 || bytesInChunk >= 0xffffffff - 1024;
      const end = unclosed ? size : Math.min(size, place + bytesInChunk);
      return sampleRate && blockAlign ? { sampleRate, format, blockAlign, start: place, end } : null;
    }
    place += bytesInChunk + (bytesInChunk % 2);
  }
  return null;
}

/**
 * @param {File} file
 * @param {Wav} wav
 * @param {number} sampleRate Hz to decode at
 * @param {Downmix} downmix
 * @returns {AsyncGenerator<Block>}
 */
async function* wavBlocks(file, wav, sampleRate, downmix) {
  const step = PIECE_SECONDS * wav.sampleRate * wav.blockAlign;
  for (let start = wav.start; start + wav.blockAlign <= wav.end; start += step) {
    const end = Math.min(start + step, wav.end - ((wav.end - wav.start) % wav.blockAlign));
    const header = wavHeader(wav.format, end - start);
    const piece = new Uint8Array(header.length + end - start);
    piece.set(header);
    piece.set(await bytes(file, start, end), header.length);
    const buffer = await decoded(piece.buffer, sampleRate, file);
    const at = (/** @type {number} */ share) => (start + share * (end - start) - wav.start) / (wav.end - wav.start);
    yield* inBlocks(buffer, 0, downmix, at);
  }
}

/**
 * @param {Uint8Array} format
 * @param {number} dataBytes
 */
function wavHeader(format, dataBytes) {
  const header = new Uint8Array(28 + format.length);
  const view = new DataView(header.buffer);
  const put = (/** @type {number} */ place, /** @type {string} */ name, /** @type {number} */ value) => {
    header.set(Uint8Array.from(name, (letter) => letter.charCodeAt(0)), place);
    view.setUint32(place + 4, value, true);
  };
  put(0, 'RIFF', 20 + format.length + dataBytes);
  header.set([0x57, 0x41, 0x56, 0x45], 8); // 'WAVE'
  put(12, 'fmt ', format.length);
  header.set(format, 20);
  put(20 + format.length, 'data', dataBytes);
  return header;
}

// MP3 (ISO/IEC 11172-3, 13818-3): a piece is a run of whole frames, after a few that only warm the decoder up.

/**
 * @typedef {object} Mp3
 * @property {number} sampleRate Hz
 * @property {number} start of the first frame, bytes
 */

const BIT_RATES = {
  1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320], // kbit/s, MPEG-1 layer III
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160], // MPEG-2 and 2.5
};
const MPEG1_RATES = [44_100, 48_000, 32_000]; // Hz

/**
 * A frame's header, or null where there is none.
 *
 * @param {Uint8Array} data
 * @param {number} place
 */
function mp3Frame(data, place) {
  if (place + 4 > data.length || data[place] !== 0xff || (data[place + 1] & 0xe6) !== 0xe2) {
    return null; // no sync word of layer III
  }
  const version = (data[place + 1] >> 3) & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
  const rateIndex = (data[place + 2] >> 2) & 3;
  const bitRate = BIT_RATES[version === 3 ? 1 : 2][data[place + 2] >> 4];
  if (version === 1 || rateIndex === 3 || !bitRate) {
    return null;
  }
  const sampleRate = MPEG1_RATES[rateIndex] / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const samples = version === 3 ? 1152 : 576;
  const padding = (data[place + 2] >> 1) & 1;
  return { sampleRate, samples, bytes: Math.floor((samples * 125 * bitRate) / sampleRate) + padding };
}

/**
 * @param {File} file
 * @param {Uint8Array} head
 * @returns {Promise<Mp3 | null>}
 */
async function readMp3(file, head) {
  let start = 0;
  let data = head;
  if (text(head, 0, 3) === 'ID3') {
    // four times seven bits
    start = 10 + ((head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]);
    data = await bytes(file, start, start + HEAD);
  } else if (!file.name.toLowerCase().endsWith('.mp3') && file.type !== 'audio/mpeg') {
    return null;
  }
  for (let place = 0; place + 4 < data.length; place++) {
    const frame = mp3Frame(data, place);
    const next = frame && mp3Frame(data, place + frame.bytes);
    if (frame && next?.sampleRate === frame.sampleRate) {
      return { sampleRate: frame.sampleRate, start: start + place };
    }
  }
  return null;
}

/**
 * @param {File} file
 * @param {Mp3} mp3
 * @param {number} sampleRate Hz to decode at
 * @param {Downmix} downmix
 * @returns {AsyncGenerator<Block>}
 */
async function* mp3Blocks(file, mp3, sampleRate, downmix) {
  let start = mp3.start;
  let lead = 0; // bytes
  while (start < file.size) {
    const data = await bytes(file, start - lead, start + PIECE_BYTES);
    const last = start + PIECE_BYTES >= file.size;
    let place = lead;
    let samples = 0;
    const places = [];
    while (place < data.length) {
      const frame = mp3Frame(data, place);
      if (!frame) {
        place++; // a tag, or damage: look for the next frame
      } else if (place + frame.bytes <= data.length || last) {
        places.push(place);
        samples += frame.samples;
        place += frame.bytes;
      } else {
        break;
      }
    }
    if (!places.length) {
      start += PIECE_BYTES; // all of it damaged: the rest may be well
      lead = 0;
      continue;
    }
    const piece = data.slice(0, Math.min(place, data.length));
    const buffer = await decoded(piece.buffer, sampleRate, file);
    // The decoder drops some of the first piece's beginning and may drop some of the lead; the end is exact.
    const wanted = Math.round((samples * sampleRate) / mp3.sampleRate);
    const from = lead ? Math.max(0, buffer.length - wanted) : 0;
    const [begun, taken] = [start, piece.length - lead];
    yield* inBlocks(buffer, from, downmix, (share) => Math.min(1, (begun + share * taken) / file.size));
    const leadFrom = places[Math.max(0, places.length - LEAD_FRAMES)];
    start += place - lead;
    lead = place - leadFrom;
  }
}
