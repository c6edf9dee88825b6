"""The count in phase with the music, by a clock that is simulated."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core.beating import Beating
from mobile_app.core.count import AudioClock, Count, Delay, Moment, Pattern, Pulse, delay_setting
from mobile_app.core.history import History
from mobile_app.core.lessons import LESSONS
from mobile_app.core.listener import Ears, Options
from mobile_app.core.metronome import Metronome
from mobile_app.core.session import Session, State
from mobile_app.core.settings import Preferences, load, save
from runtime import LiveClassifier, Model, ModelError
from runtime.beat_activations import BeatModel
from runtime.dances import dance
from tests.mobile_app.conftest import HandSource, Screen
from tests.mobile_app.waltz import RATE, waltz

FRAME = 1 / 60  # s of the screen
BLOCK = 0.1  # s of sound that comes at a time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets what `time.monotonic` says to the beats' followers."""
    now = [0.0]
    monkeypatch.setattr("mobile_app.core.beating.time.monotonic", lambda: now[0])
    return lambda value: now.__setitem__(0, value)


def test_blocks_come_late_never_early() -> None:
    rng, audio = np.random.default_rng(0), AudioClock()
    for number in range(1, 100):
        audio.note(number * BLOCK, 50.0 + number * BLOCK + rng.choice([0.002, 0.02, 0.08]))
    assert audio.at(12.0) == pytest.approx(62.0, abs=0.003)
    assert audio.seconds(audio.at(3.25)) == pytest.approx(3.25)


