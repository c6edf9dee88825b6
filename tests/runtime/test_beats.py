"""Beats of files and of music that plays, on made-up activations and on generated music."""

import json
import time
import tracemalloc
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.stats import gmean

import runtime
from runtime import beat_files
from runtime.bar_pointer import BarFilter
from runtime.beat_activations import BeatActivations, BeatFeatures, BeatModel, activations
from runtime.beats import Beats, BeatTracker, beats_of, clearness, find_beats, steady
from runtime.errors import ModelError, ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE, melspectrogram
from runtime.model import resolve

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def model() -> BeatModel:
    return BeatModel.load()


@pytest.fixture(scope="module")
def waltz() -> np.ndarray:
    return _example("viennese_waltz")


def _example(name: str) -> np.ndarray:
    samples, rate = soundfile.read(EXAMPLES / f"{name}.ogg", dtype="float32")
    return melspectrogram(samples, sample_rate=rate)


def test_a_stream_in_chunks_gives_what_the_whole_gives(model: BeatModel, waltz: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    evidence = {"viennese_waltz": 0.9, "other": 0.1}
    whole = activations(model, waltz, evidence)
    stream = BeatActivations(model)
    stream.believe(evidence)
    parts, first = [], 0
    while first < len(waltz):
        n = int(rng.integers(1, 12))
        parts.append(stream.push(waltz[first : first + n]))
        first += n
    parts.append(stream.flush())
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    assert whole.shape == (len(waltz), 2)


def test_the_network_does_not_see_the_future(model: BeatModel, waltz: np.ndarray) -> None:
    changed = waltz.copy()
    changed[400:] = changed[400:][::-1]
    one, two = (activations(model, frames, {}) for frames in (waltz, changed))
    np.testing.assert_array_equal(one[:396], two[:396])  # but for 4 frames of look-ahead
    assert not np.allclose(one[400:420], two[400:420], atol=1e-3)


def test_loudness_does_not_matter(waltz: np.ndarray) -> None:
    one, two = (BeatFeatures().push(frames) for frames in (waltz, waltz * np.float32(1e-4)))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_beats_of_a_waltz_are_steady_and_in_threes(model: BeatModel, waltz: np.ndarray) -> None:
    beats = find_beats(waltz, {"viennese_waltz": 1.0}, model=model)
    assert 60 / np.median(np.diff(beats.times)) == pytest.approx(174, rel=0.02)
    assert set(np.diff(beats.positions)) <= {1, -2}
    assert beats.times[-1] > 23


def test_live_foresees_what_the_file_says(model: BeatModel, waltz: np.ndarray) -> None:
    """On the beat: predictions made before it, within 50 ms of the beats told by knowing all."""
    truth = np.array(find_beats(waltz, {"viennese_waltz": 1.0}, model=model).times)
    tracker = BeatTracker(model)
    errors = []
    for frame in range(len(waltz) - 30):
        tracker.push(waltz[frame : frame + 1])
        if frame == 224:
            tracker.believe({"viennese_waltz": 0.95, "other": 0.05})
        now = frame / FRAME_RATE + 0.046
        beat = tracker.beat(now)
        if frame > 8 * FRAME_RATE and beat is not None:
            assert beat.time >= now - 0.02
            errors.append(np.abs(truth - beat.time).min())
    assert len(errors) > 400
    assert np.percentile(errors, 90) < 0.05


def test_clear_is_what_is_heard_at_even_distances() -> None:
    """Of activations by hand: all of it, half as strong, moved about, and one long break."""
    even = np.arange(10.0, 1500, 20)
    jumps = np.random.default_rng(0).uniform(-6, 6, len(even))

    def clear(at: np.ndarray, height: float) -> np.ndarray:
        heard = np.zeros((1600, 2), np.float32)
        heard[np.rint(at).astype(int), 0] = height
        return clearness(at, heard)

    np.testing.assert_allclose(clear(even, 1.0), 1.0)
    np.testing.assert_allclose(clear(even, 0.5), 0.5)
    assert clear(even + jumps, 1.0).max() < 0.5
    broken = np.delete(even, np.s_[30:40])
    assert clear(broken, 1.0).min() > 0.9  # a break of the drums is no change of tempo
    assert clear(even[:1], 1.0).tolist() == [0.0]
    assert clear(even[:2], 1.0).tolist() == [1.0, 1.0]


def test_clear_is_said_of_the_sixteen_seconds_around() -> None:
    """Music, then a talk: the line between them is told within half a stretch."""
    at = np.arange(10.0, 2700, 20)
    heard = np.zeros((2800, 2), np.float32)
    heard[np.rint(at[at < 1400]).astype(int), 0] = 1
    found = clearness(at, heard)
    half = 8 * FRAME_RATE
    np.testing.assert_allclose(found[at < 1400 - half - 20], 1)
    np.testing.assert_allclose(found[at > 1400 + half + 20], 0.01)
    assert np.all(np.diff(found) <= 1e-9)
    # by another way: of the beats that are at most 8 s away
    heights = np.where(at < 1400, 1, 0.01)
    by_hand = [gmean(heights[np.abs(at - t) <= half]) for t in at]
    np.testing.assert_allclose(found, by_hand)


@pytest.mark.parametrize("kind", ["noise", "hum", "silence"])
def test_what_has_no_beat_has_none(model: BeatModel, kind: str) -> None:
    rng = np.random.default_rng(0)
    moments = np.arange(12 * 22050) / 22050
    samples = {
        "noise": rng.normal(0, 0.1, len(moments)),
        "hum": 0.1 * np.sin(2 * np.pi * 100 * moments),
        "silence": np.zeros(len(moments)),
    }[kind]
    frames = melspectrogram(samples.astype(np.float32))
    assert find_beats(frames, {}, model=model) == Beats()
    tracker = BeatTracker(model)
    shown = 0
    for frame in range(len(frames)):
        tracker.push(frames[frame : frame + 1])
        shown += tracker.beat(frame / FRAME_RATE + 0.046) is not None
    assert shown < 0.05 * len(frames)


def test_work_and_memory_are_constant(model: BeatModel, waltz: np.ndarray) -> None:
    """Of some minutes the last frames cost what the first did, and nothing that is kept has grown."""
    tracker = BeatTracker(model)
    tracker.believe({"viennese_waltz": 1.0})
    seconds, held = [], []
    tracemalloc.start()
    for _ in range(8):
        begun = time.process_time()
        for first in range(0, len(waltz), 172):
            tracker.push(waltz[first : first + 172])
            tracker.beat(first / FRAME_RATE)
        seconds.append(time.process_time() - begun)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] - held[1] < 50_000
    assert np.median(seconds[-3:]) < 1.5 * np.median(seconds[1:4])


