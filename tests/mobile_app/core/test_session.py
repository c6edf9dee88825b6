"""A session from start to end, and everything that can come in between."""

import logging
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mobile_app.core.history import Draft, History
from mobile_app.core.listener import Ears, Options
from mobile_app.core.problems import Notice, Problem, SourceError, StorageError
from mobile_app.core.session import TRANSITIONS, Event, Session, State
from mobile_app.core.timeline import Timeline
from mobile_app.devices.file_source import FileSource
from runtime import Model, ModelError
from runtime.dances import DANCE_KEYS
from runtime.mel import Float32
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE, HandSource, Screen


class Bench:
    """A session with sources made by hand."""

    def __init__(self, history: History, screen: Screen, model: Model, **options: object) -> None:
        self.sources: list[HandSource] = []
        self.next: Callable[[], HandSource] = HandSource
        self.screen = screen

        def open_source() -> HandSource:
            self.sources.append(self.next())
            return self.sources[-1]

        self.session = Session(
            open_source,
            Ears(lambda: model),
            history,
            Options(**({"stride": 43} | options)),  # type: ignore[arg-type]
            post=screen.post,
            on_change=screen.changed,
        )

    @property
    def snapshot(self):
        return self.session.snapshot

    def start(self) -> HandSource:
        self.session.start()
        self.screen.until(lambda: self.snapshot.state is not State.STARTING)
        return self.sources[-1]

    def heard(self, seconds: float) -> None:
        """Wait until so much has been listened to."""
        self.screen.until(lambda: self.snapshot.elapsed >= seconds - 0.05)


@pytest.fixture
def bench(history: History, screen: Screen, model: Model) -> Bench:
    return Bench(history, screen, model)


def test_from_start_to_the_saved_result(bench: Bench, history: History, tone: ToneMaker) -> None:
    source = bench.start()
    assert bench.snapshot.state is State.LISTENING
    assert bench.snapshot.first_after == pytest.approx(5.2, abs=0.01)
    source.hear(tone("samba", 4.0))
    bench.heard(4)
    assert bench.snapshot.answer.kind == "not yet"
    source.hear(tone("samba", 8.0))
    bench.heard(12)
    assert (bench.snapshot.answer.certainty, bench.snapshot.answer.dance) == ("quite sure", "samba")
    assert bench.snapshot.level.advice == "good"
    bench.session.stop()
    assert (bench.snapshot.state, bench.snapshot.problem) == (State.FINISHED, None)
    assert source.stopped
    [entry] = history.entries()
    [line] = history.lines(entry.id)
    assert (line.dance, entry.model) == ("samba", "tiny 1")
    assert line.end - line.start == pytest.approx(12, abs=1.5)
    assert len(history.timeline(entry.id)) == len(bench.session.timeline) > 5


def test_it_grows_surer_and_is_never_quite_sure_at_once(bench: Bench, tone: ToneMaker) -> None:
    source = bench.start()
    source.hear(tone("tango", 6.0))
    bench.heard(6)
    assert bench.snapshot.answer.certainty == "probably"
    source.hear(tone("tango", 6.0))
    bench.heard(12)
    assert bench.snapshot.answer.certainty == "quite sure"


def test_stopped_too_early_says_so_and_saves_nothing(bench: Bench, history: History, tone: ToneMaker) -> None:
    bench.start().hear(tone("samba", 2.0))
    bench.heard(2)
    bench.session.stop()
    assert bench.snapshot.problem is Problem.TOO_SHORT
    assert history.entries() == []


def test_pause_and_resume_keep_the_evidence(bench: Bench, history: History, tone: ToneMaker) -> None:
    first = bench.start()
    first.hear(tone("jive", 8.0))
    bench.heard(8)
    bench.session.pause(Problem.PAUSED)
    assert (bench.snapshot.state, bench.snapshot.problem) == (State.PAUSED, Problem.PAUSED)
    assert first.stopped
    segments = len(bench.session.timeline)
    bench.next = lambda: HandSource(44_100)  # the phone came back with another microphone
    bench.session.resume()
    bench.screen.until(lambda: bench.snapshot.state is State.LISTENING)
    assert bench.snapshot.problem is None
    assert bench.snapshot.prediction is not None
    bench.sources[-1].hear(tone("jive", 8.0, 44_100))
    bench.heard(16)
    bench.session.stop()
    assert len(bench.session.timeline) >= 2 * segments
    [entry] = history.entries()
    assert entry.duration == pytest.approx(16, abs=0.3)


