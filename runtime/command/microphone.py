"""`whichdance --live`: listen to the microphone and redraw the answer as it goes. Needs sounddevice."""

import os
import queue
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.classifier import LIVE_STRIDE, LiveClassifier
from runtime.command.report import answer, clock, percent, summary
from runtime.errors import AudioError, WhichdanceError
from runtime.mel import Float32
from runtime.model import Model
from runtime.prediction import Prediction

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

BLOCK_SECONDS = 0.1  # how often the display is redrawn
PATIENCE_SECONDS = 5.0  # without a block from the sound card before giving up


def listen(
    console: "Console",
    *,
    model: str | None = None,
    threads: int | None = None,
    stride: int = LIVE_STRIDE,
    top: int = 3,
    device: str | None = None,
) -> Prediction | None:
    """Classify what the microphone hears until Ctrl-C; Enter starts anew for the next dance.

    Parameters
    ----------
    console : rich.console.Console
        A terminal is redrawn; anything else gets one line per second of music.
    model, threads, stride :
        As for `LiveClassifier`.
    top : int
        Dances shown.
    device : str, optional
        Number or part of the name of an input device; the system's choice if None.

    Returns
    -------
    Prediction or None
        The last one; None if there was not enough music for one.
    """
    loaded = Model.load(model, threads=threads)
    with microphone(device) as (sample_rate, blocks):
        classifier = LiveClassifier(sample_rate, model=loaded, stride=stride)
        return show(classifier, blocks, console, top)


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
    classifier: LiveClassifier, blocks: Iterable[Float32], console: "Console", top: int
) -> Prediction | None:
    """Push blocks into the classifier and show its answers until the blocks end or Ctrl-C.

    Returns
    -------
    Prediction or None
        The last one.
    """
    from rich.live import Live

    prediction = None
    n_samples = 0
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as display:
        try:
            for block in blocks:
                if _enter_pressed():
                    classifier.reset()
                    prediction, n_samples = None, 0
                n_samples += len(block)
                update = classifier.push(block)
                prediction = update or prediction
                seconds = n_samples / classifier.sample_rate
                if console.is_terminal:
                    display.update(_screen(prediction, block, seconds, top, console), refresh=True)
                elif update is not None:
                    line = f"{clock(seconds)}  {answer(update)}  {percent(update.confidence)}"
                    console.print(line, highlight=False)
        except KeyboardInterrupt:
            pass  # the ordinary end of listening; Live puts the cursor back
    return prediction


def _screen(
    prediction: Prediction | None, block: Float32, seconds: float, top: int, console: "Console"
) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    status = Text(
        f"Listening {clock(seconds)}  {_level(block)}   Enter: next dance, Ctrl-C: stop", style="dim"
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
