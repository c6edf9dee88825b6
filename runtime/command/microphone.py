"""`whichdance --live`: listen to the microphone and follow the music. Needs sounddevice."""

import os
import queue
import select
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from runtime.classifier import LiveClassifier
from runtime.command import words
from runtime.command.report import summary
from runtime.dances import OTHER
from runtime.errors import AudioError, WhichdanceError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Float32
from runtime.model import Model
from runtime.prediction import Prediction, clock

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

BLOCK_SECONDS = 0.1  # how often the display is redrawn
QUEUE_BLOCKS = 600  # a minute of sound that waits for a slow machine; what comes then is left out
USUAL_RATES = (44_100, 48_000, 32_000, 22_050, 16_000, 96_000)  # Hz, where a device refuses its own
PATIENCE_SECONDS = 5.0  # without a block from the sound card before giving up


@dataclass(frozen=True)
class Gap:
    """Sound that is missing between two blocks, s."""

    seconds: float


def listen(
    console: "Console",
    *,
    log: str | None = None,
    top: int = 3,
    device: str | None = None,
    **options: Any,
) -> Prediction | None:
    """Classify what the microphone hears until Ctrl-C; Enter forgets what was heard so far.

    Parameters
    ----------
    console : rich.console.Console
        Gets one line whenever the dance changes. On a terminal the answer is redrawn below them.
    log : str, optional
        Path of a file that the same lines are added to, with the date.
    top : int
        Dances shown.
    device : str, optional
        Number or part of the name of an input device; the system's choice if None.
    **options :
        As for `LiveClassifier`.

    Returns
    -------
    Prediction or None
        The last one; None if there was not enough music for one.

    Raises
    ------
    WhichdanceError
        If the log cannot be written, or as by `microphone`.
    """
    model = Model.load(options.pop("model", None), threads=options.pop("threads", None))
    with _log(log) as file, microphone(device) as (sample_rate, blocks):
        return show(LiveClassifier(sample_rate, model=model, **options), blocks, console, top, file)


@contextmanager
def _log(path: str | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "a", encoding="utf-8"))
        except OSError as error:
            raise WhichdanceError(f"{path}: cannot be written ({error.strerror})") from error
        yield file


@contextmanager
def microphone(device: str | None = None) -> Iterator[tuple[int, Iterator[Float32 | Gap]]]:
    """Open an input device.

    Yields
    ------
    sample_rate : int
        Hz, the device's own.
    blocks : iterator of ndarray, shape (n_samples,), float32, or Gap
        Mono, without end.

    Raises
    ------
    WhichdanceError
        If sounddevice is missing.
    AudioError
        If there is no such device, or it gives no sound.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise WhichdanceError("--live needs sounddevice: pip install 'whichdance[mic]'") from error
    except OSError as error:  # sounddevice found no PortAudio
        raise WhichdanceError(f"--live needs PortAudio ({error}); install your system's portaudio") from error

    waiting: queue.SimpleQueue[Float32 | Gap] = queue.SimpleQueue()
    lost = 0  # samples since the last block that found room

    def keep(samples: Float32, *_: Any) -> None:
        nonlocal lost
        if waiting.qsize() >= QUEUE_BLOCKS:
            lost += len(samples)
            return
        if lost:
            waiting.put(Gap(lost / sample_rate))
            lost = 0
        waiting.put(samples.mean(axis=1))  # a copy: the sound card's thread reuses its buffer

    def blocks() -> Iterator[Float32 | Gap]:
        while True:
            try:
                yield waiting.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise AudioError("the microphone has stopped giving sound; is it still connected?") from None

    number_or_name = int(device) if device is not None and device.isdecimal() else device
    try:
        offered = sounddevice.query_devices(number_or_name, "input")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"no microphone can be opened ({error}); `--device` chooses another") from error
    refusals = []
    for sample_rate, channels in _ways_to_open(offered):
        try:
            stream = sounddevice.InputStream(
                samplerate=sample_rate,
                blocksize=round(BLOCK_SECONDS * sample_rate),
                device=number_or_name,
                channels=channels,
                dtype="float32",
                callback=keep,
            )
            break
        except (sounddevice.PortAudioError, ValueError) as error:
            refusals.append(error)
    else:
        raise AudioError(f"no microphone can be opened ({refusals[0]}); `--device` chooses another")
    with stream:
        yield sample_rate, blocks()


def _ways_to_open(offered: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Sampling rates and numbers of channels to ask a device for, the likeliest first.

    Some drivers refuse one channel, or the rate that they give as their own.
    """
    most = int(offered["max_input_channels"])
    rates = dict.fromkeys([int(offered["default_samplerate"]), *USUAL_RATES])
    for rate in rates:
        if MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            for channels in sorted({1, min(2, most), most}):
                yield rate, channels