def shown(
    samples: np.ndarray, clock: Callable[[float], None], lead: float = 0.0, told: float | None = None
) -> list[tuple[float, int | None]]:
    """When each beat appears on a screen that hears the samples in blocks, and its number."""
    rng = np.random.default_rng(2)
    classifier = LiveClassifier(RATE, beats=True, threads=1)
    beating, count = Beating(classifier), Count()
    found: list[tuple[float, int | None]] = []
    n, before, answer = round(BLOCK * RATE), None, None
    for number in range(len(samples) // n):
        prediction = classifier.push(samples[number * n : (number + 1) * n])
        answer = prediction or answer
        came = (number + 1) * BLOCK
        came += float(rng.choice([0.0, 0.004, 0.03]))
        clock(came + 0.01)  # inference takes its time
        if told is not None and came >= told:
            beating.this_is_the_one(told, lead)
            count.begin(told)
            told = None
        count.follow(beating.pulse(0.0, came, lead))
        for frame in range(round(BLOCK / FRAME)):
            now = came + 0.01 + frame * FRAME
            moment = count.at(now + FRAME / 2)
            if moment and moment.beat != before:
                found.append((now, moment.position))
                before = moment.beat
    assert answer is not None
    assert answer.dance == "slow_waltz"
    return found


def test_beats_of_a_waltz_are_shown_on_the_beat(clock: Callable[[float], None]) -> None:
    """Within 50 ms, each once, and from the naming on with its number."""
    samples, beats = waltz(32.0)
    found = [(at, position) for at, position in shown(samples, clock) if at > 8.0]
    nearest = [int(np.abs(beats - at).argmin()) for at, _ in found]
    apart = np.array([at - beats[k] for (at, _), k in zip(found, nearest, strict=True)])
    assert len(found) >= 32
    assert np.abs(apart).max() <= 0.050, apart.round(3)
    assert all(b - a == 1 for a, b in pairwise(nearest))
    assert [position for _, position in found] == [k % 3 + 1 for k in nearest]


def test_a_delay_that_was_set_is_made_up_for(clock: Callable[[float], None]) -> None:
    samples, beats = waltz(20.0)
    early = [at for at, _ in shown(samples, clock, lead=0.15) if 8.0 < at < beats[-1]]
    apart = [at + 0.15 - beats[np.abs(beats - at - 0.15).argmin()] for at in early]
    assert len(early) > 12
    assert np.abs(apart).max() <= 0.050


def test_the_dancers_one_is_kept_for_the_song(clock: Callable[[float], None]) -> None:
    samples, beats = waltz(30.0)
    found = shown(samples, clock, told=float(beats[22]) + 0.03)  # a two, to the ear
    after = [(int(np.abs(beats - at).argmin()), position) for at, position in found if at > beats[22] + 0.1]
    assert len(after) > 16
    assert [position for _, position in after] == [(k - 1) % 3 + 1 for k, _ in after]


def test_after_a_gap_in_a_song_its_one_is_found_again(clock: Callable[[float], None]) -> None:
    """And the next song begins with what is heard."""

    class Stub:
        seconds = 0.0
        told: list[float] = []  # noqa: RUF012
        forgot = 0
        heard = 2  # what the network takes the dancer's one for

        def beat(self, now: float):
            from runtime.beats import NextBeat

            k = int(np.ceil(now / 0.5 + 1e-9))
            shift = 0 if self.told else self.heard - 1
            return NextBeat(k * 0.5, (k + shift) % 3 + 1, 3, 0.5, 1.0, 1.0)

        def this_is_the_one(self, time: float) -> None:
            self.told.append(time)

        def forget_the_one(self) -> None:
            self.forgot += 1

    stub = Stub()
    beating = Beating(stub)  # type: ignore[arg-type]

    def pulse(at: float) -> Pulse:
        stub.seconds = at
        clock(at)
        found = beating.pulse(0.0, at, 0.0)
        assert found is not None
        return found

    assert pulse(2.9).position_at(3.0) == 2
    beating.this_is_the_one(3.02, 0.0)
    assert pulse(3.1).position_at(3.0) == 1
    stub.told.clear()  # the filter begins anew
    beating.lost()
    assert pulse(6.1).position_at(6.0) == 1
    assert len(stub.told) == 1
    stub.told.clear()
    beating.new_song()
    assert stub.forgot == 1
    beating.lost()
    assert pulse(9.1).position_at(9.0) == 2
    assert not stub.told


def run(count: Count, pulses: dict[float, Pulse | None], until: float) -> list[tuple[float, int | None]]:
    """Beats that appear, where words come at some times."""
    found, before, due = [], None, sorted(pulses)
    for frame in range(round(until / FRAME)):
        now = frame * FRAME
        while due and due[0] <= now:
            count.follow(pulses[due.pop(0)])
        moment = count.at(now)
        if moment and moment.beat != before:
            found.append((now, moment.position))
        before = moment.beat if moment else None
    return found


def test_a_beat_that_is_foretold_later_is_not_shown_twice() -> None:
    first, moved = Pulse(1.0, 0.5, 4, 4), Pulse(1.08, 0.5, 4, 4)
    found = run(Count(), {0.9: first, 1.02: moved, 1.2: replace(moved, time=1.55, position=1)}, 1.9)
    assert [position for _, position in found] == [3, 4, 1]  # the one before, too: it is known already


def test_unsure_shows_no_number_and_then_nothing() -> None:
    sure = Pulse(1.0, 0.5, 1, 4)
    unsure = {1.1 + 0.1 * n: Pulse(1.5 + 0.5 * (n // 5), 0.5, None, 4) for n in range(20)}
    found = run(Count(), {0.9: sure, **unsure}, 8.0)
    numbers = [position for _, position in found]
    assert numbers[:4] == [4, 1, 2, 3]  # runs on by itself for two beats
    assert set(numbers[4:]) == {None}
    assert found[-1][0] < 5.0
    assert Count().at(1.0) is None


@pytest.mark.parametrize(
    ("key", "bar", "positions"),
    [
        ("cha_cha_cha", 4, {1: "1", 2: "2", 3: "3", 4: "4"}),
        ("rumba", 4, {2: "2", 3: "3", 4: "4–1", 1: "4–1"}),
        ("slow_foxtrot", 4, {1: "slow", 2: "slow", 3: "quick", 4: "quick"}),
        ("slow_waltz", 3, {1: "1", 2: "2", 3: "3"}),
        ("salsa", 4, {1: "quick", 2: "quick", 3: "slow", 4: "slow"}),
        ("mambo", 4, {1: "1", 4: "4"}),  # has no count of its own
        (None, 3, {1: "1", 3: "3"}),
    ],
)
def test_dancers_count(key: str | None, bar: int, positions: dict[int, str]) -> None:
    pattern = Pattern.of(key, bar)
    assert pattern is not None
    for position, said in positions.items():
        assert pattern.syllables[pattern.at(Moment(bar * 3 + position - 1, 0.1, bar))][0] == said
    assert Pattern.of("slow_waltz", 4) is None  # bars of four are no waltz's: rather nothing


def test_the_half_beat_of_a_cha_cha_cha() -> None:
    pattern = Pattern.of("cha_cha_cha", 4)
    assert pattern is not None
    four = [pattern.syllables[pattern.at(Moment(3, phase, 4))][0] for phase in (0.0, 0.49, 0.51, 0.99)]
    assert four == ["4", "4", "&", "&"]


@pytest.mark.parametrize("key", list(LESSONS))
def test_counts_of_lessons_go_on_for_ever(key: str) -> None:
    """A pattern of six or three beats goes on over bars of four: nothing is left out, nothing begins anew."""
    facts = dance(key)
    assert facts.beats_per_bar is not None
    pattern = Pattern.of(key, facts.beats_per_bar)
    assert pattern is not None
    assert sum(beats for _, beats in pattern.syllables) == pattern.beats
    assert pattern.beats % facts.beats_per_bar in (0, facts.beats_per_bar / 2) or key == "discofox"
    count, heard = Count(), []
    for beat in range(5 * pattern.beats):
        pulse = Pulse(10 + beat * 0.5, 0.5, beat % facts.beats_per_bar + 1, facts.beats_per_bar)
        count.follow(pulse)
        for phase in np.arange(0.01, 1, 0.02):
            moment = count.at(10 + (beat + phase) * 0.5)
            assert moment is not None
            heard.append(pattern.at(moment))
    changes = [b for a, b in pairwise(heard) if a != b]
    n = len(pattern.syllables)
    assert all((b - a) % n == 1 for a, b in pairwise(changes))
    assert len(changes) >= 5 * n - 2


def test_taps_tell_the_delay() -> None:
    rng, delay = np.random.default_rng(4), Delay()
    for beat in range(10):
        assert beat >= 8 or delay.seconds is None
        pulse = Pulse(beat * 0.68 + 0.68, 0.68, 1, 3)
        delay.tap(beat * 0.68 - 0.12 + rng.normal(0, 0.02), pulse)  # shown 120 ms after the hand
    assert delay.seconds == pytest.approx(0.12, abs=0.02)
    assert delay_setting(0, 0.123) == 125
    assert delay_setting(125, -0.123) == 0
    assert delay_setting(300, 0.3) == 400  # no phone is as late
    wild = Delay()
    for beat in range(16):
        wild.tap(beat * 0.68 + rng.uniform(0, 0.68), Pulse(0, 0.68, 1, 3))
    assert wild.seconds is None


def test_the_delay_of_a_damaged_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    for value in ("1e9", "true", "100000", '"40"', "[]", "-401"):
        path.write_text(f'{{"count_delay": {value}}}')
        assert load(path).count_delay == 0
    save(Preferences(count_delay=-80), path)
    assert load(path).count_delay == -80
    assert not Preferences(thrifty=True, buzz_one=True).beats
    assert Preferences(count=False, buzz_one=True).beats


def test_a_buzz_on_every_one() -> None:
    """In real time, from words that come ten times a second and waver."""
    buzzed: list[float] = []
    metronome = Metronome(lambda: buzzed.append(time.monotonic()))
    rng, began = np.random.default_rng(3), time.monotonic() + 0.1
    bar = 3 * 0.2
    while (now := time.monotonic()) < began + 2.9:
        beat = int(np.ceil((now - began) / 0.2))
        metronome.hear(Pulse(began + beat * 0.2 + rng.normal(0, 0.004), 0.2, beat % 3 + 1, 3))
        metronome.hear(Pulse(began + beat * 0.2, 0.2, None, 3))
        metronome.hear(None)
        time.sleep(0.05)
    ones = [began + k * bar for k in range(5)]
    assert len(buzzed) == 5
    assert np.abs(np.subtract(buzzed, ones)).max() < 0.15  # as late as a busy machine is


def test_a_motor_that_fails_costs_the_buzz() -> None:
    called = threading.Semaphore(0)

    def buzz() -> None:
        called.release()
        raise RuntimeError("no motor")

    metronome = Metronome(buzz)
    for _ in range(2):
        metronome.hear(Pulse(time.monotonic() + 0.02, 0.01, 1, 3))
        assert called.acquire(timeout=5)
        time.sleep(0.05)


def test_a_session_follows_beats_and_taps(history: History, screen: Screen) -> None:
    sources: list[HandSource] = []

    def opened() -> HandSource:
        sources.append(HandSource(RATE))
        return sources[-1]

    heard: list[Pulse | None] = []
    session = Session(
        opened,
        Ears(lambda: Model.load(threads=1), BeatModel.load),
        history,
        Options(stride=43, beats=True),
        post=screen.post,
        on_change=screen.changed,
        on_pulse=heard.append,
    )
    session.start()
    samples, _ = waltz(14.0)
    for block in np.split(samples, range(RATE // 10, len(samples), RATE // 10)):
        sources[-1].hear(block)
        ring = sources[-1].ring
        screen.until(lambda ring=ring: not len(ring))  # no beat is told of what waits to be heard
    screen.until(lambda: session.snapshot.elapsed > 13.8)
    found = [pulse for pulse in heard if pulse]
    assert len(found) > 30
    assert {pulse.beats_per_bar for pulse in found[-20:]} == {3}
    assert found[-1].period == pytest.approx(60 / 88, abs=0.03)
    session.this_is_the_one(time.monotonic())
    session.pause()
    assert session.snapshot.pulse is None
    session.stop()


def test_without_the_network_for_beats_the_evening_goes_on(
    history: History, screen: Screen, model: Model
) -> None:
    def missing() -> BeatModel:
        raise ModelError("beats.onnx: no such model file")

    source = HandSource(RATE)
    options = Options(stride=43, beats=True)
    session = Session(
        lambda: source, Ears(lambda: model, missing), history, options,
        post=screen.post, on_change=screen.changed,
    )  # fmt: skip
    session.start()
    source.hear(waltz(7.0)[0])
    screen.until(lambda: session.snapshot.prediction is not None)
    session.this_is_the_one(time.monotonic())
    assert session.snapshot.state is State.LISTENING
    assert session.snapshot.pulse is None
    session.stop()
