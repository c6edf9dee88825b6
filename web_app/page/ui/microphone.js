// The microphone, as it is: without echo cancellation, noise suppression or automatic gain, which are made
// for speech and spoil music.

import { supportedRate } from '../engine/definition.js';

/** @typedef {'insecure' | 'permission_refused' | 'no_microphone' | 'microphone_taken' | 'old_browser' | 'unexpected'} Trouble */

/** Why there is no sound: the key of a sentence. */
export class MicrophoneError extends Error {
  /**
   * @param {Trouble} problem
   * @param {unknown} [cause]
   */
  constructor(problem, cause) {
    super(problem, { cause });
    this.problem = problem;
  }
}

// So much at a time: the processor may sleep, twice as long as with 'playback'. Beyond a tenth, Chromium drops sound.
const BUFFER_SECONDS = 0.05;
const RESUME_MS = 1500; // browsers leave the promise open where they don't allow it

/** @type {Record<string, Trouble>} names of getUserMedia's errors */
const PROBLEMS = {
  NotAllowedError: 'permission_refused',
  SecurityError: 'permission_refused',
  NotFoundError: 'no_microphone',
  OverconstrainedError: 'no_microphone',
  NotReadableError: 'microphone_taken',
  AbortError: 'microphone_taken',
};

/**
 * @typedef {object} Listeners
 * @property {(muted: boolean) => void} muted
 * @property {() => void} lost it was unplugged, taken by a call, or the permission was taken back
 * @property {() => void} interrupted by a call, or by another page
 * @property {() => void} back after an interruption
 */

export class Microphone {
  /**
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {Listeners} listeners
   */
  constructor(context, stream, listeners) {
    this._context = context;
    this._stream = stream;
    this._listeners = listeners;
    const [track] = stream.getAudioTracks();
    track.onmute = () => listeners.muted(true);
    track.onunmute = () => listeners.muted(false);
    track.onended = () => listeners.lost();
    if (track.muted) {
      listeners.muted(true);
    }
  }

  get sampleRate() {
    return this._context.sampleRate;
  }

  /** Whether it would hear something now. */
  get running() {
    return this._context.state === 'running' && !this._ended;
  }

  get _ended() {
    return this._stream.getAudioTracks().some((track) => track.readyState === 'ended');
  }

  /**
   * Ask for the microphone, and hold it; to be called from a tap.
   *
   * @param {Listeners} listeners
   */
  static async open(listeners) {
    if (!window.isSecureContext) {
      throw new MicrophoneError('insecure');
    }
    if (!navigator.mediaDevices?.getUserMedia || !('AudioWorkletNode' in window)) {
      throw new MicrophoneError('old_browser');
    }
    const context = newContext(); // within the tap: later it would start suspended
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
      });
      return new Microphone(context, stream, listeners);
    } catch (error) {
      await context.close();
      throw asTrouble(error);
    }
  }

  /**
   * Begin to hear; what doesn't begin is closed.
   *
   * @param {import('../engine/definition.js').Definition} definition
   * @returns {Promise<MessagePort>} chunks of mono samples come out of it
   */
  async start(definition) {
    try {
      if (supportedRate(definition, this._context.sampleRate) !== this._context.sampleRate) {
        await this._context.close();
        this._context = newContext(definition.front_end.preferred_rate);
      }
      await this._context.resume();
      await this._context.audioWorklet.addModule(new URL('../engine/capture.js', import.meta.url));
      const mono = /** @type {const} */ ({ channelCount: 1, channelCountMode: 'explicit' });
      const capture = new AudioWorkletNode(this._context, 'capture', mono);
      this._context.createMediaStreamSource(this._stream).connect(capture);
      capture.connect(this._context.destination); // nothing is heard there: it only makes the node run
      const { port1, port2 } = new MessageChannel();
      capture.port.postMessage(port1, [port1]);
      this._context.onstatechange = () => {
        if (this._context.state === 'running') {
          this._listeners.back();
        } else if (this._context.state !== 'closed') {
          this._listeners.interrupted(); // 'suspended'; Safari says 'interrupted'
        }
      };
      return port2;
    } catch (error) {
      await this.close();
      throw asTrouble(error);
    }
  }

  /**
   * Go on after an interruption.
   *
   * @returns {Promise<boolean>} whether it hears again; if not, another one has to be opened
   */
  async resume() {
    if (this._ended || this._context.state === 'closed') {
      return false;
    }
    try {
      await Promise.race([this._context.resume(), new Promise((resolve) => setTimeout(resolve, RESUME_MS))]);
    } catch (error) {
      console.info('not yet', error);
    }
    return this.running;
  }

  async close() {
    this._context.onstatechange = null;
    for (const track of this._stream.getTracks()) {
      track.onmute = track.onunmute = track.onended = null;
      track.stop();
    }
    if (this._context.state !== 'closed') {
      await this._context.close();
    }
  }
}

/** @param {number} [sampleRate] Hz; the device's own if not given */
function newContext(sampleRate) {
  return new AudioContext({ latencyHint: BUFFER_SECONDS, sampleRate });
}

/** @param {unknown} error */
function asTrouble(error) {
  const name = error instanceof DOMException ? error.name : '';
  return new MicrophoneError(PROBLEMS[name] ?? 'unexpected', error);
}
