"""What the user's corrections teach: kept while the app listens, learnt from when the evening is over.

Of each song a few segments of mel spectrogram are remembered (`heard`); what the user says of a song makes a
correction of them. The head that is fitted to them is used from the next session on.
"""

import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from mobile_app.core.heard import HeardSongs
from runtime import Model, WhichdanceError
from runtime.codec import Codes
from runtime.corrections import Correction, Corrections
from runtime.taught import SUFFIX, Taught

log = logging.getLogger(__name__)


class Teacher:
    """Corrections of this device, and taught files of others.

    Safe to use from several threads.

    Parameters
    ----------
    folder : Path
        Of the app's data.
    """

    def __init__(self, folder: Path) -> None:
        self.corrections = Corrections(folder / "corrections")
        self._files = folder / "taught"
        self._lock = threading.RLock()
        self._heard = HeardSongs(folder / "heard")
        self._names: dict[str, list[str]] = {}  # of the corrections' files, by song
        self._known = False  # whether these are all
        self._learning: threading.Thread | None = None
        self._due = False  # corrections have come that nothing was learnt from

    # Corrections

    def hear(self, song: str, segments: Codes) -> None:
        """Remember what a song is like, should somebody correct what was said of it."""
        if len(segments):
            with self._lock:
                self._heard.hear(song, segments)

    def keep(self, songs: Collection[str]) -> None:
        """Songs are over that somebody may correct the day after."""
        with self._lock:
            self._heard.keep([song for song in songs if song not in self._names])

    @property
    def sessions(self) -> set[str]:
        """`uid` of each session of whose songs something is kept until they are corrected."""
        return self._heard.sessions

    def keep_only(self, songs: Collection[str]) -> None:
        """The user has deleted others."""
        with self._lock:
            self._heard.only(songs)

    def forget_heard(self) -> None:
        """Nothing is kept of songs that were not corrected."""
        with self._lock:
            self._heard.forget()

    def correct(self, song: str, dance: str | None) -> bool:
        """The user says what a song is, or takes that back (None).

        True where something was kept that can be learnt from; on a full storage nothing is.
        """
        with self._lock:
            before = self._kept_of(song)
            segments = self._heard.get(song)
            if segments is None and before:
                segments = before[-1].segments
            if segments is None or (dance is None and not before):
                return False
            try:
                if dance is not None:
                    made = self.corrections.add(dance, segments, group=song)
                    self._names.setdefault(song, []).append(made.name)
                for each in before:
                    self.corrections.remove(each.name)
                    self._names[song].remove(each.name)
                if dance is not None:
                    self._heard.drop(song)
            except (OSError, WhichdanceError) as error:
                log.error("nothing can be learnt from this correction: %s", error)
                return False
            self._due = True
            return True

    def _kept_of(self, song: str) -> list[Correction]:
        """The corrections of a song; all are read once, to know which these are."""
        if not self._known:
            self._known = True
            for each in self.corrections:
                self._names.setdefault(each.group, []).append(each.name)
        names = self._names.get(song)
        return [each for each in self.corrections if each.name in names] if names else []

    # Learning

    def learn(self, load: Callable[[], Model], on_done: Callable[[], None] = lambda: None) -> bool:
        """Learn in a thread of its own, if there is anything new; False where there is not.

        Parameters
        ----------
        load : callable
            The model as it is shipped; called in that thread.
        on_done : callable
            Called from the thread at its end.
        """
        with self._lock:
            if not self._due or self._learning is not None:
                return False
            self._due = False
            self._learning = threading.Thread(
                target=self._learn, args=(load, on_done), name="whichdance-teacher", daemon=True
            )
            self._learning.start()
            return True

    def _learn(self, load: Callable[[], Model], on_done: Callable[[], None]) -> None:
        try:
            teaching = self.corrections.learn(load())
            log.info(
                "learnt from %d corrections: %s", len(self.corrections), bool(teaching and teaching.better)
            )
        except Exception:  # the evening does not hang on it; what was learnt before is there still
            log.exception("nothing was learnt")
        finally:
            with self._lock:
                self._learning = None
            on_done()

    def wait(self) -> None:
        """Until it has learnt."""
        thread = self._learning
        if thread:
            thread.join()

    def model(self, base: Model) -> Model:
        """A model with what was learnt; itself where nothing was, or nothing on this one."""
        try:
            taught = self.corrections.model(base)
            if len(self.corrections) and self.learnt and not self.corrections.learnt_from(base):
                self._due = True  # on another model: the app was updated
        except (OSError, WhichdanceError) as error:
            log.error("what was learnt can't be used: %s", error)
            return base
        return taught

    def dances(self, sha256: str) -> tuple[str, ...]:
        """Those that the model of this hash knows with what was learnt; none where nothing was on it."""
        found: list[str] = []
        for path in (self.corrections.learnt, self.corrections.given):
            with suppress(WhichdanceError):
                taught = Taught.read(path)
                if taught.sha256 == sha256:
                    found += [key for key in taught.dances if key not in found]
        return tuple(found)

    def forget(self) -> None:
        """Corrections, and what was learnt from them, are gone."""
        with self._lock:
            self.corrections.forget()
            self._heard.forget()
            self._names.clear()
            self._due = False

    # Files to give and to take

    @property
    def learnt(self) -> int:
        """From how many corrections was learnt what is used; 0 where nothing was."""
        try:
            return Taught.read(self.corrections.learnt).n_recordings
        except WhichdanceError:
            return 0

    @property
    def given(self) -> bool:
        """Whether a file of somebody else counts."""
        return self.corrections.given.exists()

    @property
    def something(self) -> bool:
        """Whether there is anything to forget."""
        return bool(len(self.corrections) or self.given or self.corrections.learnt.exists())

    def files(self) -> dict[str, Path]:
        """Taught files of the data folder, by name."""
        try:
            return {path.stem: path for path in sorted(self._files.glob(f"*{SUFFIX}"))}
        except OSError:
            return {}

    def give_away(self, path: Path) -> None:
        """Write what was learnt to a file; WhichdanceError where nothing was, or there is no room."""
        self.corrections.export(path)

    def take(self, path: Path, base: Model) -> None:
        """Take over a taught file, to count beside what was learnt here; WhichdanceError where it is none."""
        with self._lock:
            self.corrections.give(path, base)
