"""Plays kept sound."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kivy.core.audio import SoundLoader

from mobile_app.core.recording import cut
from mobile_app.core.storage import remove

log = logging.getLogger(__name__)


class Player:
    """One sound at a time.

    Parameters
    ----------
    on_change : callable
        Told whether it plays.
    beside : Path
        Where a part of a sound may lie while it plays: not every device's player finds a place in a file.
    """

    def __init__(self, on_change: Callable[[bool], None], beside: Path) -> None:
        self._on_change = on_change
        self._beside = beside
        self._sound: Any = None

    @property
    def playing(self) -> bool:
        """Does it play?"""
        return self._sound is not None

    def toggle(self, path: Path | None, span: tuple[float, float] | None = None) -> bool:
        """Play a file, or what lies between two moments of it, s, or stop; False where it can't be played."""
        if self._sound:
            self.stop()
            return True
        if path and span:
            try:
                cut(path, *span, self._beside)
            except OSError as error:
                log.error("a part of %s can't be played: %s", path, error)
                return False
            path = self._beside
        self._sound = SoundLoader.load(str(path)) if path else None
        if self._sound is None:
            remove(self._beside)
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
            remove(self._beside)
            self._on_change(False)
