"""Plays kept sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kivy.core.audio import SoundLoader


class Player:
    """One sound at a time.

    Parameters
    ----------
    on_change : callable
        Told whether it plays.
    """

    def __init__(self, on_change: Callable[[bool], None]) -> None:
        self._on_change = on_change
        self._sound: Any = None

    @property
    def playing(self) -> bool:
        """Does it play?"""
        return self._sound is not None

    def toggle(self, path: Path | None) -> bool:
        """Play a file, or stop; False where it can't be played."""
        if self._sound:
            self.stop()
            return True
        self._sound = SoundLoader.load(str(path)) if path else None
        if self._sound is None:
            return False
        self._sound.bind(on_stop=lambda *_: self.stop())
        self._sound.play()
        self._on_change(True)
        return True

    def stop(self) -> None:
        """Stop, if it plays."""
        sound, self._sound = self._sound, None
        if sound:
            sound.stop()
            sound.unload()
            self._on_change(False)
