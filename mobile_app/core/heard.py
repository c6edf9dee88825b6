"""What songs are like that nobody has corrected yet: a few segments of mel spectrogram each, never sound.

Those of the running app are in memory; those of the newest songs are on the device, too, so that what is said
of them the day after still teaches.
"""

import logging
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import numpy as np

from mobile_app.core.storage import LEFT_FREE_BYTES, free_bytes, remove
from runtime import WhichdanceError
from runtime.atomic import replacing
from runtime.codec import Codes
from runtime.corrections import MAX_BYTES, UNREADABLE
from runtime.mel import N_MELS

log = logging.getLogger(__name__)

IN_MEMORY = 100  # songs: 20 MB
ON_DEVICE = 40  # songs, an evening: 8 MB
SONG = re.compile(r"(?P<session>[0-9a-f]{16})-\d+\.\d")  # as `song_of` calls it: safe as a file's name


class HeardSongs:
    """Segments by song.

    Not safe to use from several threads: the teacher sees to that.

    Parameters
    ----------
    folder : Path
        Of these alone; made where something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._songs: dict[str, Codes] = {}  # the oldest first

    def hear(self, song: str, segments: Codes) -> None:
        """Remember what a song is like, as long as the app runs."""
        self._songs.pop(song, None)
        self._songs[song] = segments
        while len(self._songs) > IN_MEMORY:
            del self._songs[next(iter(self._songs))]

    def keep(self, songs: Collection[str]) -> None:
        """Put songs that are over on the device, where there is room; the oldest ones there go."""
        for song in songs:
            segments, path = self._songs.get(song), self.folder / f"{song}.npz"
            if segments is None or not SONG.fullmatch(song) or path.exists():
                continue
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                free = free_bytes(self.folder)
                if free is not None and free < LEFT_FREE_BYTES + segments.nbytes:
                    return
                with replacing(path, private=True) as temporary, temporary.open("wb") as file:
                    np.savez(file, segments=segments)
            except (OSError, WhichdanceError) as error:
                log.warning("what was heard is not kept: %s", error)
                return
        files = self._files()
        for path in files[: max(0, len(files) - ON_DEVICE)]:
            remove(path)

    def get(self, song: str) -> Codes | None:
        """Segments of a song; None where nothing is remembered, or it can't be read."""
        if song in self._songs or not SONG.fullmatch(song):
            return self._songs.get(song)
        path = self.folder / f"{song}.npz"
        try:
            if path.stat().st_size > MAX_BYTES:
                return None
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                segments: Codes = arrays["segments"]
        except UNREADABLE:
            return None
        sound = segments.dtype == np.uint8 and segments.ndim == 4 and segments.shape[1:3] == (1, N_MELS)
        return segments if sound and len(segments) else None

    def drop(self, song: str) -> None:
        """A song was corrected: what it is like is kept with the correction."""
        if SONG.fullmatch(song):
            remove(self.folder / f"{song}.npz")

    @property
    def sessions(self) -> set[str]:
        """`uid` of each session that has songs on the device."""
        return {path.stem.partition("-")[0] for path in self._files()}

    def only(self, songs: Collection[str]) -> None:
        """The user has deleted others: those go from the device, too."""
        for path in self._files():
            if path.stem not in songs:
                remove(path)

    def forget(self) -> None:
        """Nothing is remembered any more."""
        self._songs.clear()
        self.only(())

    def _files(self) -> list[Path]:
        found: list[tuple[float, str, Path]] = []
        for path in self.folder.glob("*.npz"):
            with suppress(OSError):
                found.append((path.stat().st_mtime, path.name, path))
        return [path for *_, path in sorted(found)]
