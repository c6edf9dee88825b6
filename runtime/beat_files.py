"""Files of beats, as other programs read them."""

import os
from pathlib import Path

from runtime.atomic import replacing
from runtime.beats import Beats
from runtime.errors import ParameterError, WhichdanceError


def read(path: str | os.PathLike[str]) -> Beats:
    """Read a `.beats` file: a line a beat, its time in seconds and its position in the bar, 1 the one.

    The format of the annotations of the Ballroom data set (Krebs, Böck and Widmer 2013).

    Raises
    ------
    WhichdanceError
        If the file cannot be read, or a line is something else; names the line.
    """
    times, positions = [], []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise WhichdanceError(f"{path}: is no text, so no beats are in it") from error
    except OSError as error:
        raise WhichdanceError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            time, position = line.split()
            times.append(float(time))
            positions.append(int(position))
        except ValueError:
            raise WhichdanceError(
                f"{path}, line {number}: is {line!r}, not a time in seconds and a position in the bar"
            ) from None
    try:
        return Beats.of(times, positions)
    except ParameterError as error:
        raise WhichdanceError(f"{path}: {error}") from error


def write(path: str | os.PathLike[str], beats: Beats) -> None:
    """Write a `.beats` file, as `read` reads it; without a beat it is empty."""
    pairs = zip(beats.times, beats.positions, strict=True)
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{time:.3f}\t{position}\n" for time, position in pairs), "utf-8")
