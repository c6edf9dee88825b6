"""`whichdance --live`: listen to the microphone and follow the music. Needs sounddevice."""

import os
import queue
import select
import sys
from collections.abc import Iterable, Iterator
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
from runtime.mel import Float32
from runtime.model import Model
from runtime.prediction import Prediction, clock

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

BLOCK_SECONDS = 0.1  # how often the display is redrawn
PATIENCE_SECONDS = 5.0  # without a block from the sound card before giving up


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
def microphone(device: str | None = None) -> Iterator[tuple[int, Iterator[Float32]]]:
    """Open an input device.

    Yields
    ------
    sample_rate : int
        Hz, the device's own.
    blocks : iterator of ndarray, shape (n_samples,), float32
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

    waiting: queue.SimpleQueue[Float32] = queue.SimpleQueue()

    def keep(samples: Float32, *_: Any) -> None:
        waiting.put(samples[:, 0].copy())  # the sound card's thread reuses its buffer

    def blocks() -> Iterator[Float32]:
        while True:
            try:
                yield waiting.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise AudioError("the microphone has stopped giving sound; is it still connected?") from None

    number_or_name = int(device) if device is not None and device.isdecimal() else device
    try:
        sample_rate = int(sounddevice.query_devices(number_or_name, "input")["default_samplerate"])
        stream = sounddevice.InputStream(
            samplerate=sample_rate,
            blocksize=round(BLOCK_SECONDS * sample_rate),
            device=number_or_name,
            channels=1,
            dtype="float32",
            callback=keep,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"no microphone can be opened ({error}); `--device` chooses another") from error
    with stream:
        yield sample_rate, blocks()


def show(
    classifier: LiveClassifier,
    blocks: Iterable[Float32],
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
    n_samples = 0
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as display:
        try:
            for block in blocks:
                if _enter_pressed():
                    classifier.reset()
                    prediction, evening, n_samples = None, SetList(), 0
                n_samples += len(block)
                if update := classifier.push(block):
                    prediction = update
                    if line := evening.change(update, datetime.now()):
                        console.print(line.text)
                        if log:
                            print(line.dated, file=log, flush=True)
                if console.is_terminal:
                    seconds = n_samples / classifier.sample_rate
                    display.update(_screen(prediction, block, seconds, top, console), refresh=True)
        except KeyboardInterrupt:
            pass  # the ordinary end of listening; Live puts the cursor back
    return prediction


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