@pytest.mark.parametrize("problem", [Problem.MICROPHONE_TAKEN, Problem.NO_MICROPHONE])
def test_a_microphone_that_cannot_start(bench: Bench, problem: Problem) -> None:
    bench.next = lambda: HandSource(fails=SourceError(problem))
    bench.start()
    assert (bench.snapshot.state, bench.snapshot.problem) == (State.FINISHED, problem)


def test_microphone_taken_while_paused_waits_for_the_user(bench: Bench, tone: ToneMaker) -> None:
    bench.start().hear(tone("jive", 7.0))
    bench.heard(7)
    bench.session.pause()
    bench.next = lambda: HandSource(fails=SourceError(Problem.MICROPHONE_TAKEN))
    bench.session.resume()
    assert (bench.snapshot.state, bench.snapshot.problem) == (State.PAUSED, Problem.MICROPHONE_TAKEN)
    assert bench.snapshot.prediction is not None
    bench.next = HandSource
    bench.session.resume()
    bench.screen.until(lambda: bench.snapshot.state is State.LISTENING)


def test_headset_unplugged_goes_on_with_the_other_microphone(bench: Bench, tone: ToneMaker) -> None:
    source = bench.start()
    source.hear(tone("rumba", 7.0))
    bench.heard(7)
    source.end(SourceError(Problem.MICROPHONE_LOST))
    bench.screen.until(lambda: len(bench.sources) == 2 and bench.snapshot.state is State.LISTENING)
    assert bench.snapshot.notice is Notice.OTHER_MICROPHONE
    bench.sources[1].hear(tone("rumba", 1.0))
    bench.heard(8)
    assert bench.snapshot.notice is Notice.OTHER_MICROPHONE
    # Lost again at once: not tried for ever, but left to the user.
    bench.sources[1].end(SourceError(Problem.MICROPHONE_LOST))
    bench.screen.until(lambda: bench.snapshot.state is State.PAUSED)
    assert (bench.snapshot.problem, len(bench.sources)) == (Problem.MICROPHONE_LOST, 2)
    assert bench.snapshot.prediction is not None


def test_headset_unplugged_with_no_other_microphone(bench: Bench, tone: ToneMaker) -> None:
    source = bench.start()
    source.hear(tone("rumba", 7.0))
    bench.heard(7)
    bench.next = lambda: HandSource(fails=SourceError(Problem.NO_MICROPHONE))
    source.end(SourceError(Problem.MICROPHONE_LOST))
    bench.screen.until(lambda: bench.snapshot.state is State.PAUSED)
    assert bench.snapshot.problem is Problem.MICROPHONE_LOST
    assert bench.snapshot.elapsed == pytest.approx(7, abs=0.1)


def test_silence_of_another_app_does_not_spoil_the_result(bench: Bench, tone: ToneMaker) -> None:
    source = bench.start()
    source.hear(tone("tango", 8.0))
    bench.heard(8)
    source.hear(np.zeros(8 * RATE, np.float32))
    bench.heard(16)
    assert (bench.snapshot.notice, bench.snapshot.level.advice) == (Notice.SILENT, "silent")
    assert bench.snapshot.state is State.LISTENING
    source.hear(tone("tango", 8.0))
    bench.heard(24)
    assert bench.snapshot.notice is None
    # Nothing speaks against it, and it is still one dance.
    assert (bench.snapshot.answer.dance, len(bench.snapshot.lines)) == ("tango", 1)
    assert bench.snapshot.answer.confidence > 0.8


