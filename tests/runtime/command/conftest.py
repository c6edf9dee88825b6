"""The command `whichdance` in this process, and as a process of its own."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.command import cli
from runtime.dances import DANCE_KEYS, OTHER
from runtime.prediction import Part, Prediction

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def whichdance(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process with the tiny model: (exit status, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            status = cli.main(["--model", str(tiny_model), *map(str, arguments)])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def program(tiny_model: Path) -> list[str]:
    """The beginning of a command line that runs the command with the tiny model in a process of its own."""
    return [sys.executable, "-m", "runtime.command", "--model", str(tiny_model)]


@pytest.fixture
def medley(tone, tmp_path: Path) -> Path:
    """A recording of 40 s of tango, 40 s of rumba, and 40 s of jive."""
    path = tmp_path / "medley.wav"
    soundfile.write(path, np.concatenate([tone(key, 40.0) for key in ("tango", "rumba", "jive")]), 22_050)
    return path


@pytest.fixture
def make_prediction() -> Callable[..., Prediction]:
    """`make_prediction(**fields)`: a minute of tango, except where other fields are given."""

    def make(**fields: object) -> Prediction:
        scores = dict.fromkeys((*DANCE_KEYS, OTHER), 0.02) | {"tango": 0.8}
        usual = Prediction(
            dance="tango",
            verdict="dance",
            confidence=0.8,
            best="tango",
            scores=scores,
            segment_times=(0.0,),
            segment_scores=np.array([list(scores.values())], np.float32),
            segment_seconds=5.2,
            duration=60.0,
            length=60.0,
            parts=(Part(0.0, 60.0, "tango", "dance", 0.8, 128.0, 32.0),),
            tempo_bpm=128.0,
            tempo_mpm=32.0,
            metre="4/4",
        )
        return replace(usual, **fields)

    return make