def test_another_song_starts_the_bar_anew_within_four_seconds(model: BeatModel) -> None:
    """Songs of other dances, one after the other as a DJ plays them; what it is now is named 3 s later.

    From 4 s after that on, what is shown is what the whole song tells, but for a tenth: where the bars of the
    rumba begin can hardly be heard.
    """
    songs = {
        name: _example(name)[: round(18 * FRAME_RATE)] for name in ("rumba", "quickstep", "viennese_waltz")
    }
    whole = {name: find_beats(_example(name), {name: 1.0}, model=model) for name in songs}
    shares = []
    for before, after in permutations(songs, 2):
        first, second, truth = songs[before], songs[after], whole[after]
        tracker = BeatTracker(model)
        tracker.believe({before: 0.95, "other": 0.05})
        tracker.push(first)
        right = []
        start = len(first) / FRAME_RATE
        for frame in range(len(second) - 43):
            if frame == round(2 * FRAME_RATE):
                tracker.believe({before: 0.5, after: 0.5})
            if frame == round(3 * FRAME_RATE):
                tracker.believe({after: 0.95, "other": 0.05})
            tracker.push(second[frame : frame + 1])
            beat = tracker.beat(start + frame / FRAME_RATE + 0.046)
            if frame > 7 * FRAME_RATE and beat is not None:  # 4 s after the other dance is named
                nearest = int(np.abs(np.array(truth.times) - (beat.time - start)).argmin())
                on_the_beat = abs(truth.times[nearest] - (beat.time - start)) < 0.07
                right.append(on_the_beat and beat.position in (None, truth.positions[nearest]))
        assert len(right) > 300, f"{before} to {after}"
        shares.append(np.mean(right))
        assert shares[-1] > (0.95 if after != "rumba" else 0.7), f"{before} to {after}"
    assert np.mean(shares) > 0.9


