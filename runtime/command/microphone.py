"""`whichdance --live`: listen to the microphone and follow the music. Needs sounddevice."""

import os
import queue
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from runtime.answer import clock
from runtime.command import words
from runtime.command.report import summary
from runtime.errors import AudioError, WhichdanceError
from runtime.live import FLOOR_DB, Gap, LiveClassifier
from runtime.mel import Float32
from runtime.microphone import Microphone, MicrophoneError
from runtime.model import Model
from runtime.prediction import Prediction

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

QUEUE_BLOCKS = 600  # a minute of sound that waits for a slow machine; what comes then is left out
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
        stack.pop_all()
        with suppress(OSError):  # what did not fit on the disk has been said
            file.close()


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
    AudioError
        If sounddevice is missing, there is no such device, or it gives no sound.
    """
    waiting: queue.SimpleQueue[Float32 | Gap | None] = queue.SimpleQueue()
    lost = 0  # samples since the last block that found room

    def keep(samples: Float32) -> None:
        nonlocal lost
        if waiting.qsize() >= QUEUE_BLOCKS:
            lost += len(samples)
            return
        if lost:
            waiting.put(Gap(lost / opened.sample_rate))
            lost = 0
        waiting.put(samples)

    def blocks() -> Iterator[Float32 | Gap]:
        while True:
            try:
                block = waiting.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                block = None
            if block is None:
                raise AudioError("the microphone has stopped giving sound; is it still connected?")
            yield block

    try:
        opened = Microphone(device, on_block=keep, on_end=lambda: waiting.put(None))
        opened.start()
    except MicrophoneError as error:
        raise error if error.missing else AudioError(f"{error}; `--device` chooses another") from error
    try:
        yield opened.sample_rate, blocks()
    finally:
        opened.close()


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
    evening = Evening()
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as display:
        try:
            for block in blocks:
                if _enter_pressed():
                    classifier.reset()
                    prediction, evening = None, Evening()
                if isinstance(block, Gap):
                    classifier.gap(block.seconds)
                    continue
                if update := classifier.push(block):
                    prediction = update
                    if line := evening.change(update, datetime.now().astimezone()):
                        console.print(line.text)
                        if log:
                            log = _logged(line, log, console)
                if console.is_terminal:
                    display.update(_screen(prediction, classifier, top, console), refresh=True)
        except KeyboardInterrupt:
            pass  # the ordinary end of listening; Live puts the cursor back
    return prediction


def _logged(line: "EveningLine", log: TextIO, console: "Console") -> TextIO | None:
    """Add a line; where the log takes it no more, say so once, and listen on without."""
    try:
        print(line.dated, file=log, flush=True)
    except OSError as error:
        console.print(f"{log.name}: cannot be written ({error.strerror}); listening goes on without it")
        return None
    return log


@dataclass(frozen=True)
class EveningLine:
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
        """With the date, and how far the clock is from UTC: of the hour that comes twice, which one."""
        return f"{self.began.isoformat(' ', 'seconds')}  {self.what}"


class Evening:
    """Notices when the dance changes. While the answer is not sure nothing is said to have changed.

    Two dances are a line, too, where they were shown for as long as makes a part of them.
    """

    def __init__(self) -> None:
        self._last: object = None

    def change(self, prediction: Prediction, now: datetime) -> EveningLine | None:
        """The line to be said at this update, if the dance is another one than before.

        Parameters
        ----------
        prediction : Prediction
            Of music that plays.
        now : datetime
            When its last sample was heard.
        """
        key: object = prediction.dance or prediction.verdict
        since = prediction.since
        if since is None and prediction.verdict == "two":
            key = frozenset((prediction.best, *prediction.also))
            last = prediction.parts[-1] if prediction.parts else None
            since = last.start if last and frozenset((last.best, *last.also)) == key else None
        if since is None or key == self._last:
            return None
        self._last = key
        bars = words.bars(prediction.tempo_mpm)
        began = now - timedelta(seconds=prediction.duration - since)
        return EveningLine(began, words.answer(prediction) + (f"  {bars}" if bars else ""))


def _screen(
    prediction: Prediction | None, classifier: LiveClassifier, top: int, console: "Console"
) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    heard = f"Listening {clock(classifier.seconds)}  {_level(classifier)}"
    status = Text(f"{heard}   Enter: begin anew, Ctrl-C: stop", style="dim")
    if prediction is None:
        return Group(status, Text("Collecting the first five seconds of music ..."))
    return Group(status, Text(summary(prediction, top, ascii_only=console.options.ascii_only)))


def _level(classifier: LiveClassifier) -> str:
    """Loudness in dB below full scale: tells a microphone that works from one that is muted."""
    level = classifier.level
    if classifier.muted or level.advice == "silent":
        return "silent; is the microphone muted?"
    return f"{'<' if level.rms_db <= FLOOR_DB else ''}{level.rms_db:4.0f} dB"


def _enter_pressed() -> bool:
    """Whether a line was typed since the last call; only POSIX terminals can be asked without waiting."""
    if os.name != "posix" or not sys.stdin.isatty():
        return False
    pressed = False
    while select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
        pressed = True
    return pressed
