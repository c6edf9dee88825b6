"""A line for every song, named or not; what the user says while it plays; where songs are in the sound."""

import io
import re
import wave
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mobile_app.core import export, recording
from mobile_app.core.history import History
from mobile_app.core.recording import WavWriter, cut, position
from mobile_app.core.setlist import LEAST_SONG_SECONDS, Pauses, SetList
from runtime import Model, Part, Prediction
from runtime.dances import DANCE_KEYS, OTHER
from runtime.live import FLOOR_DB, Level, LevelMeter
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE, Screen
from tests.mobile_app.core.test_session import Bench, SlowEngine

KEYS = (*DANCE_KEYS, OTHER)
START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
NOISE = np.random.default_rng(1).normal(0, 0.1, 400 * RATE).astype(np.float32)


class Evening:
    """What the runtime says, a segment every two seconds, of songs that are or are not named."""

    def __init__(self) -> None:
        self.set_list = SetList(KEYS)
        self.set_list.clock(0.0, START)
        self.parts: list[Part] = []
        self.now = 0.0
        self.rng = np.random.default_rng(1)

    def song(self, seconds: float, dance: str | None, likely: tuple[str, ...] = ()) -> None:
        """Named after six seconds, or never."""
        began = self.now
        while self.now < began + seconds - 5.2:
            if dance and self.now > began + 6:
                part = Part(began, self.now + 5.2, dance, "dance", 0.9, 100.0, 25.0)
                if self.parts and self.parts[-1].start == began:
                    self.parts[-1] = part
                else:
                    self.parts.append(part)
            self._say(dance if self.parts and self.parts[-1].start == began else None, dance, likely)
            self.now += 2.0
        self.now = began + seconds

    def _say(self, named: str | None, dance: str | None, likely: tuple[str, ...]) -> None:
        scores = dict(zip(KEYS, self.rng.uniform(0.01, 0.02, 11), strict=True))
        scores |= {key: 0.4 - 0.1 * i for i, key in enumerate((dance,) if dance else likely)}
        rows = np.array([list(scores.values())], np.float32)
        best = max(DANCE_KEYS, key=lambda key: scores[key])
        self.set_list.note(
            Prediction(
                named,
                "dance" if named else "not sure",
                scores[best],
                best,
                scores,
                (self.now,),
                rows,
                5.2,
                self.now + 5.2,
                parts=tuple(self.parts),
            )
        )

    def silence(self, seconds: float) -> None:
        """The runtime learns nothing."""
        assert self.set_list._prediction is not None
        for start in np.arange(self.now, self.now + seconds, 2.0):
            self.set_list.note(replace(self.set_list._prediction, segment_times=(float(start),)))
        self.now += seconds

    @property
    def lines(self) -> list[tuple[str | None, float, float]]:
        return [(line.dance, line.start, line.end) for line in self.set_list.lines]


def test_one_of_five_songs_that_is_not_recognised_has_its_line() -> None:
    evening = Evening()
    for dance in ("samba", "tango", None, "rumba", "jive"):
        evening.song(200.0, dance, ("slow_waltz", "slow_foxtrot"))
        evening.silence(8.0)
    assert [dance for dance, _, _ in evening.lines] == ["samba", "tango", None, "rumba", "jive"]
    line = evening.set_list.lines[2]
    assert (line.start, line.end) == pytest.approx((416, 616), abs=6)
    assert (line.best, line.also) == ("slow_waltz", ("slow_foxtrot",))
    assert line.confidence == pytest.approx(0.4, abs=0.02)
    assert (line.at - START).total_seconds() == pytest.approx(416, abs=6)


def test_two_songs_that_are_not_recognised_have_two_lines() -> None:
    evening = Evening()
    for _ in range(2):
        evening.song(100.0, None, ("samba", "rumba"))
        evening.silence(6.0)
    assert [dance for dance, _, _ in evening.lines] == [None, None]
    evening.song(60.0, None, ("samba", "rumba"))
    evening.set_list.pause()  # a hall is never silent: what the level says
    evening.song(60.0, None, ("samba", "rumba"))
    assert len(evening.lines) == 4


