"""CUE sheets: players show the parts of a recording as tracks, and jump to them.

The format is that of the CDRWIN User's Guide, appendix A, with the habits of today's players: UTF-8, behind
a byte order mark where a name is not ASCII, minutes beyond 99 (which libcue, unlike most, leaves out), and
the type WAVE for all files that are neither MP3 nor AIFF.
"""

from collections.abc import Sequence
from pathlib import PurePath

from runtime.errors import ParameterError

FRAMES_PER_SECOND = 75  # of a compact disc, the sheet's unit of time
MAX_TRACKS = 99  # a disc has no more, and players refuse them
FILE_TYPES = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}


def sheet(
    file: str, title: str, tracks: Sequence[tuple[float, str]], *, year: int | None = None, begin: float = 0.0
) -> str:
    """The text of a sheet, its line ends and, if need be, a byte order mark included; to be written as UTF-8.

    Parameters
    ----------
    file : str
        The recording, as the sheet is to name it.
    title : str
        Of the whole.
    tracks : sequence of (float, str)
        Where each begins, s, and its title; the first one always begins with the file, or at `begin`.
    year : int, optional
        Of the recording.
    begin : float
        Where the first track begins, s; what lies before it was not heard.

    Raises
    ------
    ParameterError
        If there are no tracks or more than 99, or the file's name holds a quotation mark.
    """
    if not 1 <= len(tracks) <= MAX_TRACKS:
        raise ParameterError(f"a CUE sheet holds 1 to {MAX_TRACKS} tracks, these are {len(tracks)}")
    if '"' in file:
        raise ParameterError(f"a CUE sheet cannot hold the name {file}; rename the file")
    kind = FILE_TYPES.get(PurePath(file).suffix.lower(), "WAVE")
    lines = [] if year is None else [f"REM DATE {year}"]
    lines += [f"TITLE {_quoted(title)}", f'FILE "{file}" {kind}']
    for number, (start, name) in enumerate(tracks, 1):
        lines += [
            f"  TRACK {number:02d} AUDIO",
            f"    TITLE {_quoted(name)}",
            f"    INDEX 01 {_disc_time(start if number > 1 else begin)}",
        ]
    text = "\r\n".join([*lines, ""])
    # the mark says that it is UTF-8, where that matters; old players take it for the name of a command
    return text if text.isascii() else f"\ufeff{text}"


def _quoted(text: str) -> str:
    """In one line and in quotation marks; a sheet has no way to write one inside."""
    line = " ".join(text.replace('"', "'").splitlines())
    return f'"{line} "' if line.endswith("\\") else f'"{line}"'  # some players take \" for a mark inside


def _disc_time(seconds: float) -> str:
    """mm:ss:ff, ff in frames of a compact disc."""
    whole_seconds, frames = divmod(round(seconds * FRAMES_PER_SECOND), FRAMES_PER_SECOND)
    minutes, rest = divmod(whole_seconds, 60)
    return f"{minutes:02d}:{rest:02d}:{frames:02d}"
