"""One playlist per dance, for teachers and DJs with a folder to sort."""

import os
from collections.abc import Iterable
from pathlib import Path

from runtime.atomic import replacing
from runtime.dances import DANCES, OTHER, dance
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome

NOT_SURE = "Not sure"


def write_playlists(outcomes: Iterable[Outcome], folder: str | os.PathLike[str]) -> list[Path]:
    """Write one M3U8 per dance, and one for 'not sure', into a folder.

    One for each dance of the model is written, empty ones too, so that none is left over from an earlier
    run. Entries are relative to the folder: music and playlists can move together.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Recordings that could not be read are left out.
    folder : path-like
        Made if there is none.

    Returns
    -------
    list of Path

    Raises
    ------
    WhichdanceError
        If the folder cannot be made or written to.
    """
    folder = Path(folder)
    entries: dict[str | None, list[str]] = {dance.key: [] for dance in DANCES} | {None: []}
    for outcome in outcomes:
        if outcome.prediction is not None:
            for label in outcome.prediction.scores:
                if label != OTHER:
                    entries.setdefault(label, [])
            entries[outcome.prediction.dance].append(
                _entry(outcome.path, outcome.prediction.duration, folder)
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WhichdanceError(f"{folder}: the folder cannot be made ({error.strerror})") from error
    written = []
    for key, lines in entries.items():
        path = folder / f"{NOT_SURE if key is None else dance(key).name}.m3u8"
        # surrogateescape: names of files that are not UTF-8 go into the playlist byte by byte.
        with replacing(path) as temporary:
            temporary.write_text(
                "#EXTM3U\n" + "".join(lines), encoding="utf-8", errors="surrogateescape", newline="\n"
            )
        written.append(path)
    return written


def _entry(path: str, duration: float, folder: Path) -> str:
    if "\n" in path or "\r" in path:
        raise WhichdanceError(
            f"{path!r}: a name with a line break cannot stand in a playlist; rename the file"
        )
    try:
        location = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    except ValueError:  # another drive of Windows
        location = os.path.abspath(path)
    location = location.replace(os.sep, "/")
    if location.startswith("#"):  # would be a comment
        location = f"./{location}"
    return f"#EXTINF:{round(duration)},{Path(path).stem}\n{location}\n"
