"""One playlist per dance, for teachers and DJs with a folder to sort."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runtime.atomic import replacing
from runtime.command import words
from runtime.command.exits import utf8_name
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Prediction

NOT_SURE = "Not sure"


class Playlists:
    """Writes one M3U8 per dance of the model, one for music to none of them, and one for 'not sure'.

    All are written, empty ones too, so that none is left over from an earlier run. Entries are relative
    to the folder: music and playlists can move together. Recordings that could not be read, and those
    without music, are left out.

    Parameters
    ----------
    folder : path-like
        Made if there is none.
    labels : sequence of str
        Keys of the dances that may be answered.

    Raises
    ------
    WhichdanceError
        If the folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], labels: Sequence[str]) -> None:
        self.folder = Path(folder)
        try:  # now, not after hours of listening
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WhichdanceError(f"{self.folder}: the folder cannot be made ({error.strerror})") from error
        if not os.access(self.folder, os.W_OK):
            raise WhichdanceError(f"{self.folder}: cannot be written to; check its permissions")
        titles = [*(words.name(label) for label in labels), words.NONE.capitalize(), NOT_SURE]
        self._entries: dict[str, list[tuple[Outcome, str]]] = {title: [] for title in titles}

    def add(self, outcome: Outcome) -> None:
        """Put a recording into its playlist; WhichdanceError if its name cannot stand in one."""
        prediction = outcome.prediction
        if prediction is not None and prediction.verdict != "silence":
            location = relative_path(outcome.path, self.folder)
            if location != location.rstrip():
                raise WhichdanceError(
                    f"{outcome.path!r}: a name that ends in a space cannot stand in a list; rename the file"
                )
            if location.startswith("#") or location != location.lstrip():  # a comment, or lost to players
                location = f"./{location}"
            title = Path(outcome.path).stem
            text = utf8_name(f"#EXTINF:{_seconds(prediction)},{title}\n{location}\n")
            self._entries[_title(prediction)].append((replace(outcome, prediction=None), text))

    def finish(self) -> None:
        """Write them, without files that are no longer what was heard; WhichdanceError of such, when done."""
        everything = (outcome for entries in self._entries.values() for outcome, _ in entries)
        changed = dict.fromkeys(outcome for outcome in everything if not outcome.holds)
        for title, entries in self._entries.items():
            texts = [text for outcome, text in entries if outcome not in changed]
            # surrogateescape: names of files that are not UTF-8 go into the playlist byte by byte.
            with replacing(self.folder / f"{title}.m3u8") as temporary:
                temporary.write_text(
                    "#EXTM3U\n" + "".join(texts), encoding="utf-8", errors="surrogateescape", newline="\n"
                )
        refuse(list(changed))


def refuse(changed: Sequence[Outcome]) -> None:
    """WhichdanceError where files are no longer what was heard: they have been left out."""
    if changed:
        others = f" (and {len(changed) - 1} others)" if len(changed) > 1 else ""
        raise WhichdanceError(f"{changed[0].changed}{others}")


def relative_path(path: str, folder: Path) -> str:
    """Where a recording is, seen from a folder, with forward slashes.

    Both folders are followed through their links: '..' leads to where a folder is, not to where its link is.

    Raises
    ------
    WhichdanceError
        If its name has a line break, which no list of one file per line can hold.
    """
    if "\n" in path or "\r" in path:
        raise WhichdanceError(f"{path!r}: a name with a line break cannot stand in a list; rename the file")
    try:
        there = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        location = os.path.relpath(there, os.path.realpath(folder))
    except ValueError:  # another drive of Windows
        location = os.path.abspath(path)
    return location.replace(os.sep, "/")


def _seconds(prediction: Prediction) -> int:
    """Length of the recording; -1, as players have it, where it is not known."""
    return -1 if prediction.length is None else round(prediction.length)


def _title(prediction: Prediction) -> str:
    if prediction.dance is not None:
        return words.name(prediction.dance)
    return words.NONE.capitalize() if prediction.verdict == "none" else NOT_SURE
