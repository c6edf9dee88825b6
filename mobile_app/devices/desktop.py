"""A desktop: sounddevice's microphone, onnxruntime's Python package, the clipboard and folders."""

import locale
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobile_app.core.interfaces import AudioSource, Permission, Platform
from mobile_app.core.problems import Problem, SourceError
from mobile_app.core.ring import RingBuffer
from mobile_app.core.translations import mark
from mobile_app.devices.file_source import FileSource
from runtime import microphone
from runtime.model import Model

log = logging.getLogger(__name__)

SAMPLE_RATE = 44_100  # Hz, before a device is open
BLOCK_BYTES = 1 << 20  # that are copied at a time
COPIED = mark("Copied to the clipboard.")


class Microphone:
    """The default input of the system."""

    def __init__(self) -> None:
        self.sample_rate = SAMPLE_RATE
        self._opened: microphone.Microphone | None = None

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        """As in `AudioSource`."""
        buffer: RingBuffer | None = None

        def keep(samples: NDArray[np.float32]) -> None:
            if buffer is not None:
                buffer.write(samples)

        def lost() -> None:
            on_end(SourceError(Problem.MICROPHONE_LOST, "the stream ended by itself"))

        try:
            opened = microphone.Microphone(on_block=keep, on_end=lost, rescan=True)
            self.sample_rate = opened.sample_rate
            buffer = ring(self.sample_rate)
            opened.start()
        except microphone.MicrophoneError as error:
            problem = Problem.MICROPHONE_TAKEN if error.busy else Problem.NO_MICROPHONE
            raise SourceError(problem, str(error)) from error
        self._opened = opened

    def stop(self) -> None:
        """As in `AudioSource`."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def progress(self) -> float | None:
        """As in `AudioSource`: a microphone has no end."""
        return None


class DesktopSystem:
    """What a desktop offers of `System`; it has no permission to ask for and no motor.

    Parameters
    ----------
    copy : callable
        Puts a text on the clipboard.
    allow_sleep : callable
        Called with False to keep the screen on, with True to let it sleep.
    folder : Path, optional
        Where exported files go; 'Downloads' in the home folder, or the home folder itself.
    """

    def __init__(
        self,
        *,
        copy: Callable[[str], None],
        allow_sleep: Callable[[bool], None],
        folder: Path | None = None,
    ) -> None:
        downloads = Path.home() / "Downloads"
        self._copy = copy
        self._allow_sleep = allow_sleep
        self._folder = folder or (downloads if downloads.is_dir() else Path.home())

    def microphone_permission(self) -> Permission:
        """As in `System`."""
        return Permission.GRANTED

    def request_microphone(self, on_answer: Callable[[Permission], None]) -> None:
        """As in `System`."""
        on_answer(Permission.GRANTED)

    def open_permission_settings(self) -> bool:
        """As in `System`."""
        return False

    def vibrate(self, pattern: Sequence[int]) -> None:
        """As in `System`."""

    def speak(self, text: str, language: str) -> None:
        """As in `System`: with speech-dispatcher's, espeak's or macOS's voice, where one is installed."""
        for command in (("spd-say", "-l", language), ("espeak-ng", "-v", language), ("say",)):
            if shutil.which(command[0]):
                said = [*command, text]
                threading.Thread(target=_run, args=(said,), name="whichdance-voice", daemon=True).start()
                return

    def start_background(self, title: str, text: str, stop: str, on_stop: Callable[[], None]) -> bool:
        """As in `System`: a desktop's windows just go on."""
        return True

    def background_runs(self) -> bool:
        """As in `System`."""
        return True

    def ask_to_notify(self) -> None:
        """As in `System`."""

    def show_listening(self, on: bool) -> None:
        """As in `System`."""

    def tell_background(self, title: str, text: str) -> None:
        """As in `System`."""

    def stop_background(self) -> None:
        """As in `System`."""

    def wants_to_listen(self) -> bool:
        """As in `System`."""
        return False

    def keep_awake(self, on: bool) -> None:
        """As in `System`."""
        self._allow_sleep(not on)

    def share_text(self, title: str, text: str) -> str | None:
        """As in `System`: copies to the clipboard."""
        self._copy(text)
        return COPIED

    def save_file(
        self, name: str, mime: str, content: bytes | Path, on_saved: Callable[[str | None], None]
    ) -> None:
        """As in `System`: never overwrites a file, but counts up its name."""
        stem, suffix = Path(name).stem, Path(name).suffix
        for number in range(1, 1000):
            path = self._folder / (name if number == 1 else f"{stem}-{number}{suffix}")
            try:
                with path.open("xb") as file:
                    try:
                        if isinstance(content, bytes):
                            file.write(content)
                        else:
                            with content.open("rb") as there:
                                shutil.copyfileobj(there, file, BLOCK_BYTES)
                    except OSError:
                        path.unlink()
                        raise
                return on_saved(str(path))
            except FileExistsError:
                continue
            except OSError as error:
                log.error("%s can't be written: %s", path, error)
                return on_saved(None)
        return on_saved(None)

    def pick_audio(self, on_picked: Callable[[Path | str | None], None]) -> bool:
        """As in `System`: the app's own list of files serves."""
        return False

    def pick_document(self, beside: Path, on_picked: Callable[[Path | None], None]) -> bool:
        """As in `System`: the app's own list of files serves."""
        return False

    def name_of(self, place: str) -> str:
        """As in `System`. A name that is not UTF-8 is no text, which is all that the history keeps."""
        return os.fsencode(Path(place).name).decode(errors="replace")

    def insets(self) -> tuple[float, float, float, float]:
        """As in `System`."""
        return 0.0, 0.0, 0.0, 0.0

    def reduced_motion(self) -> bool:
        """As in `System`; a desktop is not asked: the app's own setting says so."""
        return False

    def prefers_dark(self) -> bool:
        """As in `System`."""
        try:
            import darkdetect
        except ImportError:
            return False
        return bool(darkdetect.isDark())

    def language(self) -> str:
        """As in `System`."""
        return locale.getlocale()[0] or "en"


def _run(command: list[str]) -> None:
    """Run a command, and wait for it."""
    with suppress(OSError):
        subprocess.run(command, capture_output=True)


def platform(system: DesktopSystem, *, source: Callable[[], AudioSource] = Microphone) -> Platform:
    """The adapters of a desktop."""
    return Platform(system, source, FileSource, lambda name: Model.load(name or None))