def test_talk_between_songs_has_no_line() -> None:
    evening = Evening()
    evening.song(100.0, "samba")
    evening.song(LEAST_SONG_SECONDS - 10, None)
    evening.song(100.0, "tango")
    assert [dance for dance, _, _ in evening.lines] == ["samba", "tango"]


def test_a_line_that_is_named_late_stays_one_line() -> None:
    evening = Evening()
    evening.song(60.0, None, ("rumba", "cha_cha_cha"))
    assert evening.lines[0][0] is None
    evening.parts.append(Part(1.0, 90.0, "rumba", "dance", 0.9))
    evening.song(30.0, None, ("rumba", "cha_cha_cha"))
    assert [dance for dance, _, _ in evening.lines] == ["rumba"]


def test_a_short_session_without_a_name_has_its_line_at_the_end() -> None:
    evening = Evening()
    evening.song(12.0, None, ("jive", "samba"))
    assert evening.lines == []
    evening.set_list.finish()
    assert evening.lines == [(None, 0.0, pytest.approx(12.0, abs=2))]
    silent = SetList(KEYS)
    silent.finish()
    assert silent.lines == []


def test_what_the_user_says_goes_with_the_song() -> None:
    """Said before the app names anything, and while it thinks of another dance."""
    evening = Evening()
    evening.song(100.0, "samba")
    evening.silence(6.0)
    evening.song(12.0, None, ("rumba", "tango"))
    evening.set_list.tell(evening.now, "bachata")
    assert [(line.dance, line.truth) for line in evening.set_list.lines] == [
        ("samba", None),
        (None, "bachata"),
    ]
    evening.parts.append(Part(106.0, 130.0, "rumba", "dance", 0.9))
    evening.song(20.0, None)
    assert [(line.dance, line.truth) for line in evening.set_list.lines[:2]] == [
        ("samba", None),
        ("rumba", "bachata"),
    ]
    evening.set_list.tell(110.0, "salsa")  # thought again
    assert evening.set_list.lines[1].truth == "salsa"


