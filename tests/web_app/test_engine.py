"""The page's arithmetic against Python's: golden vectors, computed by `runtime` in the same run."""

import base64
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy.signal import chirp, resample_poly

import runtime
from runtime import mel
from runtime.beat_activations import BeatActivations, BeatModel
from runtime.mel import MelStream
from runtime.prediction import Prediction
from runtime.session import PlayingMusic
from tests.web_app.conftest import PATIENCE, Float32, serving
from web_app.build import Build

RATES = (22_050, 44_100, 48_000)

# Everything below runs in the page; arrays travel as base64 of float32.
HELPERS = """
  const toFloats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const toText = (floats) => {
    const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768)
      text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
  const module = (name) => import(new URL(`engine/${name}.js`, location.href));
  const { loadDefinition, loadFrontEnd } = await module('definition');
  const { MelStream } = await module('mel');
  const definition = await loadDefinition();
"""
MEL = (
    "async ({ samples, rate, chunk }) => {"
    + HELPERS
    + """
  const stream = new MelStream(await loadFrontEnd(definition, rate));
  const all = toFloats(samples);
  const frames = [];
  for (let i = 0; i < all.length; i += chunk) frames.push(stream.push(all.subarray(i, i + chunk)));
  frames.push(stream.flush());
  const joined = new Float32Array(frames.reduce((n, one) => n + one.data.length, 0));
  let place = 0;
  for (const one of frames) { joined.set(one.data, place); place += one.data.length; }
  return toText(joined);
}"""
)
WHOLE = (
    "async ({ samples, rate }) => {"
    + HELPERS
    + """
  const { OnnxNetwork } = await module('network');
  const { WholeRecording } = await module('session');
  window.network ??= await OnnxNetwork.load(definition);
  const stream = new MelStream(await loadFrontEnd(definition, rate));
  const session = new WholeRecording(definition, window.network);
  const all = toFloats(samples);
  const block = 15 * rate;
  for (let i = 0; i < all.length; i += block) await session.push(stream.push(all.subarray(i, i + block)));
  await session.push(stream.flush());
  return session.prediction(all.length / rate);
}"""
)
LIVE = (
    "async ({ samples, rate }) => {"
    + HELPERS
    + """
  const { OnnxNetwork } = await module('network');
  const { PlayingMusic } = await module('session');
  window.network ??= await OnnxNetwork.load(definition);
  const stream = new MelStream(await loadFrontEnd(definition, rate));
  const session = new PlayingMusic(definition, window.network);
  const all = toFloats(samples);
  const predictions = [];
  for (let i = 0; i < all.length; i += 4096) {
    const chunk = all.subarray(i, i + 4096);
    if ((await session.push(stream.push(chunk))).length) {
      predictions.push(session.prediction((i + chunk.length) / rate));
    }
  }
  return predictions;
}"""
)
BEATS = (
    "async ({ samples, rate, chunk, evidence }) => {"
    + HELPERS
    + """
  const { BeatActivations } = await module('beats');
  const { OnnxBeats } = await module('network');
  window.beats ??= await OnnxBeats.load(definition);
  const stream = new MelStream(await loadFrontEnd(definition, rate));
  const heard = new BeatActivations(definition, window.beats);
  heard.believe(evidence);
  const all = toFloats(samples);
  const found = [];
  for (let i = 0; i < all.length; i += chunk) {
    found.push(...await heard.push(stream.push(all.subarray(i, i + chunk))));
  }
  return toText(Float32Array.from(found));
}"""
)

LINE_IN = (
    "async ({ samples, rate, chunk }) => {"
    + HELPERS
    + """
  const worker = new Worker(new URL('engine/worker.js', location.href), { type: 'module' });
  const all = toFloats(samples);
  const predictions = [];
  let [heard, told] = [0, () => {}];
  await new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      if (data.type === 'ready') resolve();
      if (data.type === 'heard') {
        heard = data.seconds;
        if (data.prediction) predictions.push(data.prediction);
        told();
      }
    };
    worker.postMessage({ type: 'load', exact: false });
  });
  const { port1, port2 } = new MessageChannel();
  const [danced, count] = [{ dances: [], nothingElse: false }, { wanted: false, latency: 0 }];
  worker.postMessage({ type: 'listen', port: port2, sampleRate: rate, danced, count }, [port2]);
  const soon = (milliseconds) =>
    new Promise((resolve) => { told = resolve; setTimeout(resolve, milliseconds); });
  await soon(200);
  for (let i = 0; i < all.length; i += chunk) {
    const piece = all.slice(i, i + chunk);
    const end = i + piece.length;
    port1.postMessage({ samples: piece, at: (1000 * end) / rate }, [piece.buffer]);
    if (end / rate - heard > 2) await soon(500); // faster than music plays, but not left behind
  }
  for (let i = 0; i < 40 && heard < (all.length - chunk) / rate; i++) await soon(500);
  worker.terminate();
  return predictions;
}"""
)


