"""From the shell to an answer: the command in a fresh process, against importing what it stands on."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import networks
from benchmarks.report import Chart, Column, Figures, Row, Section, Target
from benchmarks.sounds import write_music
from benchmarks.timing import Spread, fresh_process, in_turn, ratios
from runtime.formats import SOUNDFILE_SUFFIXES

EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE_SECONDS = 20.0  # of a generated recording, where there are no examples
IMPORTS, PYTHON, COMMAND = "importing numpy, onnxruntime, soundfile", "python -c pass", "whichdance RECORDING"
RUN_COMMAND = (
    "import sys; from runtime.command.cli import main; sys.exit(main())"  # what the installed script does
)
TARGET = 2.0  # times the time of the bare imports, at most


def run(*, recording: str | None = None, model: str | None = None, runs: int = 15) -> Section:
    """Measure `whichdance RECORDING` in fresh processes.

    Parameters
    ----------
    recording : str, optional
        The first example if None.
    model : str, optional
        The default shipped model if None.
    runs : int
    """
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        examples = sorted(path for path in EXAMPLES.glob("*") if path.suffix in SOUNDFILE_SUFFIXES)
        if recording is None and not examples:
            path = write_music(folder / "music.flac", EXAMPLE_SECONDS, 44_100)
        else:
            path = examples[0] if recording is None else Path(recording)
        default = model is None and networks.any_shipped()
        options = [] if default else ["--model", networks.model_file(model, folder)]
        rivals: dict[str, Callable[[], object]] = {
            COMMAND: functools.partial(fresh_process, ["-c", RUN_COMMAND, *options, str(path)]),
            IMPORTS: functools.partial(fresh_process, ["-c", "import numpy, onnxruntime, soundfile"]),
            PYTHON: functools.partial(fresh_process, ["-c", "pass"]),
        }
        times = in_turn(rivals, runs=runs)
    relative = {name: ratios(taken, times[IMPORTS]) for name, taken in times.items()}
    rows: list[Row] = [
        {"what": name, "time": Spread.of(taken), "relative": relative[name]} for name, taken in times.items()
    ]
    columns = (
        Column("what", "what"),
        Column("time", "time", "ms"),
        Column("relative", "relative to the imports", "×"),
    )
    return Section(
        name="coldstart",
        title="Cold start: a command in a fresh process",
        settings={"recording": path.name, "model": networks.label_of(model), "runs": runs},
        tables=[Figures("wall time from start to exit", columns, rows, Chart("what", "time"))],
        targets=[Target("time over that of the bare imports", relative[COMMAND].median, TARGET, False)],
        notes=["The files are in the system's cache after the first round, which does not count."],
    )
