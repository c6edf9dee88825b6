"""Files of beats, as other programs read them, and music with clicks at the beats."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np

from runtime.atomic import replacing
from runtime.beats import Beats
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import Float32

CLICK_SECONDS = 0.04
CLICK_HZ = {True: 1760.0, False: 880.0}  # of the one, and of the other beats
CLICK_LEVEL = 0.5


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


def check_suffix(path: str | os.PathLike[str]) -> None:
    """ParameterError unless `write` knows what the file's name ends in."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise ParameterError(
            f"{path}: beats are written as {', '.join(_WRITERS)} (text, a table, JSON, Audacity labels); "
            "give the file a name that ends in one of these"
        )


def write(path: str | os.PathLike[str], beats: Beats) -> None:
    """Write beats, in a format by the suffix; without a beat there are no lines.

    - `.beats`: time in seconds and position in the bar, as `read` reads it;
    - `.csv`: the same with a header, `time,position`;
    - `.json`: an object of `times` and `positions`;
    - `.txt`: labels as Audacity imports them: start, end, position.

    Raises
    ------
    ParameterError
        Any other suffix.
    WhichdanceError
        If the file cannot be written.
    """
    check_suffix(path)
    with replacing(path) as temporary:
        temporary.write_text(_WRITERS[Path(path).suffix.lower()](beats), "utf-8")


def _lines(beats: Beats) -> str:
    return "".join(f"{time:.3f}\t{position}\n" for time, position in _pairs(beats))


def _table(beats: Beats) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("time", "position"))
    writer.writerows((f"{time:.3f}", position) for time, position in _pairs(beats))
    return out.getvalue()


def _json(beats: Beats) -> str:
    return json.dumps({"times": [round(t, 3) for t in beats.times], "positions": beats.positions}) + "\n"


def _labels(beats: Beats) -> str:
    return "".join(f"{time:.6f}\t{time:.6f}\t{position}\n" for time, position in _pairs(beats))


def _pairs(beats: Beats) -> list[tuple[float, int]]:
    return list(zip(beats.times, beats.positions, strict=True))


_WRITERS = {".beats": _lines, ".csv": _table, ".json": _json, ".txt": _labels}


def with_clicks(samples: Float32, sample_rate: int, beats: Beats) -> Float32:
    """Mono samples, (n,), with a click at every beat, higher and louder at the ones; turned down to fit."""
    time = np.arange(round(CLICK_SECONDS * sample_rate)) / sample_rate
    loudest = float(np.abs(samples).max(initial=0.0)) or 1.0
    mixed = 0.5 * samples.astype(np.float32) / np.float32(loudest)
    for at, position in _pairs(beats):
        first = round(at * sample_rate)
        level = CLICK_LEVEL if position == 1 else CLICK_LEVEL / 2
        click = level * np.sin(2 * np.pi * CLICK_HZ[position == 1] * time) * np.exp(-time / 0.01)
        part = mixed[first : first + len(click)]
        part += click[: len(part)].astype(np.float32)
    return np.clip(mixed, -1, 1)
