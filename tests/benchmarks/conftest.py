"""Settings small enough for a test."""

from pathlib import Path

import pytest

from benchmarks import endtoend, sounds, training


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings of a few seconds where a benchmark has no option for their length."""
    monkeypatch.setattr(endtoend, "FOLDER_SECONDS", 6.0)
    monkeypatch.setattr(training, "SECONDS", 6.0)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two labelled recordings."""
    lines = ["path,dance,split"]
    for i, dance in enumerate(("tango", "jive")):
        sounds.write_music(tmp_path / f"{dance}.flac", 8, 22_050, seed=i)
        lines.append(f"{dance}.flac,{dance},test")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
