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
 * @property {() => void} lost it was unplugged, or the permission was taken back
 * @property {() => void} interrupted by a call, or by another page
 */

export class Microphone {
  /**
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {MessagePort} port
   */
  constructor(context, stream, port) {
    this._context = context;
    this._stream = stream;
    this.port = port; // chunks of mono samples come out of it
  }

  get sampleRate() {
    return this._context.sampleRate;
  }

  /**
   * Ask for the microphone; to be called from a tap.
   *
   * @param {import('../engine/definition.js').Definition | null} definition null while it is being loaded
   * @param {Listeners} listeners
   */
  static async open(definition, listeners) {
    if (!window.isSecureContext) {
      throw new MicrophoneError('insecure');
    }
    if (!navigator.mediaDevices?.getUserMedia || !('AudioWorkletNode' in window)) {
      throw new MicrophoneError('old_browser');
    }
    let context = new AudioContext(); // within the tap: later it would start suspended
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
      });
      if (definition && supportedRate(definition, context.sampleRate) !== context.sampleRate) {
        await context.close();
        context = new AudioContext({ sampleRate: definition.front_end.preferred_rate });
      }
      await context.resume();
      await context.audioWorklet.addModule(new URL('../engine/capture.js', import.meta.url));
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      await context.close();
      const name = error instanceof DOMException ? error.name : '';
      throw new MicrophoneError(PROBLEMS[name] ?? 'unexpected', error);
    }
    const capture = new AudioWorkletNode(context, 'capture');
    context.createMediaStreamSource(stream).connect(capture);
    capture.connect(context.destination); // nothing is heard there: it only makes the node run
    const { port1, port2 } = new MessageChannel();
    capture.port.postMessage(port1, [port1]);

    const [track] = stream.getAudioTracks();
    track.onmute = () => listeners.muted(true);
    track.onunmute = () => listeners.muted(false);
    track.onended = () => listeners.lost();
    context.onstatechange = () => {
      if (String(context.state) === 'interrupted' || context.state === 'suspended') {
        listeners.interrupted();
      }
    };
    if (track.muted) {
      listeners.muted(true);
    }
    return new Microphone(context, stream, port2);
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