def show(
    classifier: LiveClassifier,
    blocks: Iterable[Float32 | Gap],
    console: "Console",
    top: int,
    log: TextIO | None = None,
) -> Prediction | None:
    """Push blocks into the classifier and show its answers until the blocks end or Ctrl-C.

    Returns
    -------
    Prediction or None
        The last one.
    """
    from rich.live import Live

    prediction = None
    evening = SetList()
    seconds = 0.0
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as display:
        try:
            for block in blocks:
                if _enter_pressed():
                    classifier.reset()
                    prediction, evening, seconds = None, SetList(), 0.0
                if isinstance(block, Gap):
                    classifier.gap(block.seconds)
                    seconds += block.seconds
                    continue
                seconds += len(block) / classifier.sample_rate
                if update := _heard(classifier, block):
                    prediction = update
                    if line := evening.change(update, datetime.now()):
                        console.print(line.text)
                        if log:
                            print(line.dated, file=log, flush=True)
                if console.is_terminal:
                    display.update(_screen(prediction, block, seconds, top, console), refresh=True)
        except KeyboardInterrupt:
            pass  # the ordinary end of listening; Live puts the cursor back
    return prediction


def _heard(classifier: LiveClassifier, block: Float32) -> Prediction | None:
    """What a block adds; one that is no sound, as a loose contact gives, is left out and does not end it."""
    try:
        return classifier.push(block)
    except AudioError:
        classifier.gap(len(block) / classifier.sample_rate)
        return None


@dataclass(frozen=True)
class Line:
    """One line of an evening's set list.

    Attributes
    ----------
    began : datetime
        When the dance began, by the clock on the wall.
    what : str
        The dance, and its tempo where it is known.
    """

    began: datetime
    what: str

    @property
    def text(self) -> str:
        """With the time of day."""
        return f"{self.began:%H:%M:%S}  {self.what}"

    @property
    def dated(self) -> str:
        """With the date, too."""
        return f"{self.began:%Y-%m-%d} {self.text}"


class SetList:
    """Notices when the dance changes. While the answer is not sure nothing is said to have changed."""

    def __init__(self) -> None:
        self._last = ""

    def change(self, prediction: Prediction, now: datetime) -> Line | None:
        """The line to be said at this update, if the dance is another one than before.

        Parameters
        ----------
        prediction : Prediction
            Of music that plays.
        now : datetime
            When its last sample was heard.
        """
        key = prediction.dance or (OTHER if prediction.verdict == "none" else "")
        if key in ("", self._last):
            return None
        self._last = key
        heard = 0.0 if prediction.since is None else prediction.duration - prediction.since
        bars = words.bars(prediction.tempo_mpm)
        what = words.answer(prediction) + (f"  {bars}" if bars else "")
        return Line(now - timedelta(seconds=heard), what)


def _screen(
    prediction: Prediction | None, block: Float32, seconds: float, top: int, console: "Console"
) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    status = Text(
        f"Listening {clock(seconds)}  {_level(block)}   Enter: begin anew, Ctrl-C: stop", style="dim"
    )
    if prediction is None:
        return Group(status, Text("Collecting the first five seconds of music ..."))
    return Group(status, Text(summary(prediction, top, ascii_only=console.options.ascii_only)))


def _level(block: Float32) -> str:
    """Loudness in dB below full scale: tells a microphone that works from one that is muted."""
    power = float(np.mean(np.square(block, dtype=np.float64))) if len(block) else 0.0
    return f"{10 * np.log10(power):4.0f} dB" if power else "silent; is the microphone muted?"


def _enter_pressed() -> bool:
    """Whether a line was typed since the last call; only POSIX terminals can be asked without waiting."""
    if os.name != "posix" or not sys.stdin.isatty():
        return False
    pressed = False
    while select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
        pressed = True
    return pressed
