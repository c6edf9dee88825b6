"""`--cue`: the parts of a recording as a CUE sheet."""

import os
from pathlib import Path

from runtime import cue
from runtime.atomic import replacing
from runtime.command import words
from runtime.command.exits import utf8_name
from runtime.command.playlists import relative_path
from runtime.errors import ParameterError, WhichdanceError
from runtime.prediction import Outcome, Part


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
        if len(parts) > cue.MAX_TRACKS:
            raise WhichdanceError(
                f"{self.path}: not written; {outcome.path} has {len(parts)} parts and a CUE sheet holds "
                f"{cue.MAX_TRACKS}: --parts --csv has no such limit"
            )
        location = utf8_name(relative_path(outcome.path, self.path.absolute().parent))
        tracks = [(part.start, _title(part)) for part in parts]
        try:
            title = utf8_name(Path(outcome.path).stem)
            content = cue.sheet(location, title, tracks, begin=outcome.prediction.begin)
        except ParameterError as error:
            raise WhichdanceError(f"{self.path}: not written; {error}") from error
        with replacing(self.path) as temporary:
            # surrogateescape: names of files that are not UTF-8 go in byte by byte.
            temporary.write_bytes(content.encode("utf-8", "surrogateescape"))

    def finish(self) -> None:
        """Nothing is left to do."""


def _title(part: Part) -> str:
    name = words.part_name(part)
    bars = words.bars(part.tempo_mpm)
    return f"{name[:1].upper()}{name[1:]}, {bars}" if bars else f"{name[:1].upper()}{name[1:]}"
