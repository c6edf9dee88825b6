"""Peak memory of classifying a file: it should not depend on the length of the recording."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import networks
from benchmarks.report import Chart, Column, Figures, Row, Section
from benchmarks.sounds import write_music
from benchmarks.timing import Spread, fresh_process

SAMPLE_RATE = 44_100  # Hz
MINUTES = (3.0, 180.0)
# Prints the process's peak resident set. getrusage would do, but on Linux it counts the process that
# this one was forked from.
PEAK = """
import pathlib, re, resource, sys
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else 1024 * peak)
"""
IMPORTS = "importing numpy, onnxruntime, soundfile"


def run(
    *, minutes: Sequence[float] = MINUTES, model: str | None = None, suffix: str = ".flac", runs: int = 3
) -> Section:
    """Measure the peak resident set of fresh processes.

    Parameters
    ----------
    minutes : sequence of float
        Lengths of the recordings.
    model : str, optional
        The default shipped model if None.
    suffix : str
        Format of the recordings.
    runs : int
    """
    rows: list[Row] = [
        {"what": "python alone", "peak": _peak("pass", runs)},
        {"what": IMPORTS, "peak": _peak("import numpy, onnxruntime, soundfile", runs)},
    ]
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        model_path = networks.model_file(model, folder)
        for length in minutes:
            path = str(write_music(folder / f"music{suffix}", 60 * length, SAMPLE_RATE))
            script = f"import runtime; runtime.classify({path!r}, model={model_path!r})"
            rows.append({"what": f"classify, {length:g} min", "peak": _peak(script, runs)})
    columns = (Column("what", "what"), Column("peak", "peak resident", "MB"))
    return Section(
        name="memory",
        title="Memory: classifying a file",
        settings={
            "format": f"{suffix[1:].upper()} {SAMPLE_RATE / 1000:g} kHz stereo",
            "model": networks.label_of(model),
            "runs": runs,
        },
        tables=[Figures("peak resident set of a process", columns, rows, Chart("what", "peak"))],
    )


def _peak(script: str, runs: int) -> Spread:
    """Bytes."""
    return Spread.of([float(fresh_process(["-c", f"{script}\n{PEAK}"])) for _ in range(runs)])
