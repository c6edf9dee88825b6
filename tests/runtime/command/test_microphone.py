"""Listening to a microphone, which here is a made-up one."""

import io
import pty
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from runtime import LiveClassifier, Model, Part
from runtime.command import cli, microphone
from runtime.errors import AudioError, WhichdanceError

SAMPLE_RATE = 22_050


def _blocks(
    samples: NDArray[np.float32], *, then: BaseException | None = None
) -> Iterator[NDArray[np.float32]]:
    """What a sound card hands over: pieces of a tenth of a second; in the end Ctrl-C if asked for."""
    yield from np.array_split(samples, len(samples) // (SAMPLE_RATE // 10))
    if then is not None:
        raise then


@pytest.fixture
def classifier(tiny_model) -> LiveClassifier:
    return LiveClassifier(SAMPLE_RATE, model=Model.load(tiny_model))


def _terminal(**options: object) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None, **options)


def test_the_screen_follows_the_music(classifier, tone):
    console = _terminal()
    prediction = microphone.show(classifier, _blocks(tone("tango", 8)), console, top=2)
    screen = console.file.getvalue()
    assert prediction.dance == "tango"
    assert "Collecting the first five seconds" in screen
    assert screen.index("Collecting") < screen.index("Tango")
    assert "-9 dB" in screen  # the level of a sine of amplitude 0.5
    assert "Listening 0:08" in screen


def test_ctrl_c_ends_it_with_the_answer_so_far_and_the_cursor_back(classifier, tone):
    console = _terminal()
    prediction = microphone.show(
        classifier, _blocks(tone("jive", 7), then=KeyboardInterrupt()), console, top=3
    )
    screen = console.file.getvalue()
    assert prediction.dance == "jive"
    assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l") >= 0


def test_an_error_brings_the_cursor_back_too(classifier, tone):
    console = _terminal()
    with pytest.raises(AudioError):
        microphone.show(classifier, _blocks(tone("jive", 1), then=AudioError("unplugged")), console, top=3)
    screen = console.file.getvalue()
    assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l") >= 0


def test_silence_is_pointed_out(classifier):
    console = _terminal()
    microphone.show(classifier, _blocks(np.zeros(SAMPLE_RATE, np.float32)), console, top=3)
    assert "silent; is the microphone muted?" in console.file.getvalue()


def test_without_a_terminal_there_is_a_line_per_dance(classifier, tone):
    console = Console(file=io.StringIO(), width=100)
    samples = np.concatenate([tone("samba", 30), tone("rumba", 30)])
    prediction = microphone.show(classifier, _blocks(samples), console, top=3)
    lines = console.file.getvalue().splitlines()
    assert [re.fullmatch(r"\d\d:\d\d:\d\d  (\w+).*", line)[1] for line in lines] == ["Samba", "Rumba"]
    assert [part.dance for part in prediction.parts] == ["samba", "rumba"]


def test_the_log_keeps_the_lines_with_the_date_and_grows(classifier, tone, tmp_path):
    log = tmp_path / "evening.txt"
    log.write_text("last year\n")
    console = Console(file=io.StringIO(), width=100)
    with microphone._log(str(log)) as file:
        microphone.show(classifier, _blocks(tone("samba", 12)), console, 3, file)
        assert len(log.read_text().splitlines()) == 2  # while it listens
    before, line = log.read_text().splitlines()
    assert before == "last year"
    assert line.split()[2] == "Samba"
    assert abs(datetime.fromisoformat(" ".join(line.split()[:2])) - datetime.now().astimezone()) < timedelta(
        minutes=5
    )


def test_a_log_that_cannot_be_written_is_found_before_listening(tiny_model, tmp_path, capsys):
    log = tmp_path / "nowhere" / "evening.txt"
    assert cli.main(["--live", "--log", str(log), "--model", str(tiny_model)]) == 1
    assert f"{log}: cannot be written (No such file or directory)" in capsys.readouterr().err


