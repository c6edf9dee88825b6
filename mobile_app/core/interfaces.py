"""The three interfaces behind which everything lies that differs between devices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from mobile_app.core.problems import SourceError
from mobile_app.core.ring import RingBuffer
from runtime.beat_activations import BeatModel
from runtime.model import InferenceEngine, Model

__all__ = ["AudioSource", "InferenceEngine", "Permission", "Platform", "System"]


class AudioSource(Protocol):
    """Gives mono samples from a microphone or a file.

    A source is started once and stopped once; it may be stopped from any thread, also when it has
    ended by itself or never started.

    Attributes
    ----------
    sample_rate : int
        Hz; final once `start` has returned.
    """

    sample_rate: int

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        """Begin to fill a ring buffer, from a thread of the source's own.

        Parameters
        ----------
        ring : callable
            Called once with the sampling rate, before the first sample; returns the buffer to fill.
            Live sources `write` (late readers lose samples), others may `offer` (and wait).
        on_end : callable
            Called at most once, from any thread: with None at the end of the recording, with the reason
            where the source can't go on. Not called after `stop`.

        Raises
        ------
        SourceError
            If it can't start.
        """
        ...

    def stop(self) -> None:
        """Stop and give the device back; nothing is written to the ring afterwards."""
        ...

    def progress(self) -> float | None:
        """How much of the recording has been delivered, 0 to 1; None for a microphone."""
        ...


class Permission(Enum):
    """May the app use the microphone?"""

    GRANTED = "granted"
    ASK = "ask"  # the user has not decided yet, or may be asked again
    BLOCKED = "blocked"  # only the system's settings can change it


class System(Protocol):
    """What a device does besides sound: permission, haptics, share, keep awake, pick and save files.

    Answers come through callbacks, possibly from another thread.
    """

    def microphone_permission(self) -> Permission:
        """The state now, without asking."""
        ...

    def request_microphone(self, on_answer: Callable[[Permission], None]) -> None:
        """Ask the user."""
        ...

    def open_permission_settings(self) -> bool:
        """Open the system's page for this app; False where there is none."""
        ...

    def vibrate(self, pattern: Sequence[int]) -> None:
        """Buzz: milliseconds on, off, on …; nothing where there is no motor. From any thread."""
        ...

    def speak(self, text: str, language: str) -> None:
        """Say a text aloud, without waiting; nothing where there is no voice. From any thread."""
        ...

    def keep_awake(self, on: bool) -> None:
        """Keep the screen on, or let it sleep again; called only when that changes."""
        ...

    def start_background(self, title: str, text: str, stop: str, on_stop: Callable[[], None]) -> bool:
        """Ask to go on listening while the app is not in front; called while it is.

        Parameters
        ----------
        title, text : str
            Of the notification that says so, where the system shows one.
        stop : str
            What its button says.
        on_stop : callable
            Called, from any thread, when that button is pressed.

        Returns
        -------
        bool
            False where the system does not allow it.
        """
        ...

    def background_runs(self) -> bool:
        """May the app still go on while it is not in front? Asked when it leaves."""
        ...

    def ask_to_notify(self) -> None:
        """Ask, once, whether notifications are wanted; nothing where nobody has to be asked."""
        ...

    def show_listening(self, on: bool) -> None:
        """Show outside of the app, such as in a tile, whether it listens. From any thread."""
        ...

    def tell_background(self, title: str, text: str) -> None:
        """Say in the notification what plays now. From any thread."""
        ...

    def stop_background(self) -> None:
        """Listening is over. From any thread."""
        ...

    def wants_to_listen(self) -> bool:
        """Was the app opened to listen at once (a tile, a shortcut)? True once for each time."""
        ...

    def share_text(self, title: str, text: str) -> str | None:
        """Hand a text to another app. Returns what to tell the user, or None where the system shows it."""
        ...

    def save_file(
        self, name: str, mime: str, content: bytes | Path, on_saved: Callable[[str | None], None]
    ) -> None:
        """Save a file where the user wants it; answers with the place, or None if it was not saved.

        The content is given, or the file that has it: sound is more than fits into memory.
        """
        ...

    def pick_audio(self, on_picked: Callable[[Path | str | None], None]) -> bool:
        """Let the user pick a recording with the system's dialogue; False where there is none."""
        ...

    def pick_document(self, beside: Path, on_picked: Callable[[Path | None], None]) -> bool:
        """Let the user pick a file that is no sound with the system's dialogue; False where there is none.

        Answers with the file, or with `beside`, to which it has been copied; None where none was picked.
        """
        ...

    def name_of(self, place: str) -> str:
        """What a recording is called, given by path or as `pick_audio` answered."""
        ...

    def insets(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the window in px that the system's own bars cover."""
        ...

    def reduced_motion(self) -> bool:
        """True where the user has asked the system for less that moves."""
        ...

    def prefers_dark(self) -> bool:
        """True where the system is set to dark."""
        ...

    def language(self) -> str:
        """The user's language, such as 'de_AT'."""
        ...


@dataclass(frozen=True)
class Platform:
    """The adapters of one device.

    Attributes
    ----------
    system : System
    microphone : callable
        A new source for the microphone that is there now.
    file : callable
        A new source for a recording, given by path or, on Android, content URI.
    load_model : callable
        A checked model for a name or path; '' is the one that the app comes with.
    load_beats : callable
        The network that tells beats; None where there is to be none.
    """

    system: System
    microphone: Callable[[], AudioSource]
    file: Callable[[str], AudioSource]
    load_model: Callable[[str], Model]
    load_beats: Callable[[], BeatModel | None] = BeatModel.load
