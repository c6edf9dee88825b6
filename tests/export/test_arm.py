"""The same features and scores on ARM; emulated, hence slow and skipped where there is no emulator."""

import os
from pathlib import Path

import numpy as np
import pytest

from export import arm
from export.cli import main as export


def test_differences_are_measured_over_features_and_scores() -> None:
    here = {
        "mel a": np.array([[1.0, 1e-7, 1e-12]], np.float32),
        "scores a": np.eye(2, 10, dtype=np.float32),
        "system": np.array("x86_64"),
    }
    there = here | {
        "mel a": np.array([[1.0, 1e-6, 1.0]], np.float32),  # the last is too quiet to count
        "scores a": np.roll(here["scores a"], 1, axis=0) * np.float32([[1], [0.5]]),
        "system": np.array("aarch64"),
    }
    same = arm._difference(here, here)
    assert (same.decibels, same.scores, same.agreeing, same.segments) == (0, 0, 2, 2)
    found = arm._difference(here, there)
    assert found.decibels == pytest.approx(10, rel=1e-5)
    assert (found.scores, found.agreeing, found.segments) == (1, 0, 2)
    assert found.systems == ("x86_64", "aarch64")


def test_missing_emulator_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / arm.COMPLETE).touch()
    monkeypatch.setattr(arm, "qemu", lambda: None)
    assert arm.main([str(tmp_path / "x.onnx"), "--root", str(tmp_path)]) == 1
    assert "apt-get install qemu-user-static" in capsys.readouterr().err


@pytest.mark.slow
def test_arm_gives_the_same_features_and_scores(
    checkpoint: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arm.qemu() is None:
        pytest.skip("qemu-aarch64 is not installed")
    root = Path(os.environ.get("WHICHDANCE_ARM_ROOT", tmp_path / "root"))
    try:
        arm.make_root(root)
    except arm.ArmError as error:
        pytest.skip(f"no ARM Debian: {error}")
    from export import publish, verify

    monkeypatch.setattr(publish, "MIN_LABELLED", 10)
    monkeypatch.setattr(publish, "N_VERIFICATION", 11)
    monkeypatch.setitem(verify.BOUNDS, "int8", verify.Bounds(None, 0.5, 0.5))
    options = ["--name", "small", "--float16", "--int8", "--calibrate", str(corpus), "--verify", str(corpus)]
    assert export([str(checkpoint), "-o", str(tmp_path / "out"), *options]) == 0
    models = sorted((tmp_path / "out").glob("*.onnx"))
    assert len(models) == 3
    capsys.readouterr()
    assert arm.main([*map(str, models), "--root", str(root)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("aarch64, onnxruntime 1.27") == 3