def test_an_evening_line_by_line(make_prediction):
    """A line when the dance is another one than the last that was named; its time is when it began."""
    evening = microphone.Evening()
    now = datetime(2026, 5, 1, 20, 15, 0)

    def line(**fields: object) -> str | None:
        change = evening.change(make_prediction(**fields), now)
        return change and change.dated

    unsure = {"dance": None, "verdict": "not sure", "tempo_mpm": None}
    assert line(**unsure) is None
    assert line(duration=100.0, since=90.0) == "2026-05-01 20:14:50  Tango  32 bars/min"
    assert line(duration=101.0, since=90.0) is None
    assert line(**unsure) is None
    assert line(duration=102.0, since=90.0) is None  # it was the same tango
    none = {"dance": None, "verdict": "none", "tempo_mpm": None, "duration": 130.0, "since": 110.0}
    assert line(**none) == "2026-05-01 20:14:40  none of these"
    assert line(**none) is None
    two = {"dance": None, "verdict": "two", "also": ("rumba",), "tempo_mpm": None}
    assert line(duration=140.0, **two, parts=()) is None
    others = Part(100.0, 139.0, None, "two", 0.7, best="jive", also=("samba",))
    assert line(duration=165.0, **two, parts=(others,)) is None
    part = Part(140.0, 170.0, None, "two", 0.7, best="tango", also=("rumba",))
    swapped = two | {"best": "rumba", "also": ("tango",), "parts": (others, part)}
    assert line(duration=170.0, **swapped) == "2026-05-01 20:14:30  Rumba or Tango"
    assert line(duration=180.0, **two, parts=(part,)) is None
    assert line(duration=190.0, **unsure, parts=(part,)) is None
    assert line(duration=240.0, **two, parts=(part, replace(part, start=200.0))) is None  # the same again


def test_enter_starts_anew(classifier, tone, monkeypatch):
    presses = iter([False] * 70 + [True])
    monkeypatch.setattr(microphone, "_enter_pressed", lambda: next(presses, False))
    samples = np.concatenate([tone("samba", 7), tone("rumba", 7)])
    prediction = microphone.show(classifier, _blocks(samples), _terminal(), top=3)
    assert prediction.dance == "rumba"
    assert prediction.confidence > 0.9


def test_enter_is_noticed_on_a_terminal(monkeypatch):
    master, slave = pty.openpty()
    with open(slave) as keyboard, open(master, "wb", buffering=0) as fingers:
        monkeypatch.setattr(sys, "stdin", keyboard)
        assert not microphone._enter_pressed()
        fingers.write(b"\n")
        assert microphone._enter_pressed()
        assert not microphone._enter_pressed()


def _sound_card(
    play: Callable[[Callable[..., None]], None],
    *,
    rate: float = 44_100.0,
    channels: int = 1,
    accepts: Callable[[int, int], bool] = lambda rate, channels: True,
) -> tuple[types.ModuleType, list[object]]:
    """A module like sounddevice whose only device plays to the callback, and the devices asked for."""
    module = types.ModuleType("sounddevice")
    asked: list[object] = []

    class PortAudioError(Exception):
        pass

    class InputStream:
        def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback, finished_callback):
            assert dtype == "float32"
            assert blocksize == round(samplerate / 10)
            if not accepts(samplerate, channels):
                raise PortAudioError(f"Invalid combination {samplerate}, {channels}")
            self.thread = threading.Thread(target=play, args=(callback,))

        def start(self):
            self.thread.start()

        def close(self):
            self.thread.join()

    def query_devices(device, kind):
        assert kind == "input"
        asked.append(device)
        if device == "no such":
            raise ValueError("No input device matching 'no such'")
        return {"default_samplerate": rate, "max_input_channels": channels}

    module.PortAudioError = PortAudioError
    module.InputStream = InputStream
    module.query_devices = query_devices
    return module, asked


def test_the_command_listens_until_ctrl_c(tiny_model, tone, monkeypatch, capsys):
    def play(callback):
        buffer = np.empty((4410, 1), np.float32)
        for block in tone("quickstep", 7, 44_100).reshape(-1, 4410, 1):
            buffer[:] = block
            callback(buffer, 4410, None, None)  # a sound card's buffer: the same one every time
        callback(np.full((1, 1), np.nan, np.float32), 1, None, None)

    def push(self, samples, original=LiveClassifier.push):
        if np.isnan(samples).any():
            raise KeyboardInterrupt
        return original(self, samples)

    module, asked = _sound_card(play)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(LiveClassifier, "push", push)
    assert cli.main(["--live", "--device", "3", "--model", str(tiny_model)]) == 0
    assert asked == [3]
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[1] == "Quickstep"
    assert "━" in out