def test_pauses_in_a_hall() -> None:
    rng, meter, pauses = np.random.default_rng(2), LevelMeter(RATE), Pauses()
    found = []
    for tenth in range(2400):
        seconds = tenth / 10
        talk = 100 <= seconds < 112
        amplitude = 0.02 if talk else 0.2 * (0.4 if int(seconds * 2) % 16 == 0 else 1)  # with its own breaks
        samples = rng.normal(0, amplitude, RATE // 10).astype(np.float32)
        if pauses.push(meter.push(samples), 0.1):
            found.append(seconds)
    assert found == pytest.approx([103.5], abs=1)
    assert not Pauses().push(Level(FLOOR_DB), 10.0)


# In the app's own thread, with the model


def test_an_evening_with_a_song_that_nobody_knows(
    history: History, screen: Screen, model: object, tone: ToneMaker
) -> None:
    bench = Bench(history, screen, model, keep_audio=True)  # type: ignore[arg-type]
    source = bench.start()
    nobodys = sum(tone(key, 60.0) for key in DANCE_KEYS) / len(DANCE_KEYS)  # speaks for all alike
    for part in (tone("samba", 20.0), np.zeros(4 * RATE, np.float32), nobodys):
        source.hear(part)
    bench.heard(84)
    assert [line.dance for line in bench.snapshot.lines] == ["samba", None]
    bench.session.tell("bachata")  # a dance that the model does not know
    screen.until(lambda: bench.snapshot.lines[-1].truth == "bachata")
    source.hear(np.zeros(4 * RATE, np.float32))
    source.hear(tone("tango", 20.0))
    bench.heard(108)
    bench.session.stop()
    [entry] = history.entries()
    lines = history.lines(entry.id)
    assert [(line.dance, line.truth) for line in lines] == [
        ("samba", None),
        (None, "bachata"),
        ("tango", None),
    ]
    assert lines[1].result == "bachata"
    assert lines[1].best in DANCE_KEYS
    assert lines[1].end - lines[1].start == pytest.approx(60, abs=8)


def test_a_session_without_any_name_keeps_its_row_and_its_sound(
    history: History, screen: Screen, model: object
) -> None:
    """Its sound could not be seen, and was deleted by the next start."""
    bench = Bench(history, screen, model, keep_audio=True)  # type: ignore[arg-type]
    bench.start().hear(NOISE[: 15 * RATE])
    bench.heard(15)
    bench.session.stop()
    [entry] = history.entries()
    [line] = history.lines(entry.id)
    assert (line.dance, line.truth) == (None, None)
    sound = history.audio_path(entry.id)
    assert sound is not None
    folder = history.path.parent
    history.close()
    again = History(folder)
    assert again.audio_path(entry.id) == sound
    assert again.index() == [(entry.id, line.id)]
    again.close()


def test_a_session_of_silence_leaves_no_sound_behind(history: History, screen: Screen, model: object) -> None:
    bench = Bench(history, screen, model, keep_audio=True)  # type: ignore[arg-type]
    bench.start().hear(np.full(20 * RATE, 1e-6, np.float32))
    bench.heard(20)
    bench.session.stop()
    assert history.entries() == []
    assert list(history.audio_folder.iterdir()) == []


def test_deleting_everything_while_listening_empties_the_session_too(
    history: History, screen: Screen, model: object, tone: ToneMaker
) -> None:
    bench = Bench(history, screen, model, keep_audio=True)  # type: ignore[arg-type]
    source = bench.start()
    source.hear(np.concatenate([tone("samba", 20.0), tone("tango", 20.0)]))
    bench.heard(40)
    screen.until(lambda: len(bench.snapshot.lines) == 2)
    history.delete_all()
    source.hear(tone("jive", 20.0))
    bench.heard(60)
    screen.until(lambda: [line.dance for line in bench.snapshot.lines] in (["jive"], ["tango", "jive"]))
    bench.session.stop()
    [entry] = history.entries()
    lines = history.lines(entry.id)
    assert lines[-1].dance == "jive"
    assert all(line.start >= 39 for line in lines)
    sound = history.sound_of(lines[-1].id)
    assert sound is not None
    with wave.open(str(sound[0])) as file:  # the sound begins anew, too
        assert file.getnframes() / RATE == pytest.approx(20, abs=1)


# Where songs are in the kept sound


def loudest_tone(path: Path, first: float, last: float) -> float:
    """Hz, by another library's reader and numpy."""
    samples, rate = soundfile.read(path)
    samples = samples[round(first * rate) : round(last * rate)]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def test_marks_match_the_sound_that_was_switched_on_late_and_has_gaps(
    history: History, screen: Screen, model: object, tone: ToneMaker
) -> None:
    """Switched on at 100 s, all marks were 100 s late; skipped music shifted them, too."""
    bench = Bench(history, screen, model)  # type: ignore[arg-type]
    source = bench.start()
    options = bench.session._listener.options
    source.hear(tone("samba", 30.0))
    bench.heard(30)
    bench.session.change(replace(options, keep_audio=True))
    source.hear(tone("tango", 30.0))
    bench.heard(60)
    bench.session.change(replace(options, keep_audio=False))
    source.hear(tone("jive", 30.0))
    bench.heard(90)
    bench.session.change(replace(options, keep_audio=True))
    source.hear(tone("rumba", 30.0))
    bench.heard(120)
    bench.session.stop()
    lines = {line.dance: line for line in history.lines(history.entries()[0].id)}
    late = history.sound_of(lines["samba"].id)  # over when the sound was switched on, but for a moment
    assert late is None or late[2] - late[1] < 4
    frequencies = {}
    for key in ("tango", "rumba"):
        found = history.sound_of(lines[key].id)
        assert found is not None
        path, first, last = found
        assert last - first == pytest.approx(30, abs=4)
        frequencies[key] = loudest_tone(path, first + 3, last - 3)
        assert frequencies[key] == pytest.approx(loudest_tone_of(tone(key, 5.0)), rel=0.01)
    assert frequencies["tango"] != pytest.approx(frequencies["rumba"], rel=0.01)
    _check_marks(history, frequencies)


def test_marks_match_the_sound_when_music_was_skipped(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    """The device is too slow for half a minute: what it skipped is not in the sound, and moved all marks."""
    engine = SlowEngine(model)
    bench = Bench(history, screen, Model(model.info, engine), keep_audio=True)
    source = bench.start()
    source.hear(tone("samba", 6.0))
    for _ in range(30):
        source.hear(tone("samba", 1.0), wait=False)
    engine.go.set()
    source.hear(tone("samba", 4.0))
    screen.until(lambda: bench.snapshot.skipped > 0)
    source.hear(tone("tango", 20.0))
    bench.heard(60)
    bench.session.stop()
    [entry] = history.entries()
    [tango] = [line for line in history.lines(entry.id) if line.dance == "tango"]
    assert tango.start == pytest.approx(40, abs=3)
    found = history.sound_of(tango.id)
    assert found is not None
    path, first, last = found
    assert recording.length(path) < 40  # and not the whole minute
    assert last - first > 15
    assert loudest_tone(path, first + 3, last) == pytest.approx(loudest_tone_of(tone("tango", 5.0)), rel=0.01)


def _check_marks(history: History, frequencies: dict[str, float]) -> None:
    """The CUE sheet, read by an expression of this test's own: what plays at each mark is its dance."""
    entry = history.entries()[0]
    text = export.as_cue((entry, history.lines(entry.id)), str, history.sound_places(entry.id))
    marks = re.findall(r'TITLE "(\w+)"\s+INDEX 01 (\d+):(\d+):(\d+)', text)
    assert f'FILE "{entry.audio}" WAVE' in text
    path = history.audio_path(entry.id)
    assert path is not None
    for dance, minutes, seconds, frames in marks[-3:]:
        at = int(minutes) * 60 + int(seconds) + int(frames) / 75
        if dance in frequencies:
            assert loudest_tone(path, at + 3, at + 20) == pytest.approx(frequencies[dance], rel=0.01)
    assert {"tango", "rumba"} <= {dance for dance, *_ in marks}


def loudest_tone_of(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


def test_position() -> None:
    gaps = [(100.0, 0.0), (200.0, 50.0), (260.0, 80.0)]
    expected = {0: 0, 100: 0, 120: 20, 180: 50, 200: 50, 230: 80, 250: 80, 260: 80, 275: 95, 900: 100}
    assert {s: position(gaps, s, length=100.0) for s in expected} == expected
    assert position([], 30.0, length=100.0) == 30.0
    assert position([], 300.0, length=100.0) == 100.0


def test_a_part_of_the_sound(tmp_path: Path) -> None:
    path, target = tmp_path / "sound.wav", tmp_path / "part.wav"
    samples = np.random.default_rng(1).uniform(-1, 1, 100 * 8000).astype(np.float32)
    with WavWriter(path, 8000) as writer:
        writer.write(samples, 8000)
    assert recording.length(path) == 100.0
    for first, last in ((10.0, 12.5), (99.0, 500.0), (-5.0, 1.0), (50.0, 50.0), (200.0, 300.0)):
        cut(path, first, last, target)
        expected = soundfile.read(path, dtype="int16")[0][
            round(8000 * max(0.0, first)) : round(8000 * min(100.0, last))
        ]
        with wave.open(io.BytesIO(target.read_bytes())) as found:
            np.testing.assert_array_equal(np.frombuffer(found.readframes(10**7), "<i2"), expected)