def test_a_gap_starts_anew(model: BeatModel, waltz: np.ndarray) -> None:
    tracker = BeatTracker(model)
    assert tracker.beat(0.0) is None
    tracker.push(waltz)
    tracker.gap(5000)
    assert tracker.beat(5000 / FRAME_RATE) is None
    tracker.push(waltz)
    beat = tracker.beat((5000 + len(waltz)) / FRAME_RATE)
    assert beat is None or beat.time >= 5000 / FRAME_RATE


def test_a_long_recording_is_searched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.arange(0.3, 60, 0.5)
    heard = np.full((round(60 * FRAME_RATE), 2), 0.02, np.float32)
    at = np.rint(times * FRAME_RATE).astype(int)
    heard[at, 0] = 0.9
    heard[at[::4], 1] = 0.8
    whole = beats_of(heard, {"cha_cha_cha": 1.0})
    monkeypatch.setattr("runtime.beats.CHUNK_SECONDS", 20.0)
    pieces = beats_of(heard, {"cha_cha_cha": 1.0})
    assert len(whole.times) == pytest.approx(len(times), abs=1)
    assert len(pieces.times) == pytest.approx(len(times), abs=2)
    assert np.mean([np.abs(times - t).min() < 0.05 for t in pieces.times]) > 0.97


def test_classifiers_tell_beats_where_they_are_asked_to() -> None:
    path = EXAMPLES / "rumba.ogg"
    plain = runtime.Classifier(threads=1).classify(path)
    assert plain.beats is None
    assert "beats" not in plain.to_dict()
    told = runtime.Classifier(threads=1, beats=True).classify(path)
    assert told.beats is not None
    assert 60 / np.median(np.diff(told.beats.times)) == pytest.approx(told.tempo_bpm, rel=0.04)
    again = runtime.Prediction.from_dict(json.loads(json.dumps(told.to_dict())))
    assert again.beats == told.beats

    samples, rate = soundfile.read(path, dtype="float32")
    live = runtime.LiveClassifier(rate, threads=1, beats=True)
    for first in range(0, len(samples), 2048):
        live.push(samples[first : first + 2048])
    beat = live.beat()
    assert beat is not None
    assert live.seconds <= beat.time < live.seconds + 1.5
    live.this_is_the_one(beat.time)
    one = live.beat()
    assert one is not None
    assert one.position == 1
    assert runtime.LiveClassifier(rate, threads=1).beat() is None


def test_a_dancers_word_holds_until_another_song() -> None:
    """Beats in threes with ones that are plain to hear; a dancer says that the two is the one."""
    heard = np.full((990, 2), 0.01, np.float32)
    heard[10::30, 0], heard[10::90, 1] = 0.95, 0.9
    bars = BarFilter()
    bars.believe({"slow_waltz": 1.0})

    def next_one(frames: range) -> int:
        """Of these frames the one that the last of them takes for the next one."""
        bars.push(heard[frames.start : frames.stop])
        beat = bars.forecast(0.0)
        first = frames.stop - 1 + beat.delay * FRAME_RATE
        return round(first + (1 - beat.position) % 3 * beat.period * FRAME_RATE)

    assert next_one(range(450)) % 90 == pytest.approx(10, abs=2)
    bars.tell_the_one(490 - 449)  # frame 490 sounds like a two
    assert next_one(range(450, 720)) % 90 == pytest.approx(40, abs=2)
    bars.forget_the_one()
    assert next_one(range(720, 990)) % 90 == pytest.approx(10, abs=2)