@pytest.fixture(scope="module")
def engine(browser: Browser, exact: Build) -> Iterator[Page]:
    """A page of the same origin that does nothing by itself."""
    with serving(exact.folder) as server:
        page = browser.new_context(service_workers="block").new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server.url}manifest.webmanifest")
        yield page


def to_text(samples: Float32) -> str:
    return base64.b64encode(np.ascontiguousarray(samples, "<f4").tobytes()).decode()


def at(samples: Float32, rate: int, wanted: int) -> Float32:
    """Resampled."""
    common = np.gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)


def sweep(rate: int) -> Float32:
    """Three seconds through all bands."""
    time = np.arange(3 * rate) / rate
    return (0.5 * chirp(time, 20, 3, 11_000, method="logarithmic")).astype(np.float32)


@pytest.mark.parametrize("rate", [*RATES, 16_000, 96_000])
@pytest.mark.parametrize("sound", ["chirp", "music"])
def test_mel_is_pythons(engine: Page, medley: tuple[Float32, int], sound: str, rate: int) -> None:
    """Within 1e-4 of the maximum, whatever the chunks: power-of-two lengths and Bluestein's alike."""
    samples, own_rate = medley
    samples = sweep(rate) if sound == "chirp" else at(samples[: 3 * own_rate], own_rate, rate)
    ours = mel.melspectrogram(samples, sample_rate=rate)
    answer = engine.evaluate(MEL, {"samples": to_text(samples), "rate": rate, "chunk": 4097})
    theirs = np.frombuffer(base64.b64decode(answer), "<f4").reshape(-1, mel.N_MELS)
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() < 1e-4 * ours.max()
    # Quiet bands count as well: the networks see logarithms. 60 dB below the maximum, within 1 %.
    heard = ours > 1e-6 * ours.max()
    assert np.abs(theirs[heard] / ours[heard] - 1).max() < 0.01


@pytest.mark.parametrize("chunk", [8192, 3001])
def test_activations_of_beats_are_pythons(engine: Page, medley: tuple[Float32, int], chunk: int) -> None:
    """Within 1e-3, frame by frame, of music that begins quietly."""
    samples, rate = medley
    samples = samples[: 12 * rate] * np.linspace(0.05, 1, 12 * rate, dtype=np.float32)
    evidence = {"quickstep": 0.7, "jive": 0.2, "hustle, as they call it": 0.1}
    stream = BeatActivations(BeatModel.load())
    stream.believe(evidence)
    ours = stream.push(mel.melspectrogram(samples, sample_rate=rate))
    given = {"samples": to_text(samples), "rate": rate, "chunk": chunk, "evidence": evidence}
    theirs = np.frombuffer(base64.b64decode(engine.evaluate(BEATS, given)), "<f4").reshape(-1, 2)
    assert len(ours) - 5 < len(theirs) <= len(ours)  # the last frames have no sound behind them yet
    assert ours.max() > 0.9
    np.testing.assert_allclose(theirs, ours[: len(theirs)], atol=1e-3)


def assert_same(theirs: dict[str, Any], ours: Prediction) -> None:
    """Scores and probabilities within 1e-3, the same answer, the same parts."""
    assert theirs["verdict"] == ours.verdict
    assert theirs["dance"] == ours.dance
    assert theirs["best"] == ours.best
    assert tuple(theirs["also"]) == ours.also
    assert list(theirs["scores"]) == list(ours.scores)
    assert np.abs(np.array(list(theirs["scores"].values())) - list(ours.scores.values())).max() < 1e-3
    assert theirs["confidence"] == pytest.approx(ours.confidence, abs=1e-3)
    assert theirs["since"] == (None if ours.since is None else pytest.approx(ours.since, abs=1e-6))
    assert theirs["duration"] == pytest.approx(ours.duration)
    assert theirs["padded"] == ours.padded
    assert theirs["certainty"] == ours.certainty
    assert theirs["live"] == ours.live
    assert theirs["metre"] == ours.metre
    rows = np.array([segment["scores"] for segment in theirs["segments"]])
    assert rows.shape == ours.segment_scores.shape
    assert np.abs(rows - ours.segment_scores).max() < 1e-3
    assert [segment["start"] for segment in theirs["segments"]] == pytest.approx(ours.segment_times)
    for name in ("dance", "verdict", "best"):
        assert [part[name] for part in theirs["parts"]] == [getattr(part, name) for part in ours.parts]
    for mine, other in zip(map(asdict, ours.parts), theirs["parts"], strict=True):
        for name in ("start", "end", "confidence"):
            assert other[name] == pytest.approx(mine[name], abs=1e-3), name
        for name in ("tempo_bpm", "tempo_mpm"):
            # within one step of the grid of tempi
            assert other[name] == (None if mine[name] is None else pytest.approx(mine[name], rel=0.003)), name
    tempo = None if ours.tempo_mpm is None else pytest.approx(ours.tempo_mpm, rel=0.003)
    assert theirs["tempo_mpm"] == tempo


