"""How far an export is, on a terminal."""

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from export.deployed import from_checkpoint
from export.progress import bar
from export.publish import Plan, publish


def test_a_bar_is_full_where_all_is_done_and_swings_where_nothing_is_counted() -> None:
    told = io.StringIO()
    terminal = Console(file=told, force_terminal=True, width=80, color_system=None)
    with bar(terminal) as watch:
        watch("scores", 32, 64)
        assert re.search(r"scores ━+╸? *━* 32 of 64 0:00:0\d", _last_line(told))
        watch("scores", 64, 64)
        assert re.search(r"scores ━{40} 64 of 64", _last_line(told))
        time.sleep(1)
        watch("timing")
        line = _last_line(told)
        assert " of " not in line
        assert not line.rstrip().endswith("0:00:00")  # the clock goes on
    assert told.getvalue().endswith("\x1b[2K")  # the line is wiped


def _last_line(told: io.StringIO) -> str:
    time.sleep(0.25)  # drawn ten times a second
    return told.getvalue().split("\x1b[2K")[-1]


def test_nothing_is_drawn_into_a_file() -> None:
    told = io.StringIO()
    with bar(Console(file=told)) as watch:
        watch("scores", 32, 64)
    assert told.getvalue() == ""


@pytest.mark.usefixtures("quick")
def test_each_set_of_scores_is_counted_to_its_end(checkpoint: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    deployable = from_checkpoint(checkpoint, name="small", version="1", licence="CC0")

    def watch(what: str, done: int = 0, total: int = 0, /) -> None:
        told.append((what, done, total))

    publish(deployable, tmp_path, Plan(precisions=["float16"]), command="", progress=watch)
    counted = [t for t in told if t[2]]
    for name in ("PyTorch's scores", "verifying small.onnx", "verifying small.float16.onnx"):
        of_one = [(done, total) for what, done, total in counted if what == name]
        assert of_one[0][0] == 0, name
        assert of_one[-1][0] == of_one[-1][1], name
        assert len(of_one) > 2, name
        assert of_one == sorted(of_one), name
    assert {"PyTorch to ONNX", "timing"} <= {what for what, *_ in told}