def test_grids_are_as_few_as_the_tempo_is_steady() -> None:
    even = np.arange(40) * 0.5 + 0.2
    (one,) = steady(Beats.of(even, np.arange(40) % 4 + 1))
    assert (one.start, one.bpm, one.position, one.beats_per_bar) == pytest.approx((0.2, 120, 1, 4))
    later = even[-1] + 0.4 * np.arange(1, 30)
    two = steady(Beats.of([*even, *later], np.arange(69) % 4 + 1))
    assert [round(s.bpm) for s in two] == [120, 150]
    assert steady(Beats()) == []
    assert steady(Beats((1.0,), (1,))) == []


@pytest.mark.parametrize(
    ("times", "positions", "message"),
    [
        ((1.0, 1.0), (1, 2), "must rise"),
        ((-1.0,), (1,), "must rise, from 0"),
        ((1.0,), (0,), "counted from 1"),
        ((1.0,), (), "1 times of beats, but 0 positions"),
        ((float("nan"),), (1,), "must rise"),
    ],
)
def test_beats_that_are_none_are_refused(times: tuple, positions: tuple, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Beats(times, positions)


def test_files_by_their_suffix(tmp_path: Path) -> None:
    beats = Beats((0.25, 0.75, 1.5), (3, 1, 2))
    for suffix in (".beats", ".csv", ".json", ".txt"):
        beat_files.write(tmp_path / f"a{suffix}", beats)
    assert beat_files.read(tmp_path / "a.beats") == beats
    assert (tmp_path / "a.csv").read_text().splitlines()[:2] == ["time,position", "0.250,3"]
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "times": [0.25, 0.75, 1.5],
        "positions": [3, 1, 2],
    }
    assert (tmp_path / "a.txt").read_text().splitlines()[1] == "0.750000\t0.750000\t1"
    with pytest.raises(ParameterError, match="ends in one of these"):
        beat_files.write(tmp_path / "a.mid", beats)


def test_what_is_no_file_of_beats_is_named(tmp_path: Path) -> None:
    for content, message in (
        (b"0.5 1\nhello\n", "line 2"),
        (b"\xff\xfe", "no text"),
        (b"1 1\n0.5 2\n", "rise"),
    ):
        (tmp_path / "x.beats").write_bytes(content)
        with pytest.raises(WhichdanceError, match=message):
            beat_files.read(tmp_path / "x.beats")
    with pytest.raises(WhichdanceError, match="cannot be read"):
        beat_files.read(tmp_path / "none.beats")


def test_clicks_are_heard_at_the_beats() -> None:
    samples = np.random.default_rng(0).normal(0, 0.01, 22050 * 4).astype(np.float32)
    beats = Beats((0.5, 1.0, 1.5, 3.99), (1, 2, 3, 1))
    clicked = beat_files.with_clicks(np.zeros_like(samples), 22050, beats)
    loud = np.flatnonzero(np.abs(clicked) > 0.05) / 22050
    for at in beats.times:
        assert np.abs(loud - at).min() < 0.005
    assert not ((loud > 0.55) & (loud < 1.0)).any()
    assert np.abs(clicked[11025:11900]).max() > 1.5 * np.abs(clicked[22050:22900]).max()  # the one is louder
    assert np.abs(beat_files.with_clicks(samples * 1e5, 22050, beats)).max() <= 1


def test_other_files_are_no_network_for_beats(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        BeatModel.load(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="a network for beats needs 'beats 2'"):
        BeatModel.load(resolve())