@pytest.mark.parametrize("damaged", [False, True])
def test_a_microphone_in_antiphase_is_heard_by_the_command(tiny_model, tone, monkeypatch, capsys, damaged):
    """One of two channels is wired the wrong way round; a spoiled block changes nothing."""

    def play(callback):
        blocks = tone("quickstep", 12, 44_100).reshape(-1, 4410, 1)
        for number, block in enumerate(blocks):
            both = np.concatenate([block, -block], axis=1)
            if damaged and number == 20:
                both[7] = np.nan
            callback(both, 4410, None, None)
        callback(np.full((1, 2), 7, np.float32), 1, None, None)

    def push(self, samples, original=LiveClassifier.push):
        if len(samples) == 1:
            raise KeyboardInterrupt
        return original(self, samples)

    module, _ = _sound_card(play, channels=2, accepts=lambda rate, channels: channels == 2)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(LiveClassifier, "push", push)
    assert cli.main(["--live", "--model", str(tiny_model)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[1] == "Quickstep"


def test_too_little_music_is_a_failure(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr(microphone, "listen", lambda *_, **__: None)
    assert cli.main(["--live", "--model", str(tiny_model)]) == 1
    assert capsys.readouterr().err == "whichdance: there was not enough music for an answer\n"


def test_a_device_that_does_not_exist_is_named(tiny_model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", _sound_card(lambda _: None)[0])
    assert cli.main(["--live", "--device", "no such", "--model", str(tiny_model)]) == 1
    assert "no microphone can be opened (No input device matching 'no such')" in capsys.readouterr().err


def test_a_microphone_that_falls_silent_for_good_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", _sound_card(lambda _: None)[0])
    monkeypatch.setattr(microphone, "PATIENCE_SECONDS", 0.01)
    with microphone.microphone() as (sample_rate, blocks):
        assert sample_rate == 44_100
        with pytest.raises(AudioError, match="stopped giving sound"):
            next(blocks)


@pytest.mark.parametrize(
    ("accepts", "rate"),
    [
        (lambda rate, channels: channels == 2, 96_000),  # two channels or none
        (lambda rate, channels: rate == 48_000, 48_000),  # not the rate that it gives as its own
        (lambda rate, channels: (rate, channels) == (16_000, 4), 16_000),
    ],
)
def test_a_microphone_is_opened_in_the_way_that_it_offers(monkeypatch, accepts, rate):
    def play(callback):
        callback(np.array([[0.1, 0.3]], np.float32), 1, None, None)

    card, _ = _sound_card(play, rate=96_000.0, channels=4, accepts=accepts)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    with microphone.microphone() as (sample_rate, blocks):
        assert sample_rate == rate
        np.testing.assert_allclose(next(blocks), [0.2])


def test_a_microphone_that_refuses_everything_says_why(monkeypatch):
    card, _ = _sound_card(lambda _: None, rate=96_000.0, accepts=lambda rate, channels: False)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    with (
        pytest.raises(AudioError, match=r"no microphone can be opened \(Invalid combination 96000, 1\)"),
        microphone.microphone(),
    ):
        pass


def test_what_a_slow_machine_does_not_keep_up_with_is_a_gap(monkeypatch):
    monkeypatch.setattr(microphone, "QUEUE_BLOCKS", 3)
    played = threading.Event()

    def play(callback):
        for i in range(5):
            callback(np.full((4410, 1), i, np.float32), 4410, None, None)
        played.set()

    card, _ = _sound_card(play)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    callbacks = []

    class InputStream(card.InputStream):
        def __init__(self, **options):
            callbacks.append(options["callback"])
            super().__init__(**options)

    monkeypatch.setattr(card, "InputStream", InputStream)
    with microphone.microphone() as (_, blocks):
        assert played.wait(10)
        assert [next(blocks)[0] for _ in range(3)] == [0, 1, 2]
        callbacks[0](np.full((4410, 1), 5, np.float32), 4410, None, None)
        assert next(blocks) == microphone.Gap(0.2)
        assert next(blocks)[0] == 5


def test_a_sample_that_is_no_sound_does_not_end_it(classifier, tone):
    samples = tone("tango", 30)
    samples[12 * SAMPLE_RATE] = np.nan
    prediction = microphone.show(classifier, _blocks(samples), _terminal(), top=3)
    assert prediction.dance == "tango"
    assert prediction.duration == pytest.approx(30, abs=1.1)  # as of the last segment


def test_a_gap_counts_as_time(classifier, tone):
    blocks = [*_blocks(tone("tango", 12)), microphone.Gap(60.0), *_blocks(tone("tango", 12))]
    console = _terminal()
    assert microphone.show(classifier, blocks, console, top=3).duration == pytest.approx(84, abs=1.1)
    assert "Listening 1:24" in console.file.getvalue()


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(WhichdanceError, match=r"pip install 'whichdance\[mic\]'"), microphone.microphone():
        pass