def test_full_disk_is_told_and_saved_later(
    bench: Bench, history: History, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(draft: Draft) -> None:
        raise StorageError(Problem.DISK_FULL, "database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(history, "save", full)
        source = bench.start()
        source.hear(tone("quickstep", 7.0))
        bench.heard(7)
        bench.screen.until(lambda: bench.snapshot.problem is Problem.DISK_FULL)
        assert bench.snapshot.answer.dance == "quickstep"
        bench.session.stop()
        assert bench.snapshot.problem is Problem.DISK_FULL
    history.save_unsaved()
    assert history.lines(history.entries()[0].id)[0].dance == "quickstep"


def test_sound_is_kept_only_if_wanted(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    for keep in (False, True):
        bench = Bench(history, screen, model, keep_audio=keep)
        bench.start().hear(tone("samba", 7.0))
        bench.heard(7)
        bench.session.stop()
    kept, unkept = history.entries()
    assert unkept.audio is None
    path = history.audio_path(kept.id)
    assert path is not None
    with wave.open(str(path)) as sound:
        assert sound.getnframes() / RATE == pytest.approx(7, abs=0.1)
    assert list(history.audio_folder.iterdir()) == [path]


def test_a_block_that_is_no_sound_is_a_gap_and_costs_no_evening(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    """Drivers give NaN and infinity; the sound that is kept stays a file that can be played."""
    source = HandSource()
    session = Session(
        lambda: source, Ears(lambda: model), history, Options(stride=43, keep_audio=True),
        post=screen.post, on_change=screen.changed,
    )  # fmt: skip
    session.start()
    source.hear(tone("samba", 12.0))
    for bad in (np.nan, np.inf, -1e30):
        source.hear(np.full(RATE // 4, bad, np.float32))
    source.hear(tone("samba", 12.0))
    screen.until(lambda: session.snapshot.elapsed > 24.5)
    session.stop()
    assert session.snapshot.state is State.FINISHED
    assert session.snapshot.problem is None
    [entry] = history.entries()
    assert {line.dance for line in history.lines(entry.id)} == {"samba"}
    path = history.audio_path(entry.id)
    assert path is not None
    sound, rate = soundfile.read(path)
    assert len(sound) / rate == pytest.approx(24.75, abs=0.2)
    assert np.isfinite(sound).all()
    assert np.sqrt((sound[: 11 * rate] ** 2).mean()) > 0.05


def test_full_disk_stops_the_sound_but_not_the_result(
    history: History, screen: Screen, model: Model, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mobile_app.core.listener.WavWriter.write", full)
    bench = Bench(history, screen, model, keep_audio=True)
    bench.start().hear(tone("samba", 7.0))
    bench.heard(7)
    assert bench.snapshot.notice is Notice.AUDIO_DISK_FULL
    bench.session.stop()
    assert history.lines(history.entries()[0].id)[0].dance == "samba"


def test_refused_permission(bench: Bench) -> None:
    bench.session.refuse(Problem.PERMISSION_REFUSED)
    assert (bench.snapshot.state, bench.snapshot.problem) == (State.FINISHED, Problem.PERMISSION_REFUSED)


def test_a_model_that_cannot_be_loaded(history: History, screen: Screen) -> None:
    def fail() -> Model:
        raise ModelError("damaged")

    source = HandSource()
    session = Session(
        lambda: source, Ears(fail), history, Options(43), post=screen.post, on_change=screen.changed
    )
    session.start()
    screen.until(lambda: session.snapshot.state is State.FINISHED)
    assert session.snapshot.problem is Problem.MODEL_UNUSABLE
    assert source.stopped


class SlowEngine:
    """Waits before every run until the test lets it go on."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.go = threading.Event()

    def run(self, batch: Float32) -> Float32:
        self.go.wait(20)
        return self.model.engine.run(batch)


def test_falling_behind_skips_segments_and_says_so(
    history: History, screen: Screen, model: Model, tone: ToneMaker, caplog: pytest.LogCaptureFixture
) -> None:
    engine = SlowEngine(model)
    bench = Bench(history, screen, Model(model.info, engine))
    source = bench.start()
    assert source.ring is not None
    source.hear(tone("samba", 6.0))
    for _ in range(30):  # half a minute while inference stands still
        source.hear(tone("samba", 1.0), wait=False)
        assert len(source.ring) <= source.ring.capacity == 8 * RATE
    with caplog.at_level(logging.WARNING):
        engine.go.set()
        source.hear(tone("samba", 4.0))
        bench.screen.until(lambda: bench.snapshot.skipped > 0)
    assert "fell behind" in caplog.text
    assert bench.snapshot.notice is Notice.FALLING_BEHIND
    source.hear(tone("samba", 20.0))
    bench.heard(60)
    assert bench.snapshot.notice is None  # it has caught up
    bench.session.stop()
    assert bench.snapshot.answer.dance == "samba"
    assert bench.session._listener.draft.duration == pytest.approx(
        60, abs=0.2
    )  # what was skipped counts as time


class BusyEngine:
    """While it works on one segment, three seconds of music come in; two would be the right number."""

    def __init__(self, model: Model, music: Float32) -> None:
        self.model, self.music = model, music
        self.source: HandSource | None = None

    def run(self, batch: Float32) -> Float32:
        if self.source:
            self.source.hear(np.resize(self.music, 3 * RATE * len(batch)), wait=False)
        return self.model.engine.run(batch)


def test_a_device_that_is_always_too_slow_still_gets_results(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    engine = BusyEngine(model, tone("samba", 3.0))
    bench = Bench(history, screen, Model(model.info, engine), stride=86)
    engine.source = bench.start()
    ring = engine.source.ring
    assert ring is not None
    for _ in range(8):
        engine.source.hear(tone("samba", 7.0))
        screen.until(lambda: len(ring) < RATE)
    bench.session.stop()
    assert bench.snapshot.skipped > 0
    # Each stretch between two gaps is long enough for several segments.
    assert len(bench.session.timeline) >= 8 * 4
    assert bench.snapshot.answer.dance == "samba"


def run_file(path: Path, history: History, screen: Screen, model: Model) -> Session:
    session = Session(
        lambda: FileSource(str(path)),
        Ears(lambda: model),
        history,
        Options(43),
        post=screen.post,
        on_change=screen.changed,
        source_name=path.name,
    )
    session.start()
    return session


def test_a_file_is_read_to_its_end_without_skipping(
    history: History, screen: Screen, model: Model, tone_file: Callable[..., Path]
) -> None:
    session = run_file(tone_file("slow_foxtrot", 60), history, screen, model)
    screen.until(lambda: session.snapshot.state is State.FINISHED)
    assert (session.snapshot.skipped, session.snapshot.problem) == (0, None)
    assert session.snapshot.elapsed == pytest.approx(60, abs=0.01)
    [entry] = history.entries()
    assert entry.source == "slow_foxtrot.wav"
    assert [line.dance for line in history.lines(entry.id)] == ["slow_foxtrot"]


def test_cancelling_a_file_leaves_nothing(
    history: History, screen: Screen, model: Model, tone_file: Callable[..., Path]
) -> None:
    session = run_file(tone_file("slow_foxtrot", 300), history, screen, model)
    screen.until(lambda: session.snapshot.prediction is not None)
    assert 0 < (session.snapshot.progress or 0) < 1
    session.cancel()
    assert session.snapshot.state is State.FINISHED
    assert history.entries() == []
    assert threading.active_count() < 10


def test_an_unreadable_file(history: History, screen: Screen, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "letter.mp3"
    path.write_text("Dear all")
    session = run_file(path, history, screen, model)
    screen.until(lambda: session.snapshot.state is State.FINISHED)
    assert session.snapshot.problem is Problem.FILE_UNREADABLE


def test_every_transition_is_defined_or_refused(bench: Bench) -> None:
    reachable = {State.IDLE} | set(TRANSITIONS.values())
    assert reachable == set(State)
    assert all(
        (state, Event.FINISH) in TRANSITIONS for state in State if state not in (State.IDLE, State.FINISHED)
    )
    bench.session.pause()  # none of these does anything before the start
    bench.session.resume()
    bench.session.stop()
    bench.session.cancel()
    assert bench.snapshot.state is State.IDLE


# Timeline


def test_timeline_is_reduced_to_the_width_of_the_screen() -> None:
    timeline, rng = Timeline(DANCE_KEYS), np.random.default_rng(1)
    times = np.arange(1800, dtype=np.float32)  # half an hour, a segment a second
    scores = rng.dirichlet(np.ones(10), 1800).astype(np.float32)
    for first in range(0, 1800, 7):
        timeline.extend(times[first : first + 7].tolist(), scores[first : first + 7])
    np.testing.assert_array_equal(timeline.scores, scores)
    at, heights = timeline.columns(100)
    assert heights.shape == (100, 10)
    np.testing.assert_allclose(heights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(heights.mean(axis=0), scores.mean(axis=0), atol=1e-5)
    assert np.all(np.diff(at) > 0)
    at, heights = timeline.columns(100, span=60)
    assert at[-1] == 1799
    assert at[0] <= 1739
    assert len(at) <= 63
    assert len(Timeline().columns(10)[0]) == 0