@pytest.mark.parametrize("rate", RATES)
def test_a_medley_from_a_file_is_pythons(engine: Page, medley: tuple[Float32, int], rate: int) -> None:
    samples = at(*medley, rate)
    ours = runtime.Classifier(threads=1).classify_samples(samples, rate)
    assert [part.dance for part in ours.parts] == ["quickstep", "rumba", "viennese_waltz"]
    assert_same(engine.evaluate(WHOLE, {"samples": to_text(samples), "rate": rate}), ours)


def hard(medley: tuple[Float32, int]) -> Float32:
    """What tempts an aggregation: a rumba, silence, noise, and a quickstep that fades in."""
    samples, rate = medley
    rng = np.random.default_rng(1)
    noise = (0.1 * rng.standard_normal(8 * rate)).astype(np.float32)
    rising = samples[: 15 * rate] * np.linspace(0, 1, 15 * rate, dtype=np.float32) ** 2
    silence = np.zeros(7 * rate, np.float32)
    return np.concatenate([samples[24 * rate : 36 * rate], silence, noise, rising])


def test_live_music_is_pythons(engine: Page, medley: tuple[Float32, int]) -> None:
    """Every update on the way, not only the last one."""
    rate = medley[1]
    samples = hard(medley)
    music, stream = PlayingMusic(runtime.LiveClassifier(rate, threads=1).judging), MelStream(rate)
    ours = []
    for i in range(0, len(samples), 4096):
        chunk = samples[i : i + 4096]
        if music.push(stream.push(chunk)):
            ours.append(music.prediction((i + len(chunk)) / rate))
    theirs = engine.evaluate(LIVE, {"samples": to_text(samples), "rate": rate})
    assert len(theirs) == len(ours) > 30
    assert {prediction.verdict for prediction in ours} > {"dance"}  # more than one kind of answer
    for their, our in zip(theirs, ours, strict=True):
        assert_same(their, our)


def test_a_line_in_that_pauses_is_heard_as_by_python(engine: Page, medley: tuple[Float32, int]) -> None:
    """Zeros between two dances are a gap, and the segments after it lie where Python's do."""
    samples, rate = medley
    music = samples[: 13 * rate], samples[48 * rate : 61 * rate]
    line = np.concatenate([music[0], np.zeros(int(5.3 * rate), np.float32), music[1]])
    chunk = 8192
    classifier = runtime.LiveClassifier(rate, threads=1)
    ours = [one for i in range(0, len(line), chunk) if (one := classifier.push(line[i : i + chunk]))]
    theirs = engine.evaluate(LINE_IN, {"samples": to_text(line), "rate": rate, "chunk": chunk})
    assert len(theirs) == len(ours) > 12
    assert {prediction.dance for prediction in ours} >= {"quickstep", "viennese_waltz"}
    for their, our in zip(theirs, ours, strict=True):
        assert_same(their, our)


@pytest.mark.parametrize("what", ["short", "silent", "silence within", "noise"])
def test_odd_recordings_are_pythons(engine: Page, medley: tuple[Float32, int], what: str) -> None:
    samples, rate = medley
    rng = np.random.default_rng(0)
    odd = {
        "short": samples[: 3 * rate],
        "silent": np.zeros(12 * rate, np.float32),
        "silence within": hard(medley),
        "noise": (0.2 * rng.standard_normal(12 * rate)).astype(np.float32),
    }[what]
    ours = runtime.Classifier(threads=1).classify_samples(odd, rate)
    assert_same(engine.evaluate(WHOLE, {"samples": to_text(odd), "rate": rate}), ours)
