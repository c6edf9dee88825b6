"""What can go wrong while the app listens, and the sentence that tells the user."""

from enum import Enum

from mobile_app.core.translations import mark
from runtime.errors import WhichdanceError


class Problem(Enum):
    """A defined situation with a sentence for the user: what happened, and what to do about it."""

    PERMISSION_REFUSED = mark(
        "The app may not use the microphone. Tap the button to be asked again, or open a file instead."
    )
    PERMISSION_BLOCKED = mark(
        "The microphone is switched off for this app. "
        "Allow it in the system settings, or open a file instead."
    )
    NO_MICROPHONE = mark("No microphone was found. Plug one in and try again, or open a file instead.")
    MICROPHONE_TAKEN = mark("Another app is using the microphone. Close it, then try again.")
    MICROPHONE_LOST = mark("The microphone was unplugged. Plug it in again, then go on.")
    PAUSED = mark("Paused while the app was in the background. Nothing is lost: just go on.")
    DISK_FULL = mark(
        "The storage is full. This result is not lost while the app runs: "
        "free some space and it will be saved."
    )
    STORAGE_FAILED = mark(
        "The history can't be written just now. This result is not lost while the app runs: "
        "it will be saved as soon as it can be."
    )
    CHANGE_DISK_FULL = mark("The storage is full: this could not be saved. Free some space, then try again.")
    CHANGE_FAILED = mark("The history can't be written just now: this could not be saved. Try again later.")
    BACKUP_NEWER = mark("This comes from a newer version of the app. Update the app, then try again.")
    BACKUP_UNREADABLE = mark("This file is no backup of this app's history.")
    FILE_UNREADABLE = mark("This file can't be read as music. Try another one (WAV, FLAC, MP3 or OGG).")
    TOO_SHORT = mark("That was too short to tell. Six seconds of music are enough.")
    NO_MUSIC = mark(
        "No music was to be heard, only silence. Go nearer to the music, or try another recording."
    )
    MODEL_UNUSABLE = mark(
        "The model can't be loaded. Choose another one in the settings, or reinstall the app."
    )
    UNEXPECTED = mark("Something unexpected happened. What was heard so far is kept; please try again.")

    @property
    def of_a_change(self) -> "Problem":
        """The same, where the user wanted something changed: that is not done later, but lost."""
        changes = {Problem.DISK_FULL: Problem.CHANGE_DISK_FULL, Problem.STORAGE_FAILED: Problem.CHANGE_FAILED}
        return changes.get(self, self)

    @property
    def sentence(self) -> str:
        """The sentence, in English: the key of its translations."""
        return self.value


class Notice(Enum):
    """Something the user should know, while listening goes on."""

    OTHER_MICROPHONE = mark("The headset was unplugged: listening with the built-in microphone.")
    SILENT = mark("The microphone hears nothing at all. Perhaps another app uses it, or it is muted.")
    AUDIO_DISK_FULL = mark("The storage is almost full: the sound is no longer kept, the result is.")
    AUDIO_LIMIT = mark("The limit for kept sound is reached: no more sound is kept. The settings change it.")
    FALLING_BEHIND = mark("This device is busy: some of the music was skipped.")

    @property
    def sentence(self) -> str:
        """The sentence, in English: the key of its translations."""
        return self.value


class SourceError(WhichdanceError):
    """An audio source can't start, or can't go on.

    Parameters
    ----------
    problem : Problem
        What to tell the user.
    detail : str
        What the system said, for the log.
    """

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(f"{problem.name}: {detail}" if detail else problem.name)
        self.problem = problem


class StorageError(WhichdanceError):
    """The history can't be written.

    Parameters
    ----------
    problem : Problem
        What to tell the user.
    detail : str
        What the system said, for the log.
    """

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
