"""The parts of a recording as a CUE sheet: players show them as tracks and jump to them.

The format is that of the CDRWIN User's Guide, appendix A, with the habits of today's players: UTF-8 behind
a byte order mark, minutes beyond 99 (which libcue, unlike most, leaves out), and the type WAVE for all files
that are neither MP3 nor AIFF.
"""

import os
from pathlib import Path

from runtime.atomic import replacing
from runtime.command import words
from runtime.command.playlists import relative_path
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Part

FRAMES_PER_SECOND = 75  # of a compact disc, the sheet's unit of time
MAX_TRACKS = 99  # a disc has no more, and players refuse them
FILE_TYPES = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}


class CueSheet:
    """Writes the sheet of one recording.

    Parameters
    ----------
    path : path-like
        Usually ends in .cue. The recording's path in it is relative to its folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def add(self, outcome: Outcome) -> None:
        """Write the sheet; WhichdanceError if its parts or its name do not fit into one."""
        if outcome.prediction is None:
            return
        parts = outcome.prediction.parts
        if not parts:
            raise WhichdanceError(f"{self.path}: not written; {outcome.path} has no music to divide")
        if len(parts) > MAX_TRACKS:
            raise WhichdanceError(
                f"{self.path}: not written; {outcome.path} has {len(parts)} parts and a CUE sheet holds "
                f"{MAX_TRACKS}: --parts --csv has no such limit"
            )
        location = relative_path(outcome.path, self.path.absolute().parent)
        if '"' in location:
            raise WhichdanceError(
                f"{self.path}: not written; a CUE sheet cannot hold the name {location}; rename the file"
            )
        kind = FILE_TYPES.get(Path(outcome.path).suffix.lower(), "WAVE")
        lines = [
            f"TITLE {_quoted(Path(outcome.path).stem)}",
            f"FILE {_quoted(location)} {kind}",
        ]
        for number, part in enumerate(parts, 1):
            start = 0.0 if number == 1 else part.start  # a sheet covers its file from the beginning
            lines += [
                f"  TRACK {number:02d} AUDIO",
                f"    TITLE {_quoted(_title(part))}",
                f"    INDEX 01 {_disc_time(start)}",
            ]
        with replacing(self.path) as temporary:
            text = "\ufeff" + "\r\n".join([*lines, ""])
            # surrogateescape: names of files that are not UTF-8 go in byte by byte.
            temporary.write_bytes(text.encode("utf-8", "surrogateescape"))

    def finish(self) -> None:
        """Nothing is left to do."""


def _title(part: Part) -> str:
    name = words.part_name(part)
    bars = words.bars(part.tempo_mpm)
    return f"{name[:1].upper()}{name[1:]}, {bars}" if bars else f"{name[:1].upper()}{name[1:]}"


def _quoted(text: str) -> str:
    """In quotation marks; a sheet has no way to write one inside."""
    return '"{}"'.format(text.replace('"', "'"))


def _disc_time(seconds: float) -> str:
    """mm:ss:ff, ff in frames of a compact disc."""
    whole_seconds, frames = divmod(round(seconds * FRAMES_PER_SECOND), FRAMES_PER_SECOND)
    minutes, rest = divmod(whole_seconds, 60)
    return f"{minutes:02d}:{rest:02d}:{frames:02d}"
