// Compressed recordings (M4A, MP4, WebM, Ogg, FLAC, …) piece by piece, where the browser decodes packets
// (WebCodecs). mediabunny takes the containers apart; it is asked for when the first such file comes.

/** @typedef {import('mediabunny').AudioSample} AudioSample */
/** @typedef {import('./decode.js').Block} Block */

const BLOCK_SECONDS = 15; // handed over at a time
const CACHE_BYTES = 2 << 20; // of the file, held at a time

/** Whether this browser decodes packets at all. */
export function decodesPackets() {
  return 'AudioDecoder' in window;
}

/**
 * @typedef {object} Stream
 * @property {number} sampleRate Hz, of what the decoder gives
 * @property {(downmix: import('../engine/downmix.js').Downmix) => AsyncGenerator<Block>} blocks to be called once
 * @property {() => Promise<void>} close where no blocks are wanted
 */

/**
 * A recording as a stream; null where this browser can't decode it so.
 *
 * @param {File} file
 * @returns {Promise<Stream | null>}
 */
export async function openStream(file) {
  /** @type {AsyncGenerator<AudioSample> | null} */
  let samples = null;
  /** @type {import('mediabunny').Input | null} */
  let input = null;
  const close = async () => {
    await samples?.return(undefined);
    input?.dispose();
  };
  try {
    const { ALL_FORMATS, AudioSampleSink, BlobSource, Input } = await import('../vendor/mediabunny.min.mjs');
    input = new Input({ formats: ALL_FORMATS, source: new BlobSource(file, { maxCacheSize: CACHE_BYTES }) });
    const track = await input.getPrimaryAudioTrack();
    if (!track || !(await track.canDecode())) {
      await close();
      return null;
    }
    const duration = await track.computeDuration();
    samples = new AudioSampleSink(track).samples();
    const { value: first, done } = await samples.next();
    if (done) {
      await close();
      return null;
    }
    const rest = samples;
    return {
      // What the container says may be half of it (HE-AAC).
      sampleRate: first.sampleRate,
      blocks: (downmix) => inBlocks(first, rest, duration, downmix, close),
      close,
    };
  } catch (error) {
    console.info(`${file.name}: not as a stream`, error);
    await close().catch(() => undefined);
    return null;
  }
}

/**
 * @param {AudioSample} first
 * @param {AsyncGenerator<AudioSample>} rest
 * @param {number} duration s
 * @param {import('../engine/downmix.js').Downmix} downmix
 * @param {() => Promise<void>} close
 * @returns {AsyncGenerator<Block>}
 */
async function* inBlocks(first, rest, duration, downmix, close) {
  const { sampleRate, numberOfChannels } = first;
  const length = BLOCK_SECONDS * sampleRate;
  const channels = Array.from({ length: numberOfChannels }, () => new Float32Array(length));
  let filled = 0;
  let at = 0; // s
  const block = () => {
    const samples = downmix.push(channels.map((channel) => channel.subarray(0, filled)));
    filled = 0;
    return { samples, progress: duration > 0 ? Math.min(1, at / duration) : 0 };
  };
  try {
    /** @type {AudioSample | undefined} */
    let sample = first;
    while (sample) {
      if (sample.sampleRate !== sampleRate || sample.numberOfChannels !== numberOfChannels) {
        sample.close();
        throw new Error('the recording changes its format on the way');
      }
      // What lies before 0 only warms the decoder up.
      const lead = Math.min(sample.numberOfFrames, Math.max(0, Math.round(-sample.timestamp * sampleRate)));
      for (let from = lead; from < sample.numberOfFrames; ) {
        const count = Math.min(length - filled, sample.numberOfFrames - from);
        const place = { format: /** @type {const} */ ('f32-planar'), frameOffset: from, frameCount: count };
        channels.forEach((channel, i) =>
          /** @type {AudioSample} */ (sample).copyTo(channel.subarray(filled, filled + count), { ...place, planeIndex: i }),
        );
        from += count;
        filled += count;
        if (filled === length) {
          at = sample.timestamp;
          yield block();
        }
      }
      at = sample.timestamp + sample.duration;
      sample.close();
      sample = (await rest.next()).value;
    }
    if (filled) {
      yield block();
    }
  } finally {
    await close();
  }
}
