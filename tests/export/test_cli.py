"""The command line of the export: what it asks for and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from export import publish
from export.cli import main

LICENCE = ("--licence", "CC0")


def test_the_licence_is_asked_for(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoint), "-o", str(tmp_path / "out")]) == 2
    assert "--licence" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8"], "--calibrate and --verify"),
        (["--int8", "--calibrate", "{corpus}", "--verify", "{corpus}"], "at least 1000"),
        (["--verify", "{corpus}@train"], "no recordings in the split 'train'"),
        (["--verify", "nowhere.csv"], "nowhere.csv"),
        (["--verify", "{shape}"], "mel_db"),
        (["--evaluation", "{corpus}"], "evaluation"),
        (["--temperature", "-1"], "temperature"),
        (["--name", "a/b"], "name"),
        (["--licence", " "], "licence"),
        (["--waveform", "48000"], "44100"),
        (["--evaluation", "{stranger}"], "evaluation of another model"),
        (["--evaluation", "{nameless}"], "evaluate again"),
    ],
)
def test_bad_input_is_one_clear_error(
    options: list[str],
    message: str,
    checkpoint: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish, "N_VERIFICATION", 11)
    monkeypatch.setattr(
        publish.graph, "to_onnx", lambda *args, **options: pytest.fail("input is checked before the work")
    )
    shape = tmp_path / "shape.npz"
    np.savez(shape, mel_db=np.zeros((2, 1, 128, 300), np.uint8), labels=["tango", "jive"])
    stranger, nameless = tmp_path / "stranger.json", tmp_path / "nameless.json"
    stranger.write_text(json.dumps({"model": "best.pt", "sha256": "0" * 64, "datasets": []}))
    nameless.write_text(json.dumps({"model": "best.pt", "datasets": []}))
    given = {"corpus": corpus, "shape": shape, "stranger": stranger, "nameless": nameless}
    words = [word.format(**given) for word in options]
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), *LICENCE, *words]) in (
        1,
        2,
    )  # 2 if a parameter was wrong, and not a file
    error = capsys.readouterr().err
    assert error.startswith("python -m export: ")
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
