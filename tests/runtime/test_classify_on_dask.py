"""The example for many machines: a row for each recording, what is answered is not heard again."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "classify_on_dask.py"
parquet = pytest.importorskip("pyarrow.parquet")
fsspec = pytest.importorskip("fsspec")

CRASHING = """
import os
from runtime import classifier

def classify(self, source, original=classifier.Classifier.classify):
    if "crash" in str(source):
        os.abort()
    return original(self, source)

classifier.Classifier.classify = classify
"""


@pytest.fixture
def music(tmp_path, tone):
    (tmp_path / "music").mkdir()
    for i, key in enumerate(("tango", "rumba", "jive")):
        soundfile.write(tmp_path / "music" / f"{i}.flac", tone(key, 8.0), 22_050)
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music" * 99)
    (tmp_path / "music" / "._0.flac").write_bytes(b"what macOS leaves")
    (tmp_path / "music" / "notes.md").write_text("not a recording")
    return tmp_path / "music"


def rows(folder):
    files = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    found = [row for path in files for row in parquet.read_table(path).to_pylist()]
    return {row["path"].rsplit("/", 1)[1]: row for row in found}


def test_rows(tmp_path, music, tiny_model):
    example = runpy.run_path(str(EXAMPLE))
    paths = example["recordings"](str(music))
    assert [path.rsplit("/", 1)[1] for path in paths] == ["0.flac", "1.flac", "2.flac", "bad.mp3"]
    (tmp_path / "out").mkdir()
    ((name, batch),) = example["batches"](paths, 64)
    done = example["hear_and_write"](batch, name, str(tmp_path / "out"), str(tiny_model))
    assert done == (4, 1, 24.0)
    table = list(rows(tmp_path / "out").values())
    assert [row["dance"] for row in table] == ["tango", "rumba", "jive", None]
    assert [row["error"] is None for row in table] == [True, True, True, False]
    assert table[0]["score_tango"] > 0.8
    assert table[0]["duration"] == 8.0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{name}.parquet"]  # in one step
    assert example["answered"](str(tmp_path / "out"), str(tiny_model)) == set(paths)
    with pytest.raises(example["WhichdanceError"], match="of another model"):
        example["answered"](str(tmp_path / "out"), None)

    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(paths) + "\n")
    assert example["recordings"](str(listed)) == paths


def test_a_store_that_is_no_disk(tiny_model, music):
    """Paths, list and answers in fsspec's memory."""
    example = runpy.run_path(str(EXAMPLE))
    store = fsspec.filesystem("memory")
    for path in music.iterdir():
        store.pipe(f"/archive/music/{path.name}", path.read_bytes())
    paths = example["recordings"]("memory://archive/music")
    assert [path.rsplit("/", 1)[1] for path in paths] == ["0.flac", "1.flac", "2.flac", "bad.mp3"]
    store.pipe("/archive/list.txt", "\n".join(paths).encode())
    assert example["recordings"]("memory://archive/list.txt") == paths
    assert example["answered"]("memory://archive/out", str(tiny_model)) == set()
    done = example["hear_and_write"](paths, "one", "memory://archive/out", str(tiny_model))
    assert done == (4, 1, 24.0)
    assert example["answered"]("memory://archive/out", str(tiny_model)) == set(paths)


@pytest.mark.slow
def test_on_a_cluster(tmp_path, music, tiny_model, tone):
    """Two workers; only what is new is heard; a file that brings down its worker costs its row."""
    pytest.importorskip("distributed")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(CRASHING)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'hook'}{os.pathsep}{ROOT}"}
    command = [sys.executable, EXAMPLE, music, "--out", tmp_path / "out", "--workers", "2", "--batch", "2"]

    def run():
        done = subprocess.run(
            [*command, "--model", tiny_model], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done

    first = run()
    assert "4 recordings to hear, 0 are answered" in first.stderr
    assert re.search(r"4 recordings \(1 failed\), 24 s of music, .* on 2 worker", first.stdout)
    assert {name: row["dance"] for name, row in rows(tmp_path / "out").items()} == {
        "0.flac": "tango",
        "1.flac": "rumba",
        "2.flac": "jive",
        "bad.mp3": None,
    }
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    soundfile.write(music / "00.flac", tone("samba", 8.0), 22_050)
    soundfile.write(music / "crash.flac", tone("samba", 8.0), 22_050)
    assert "2 recordings to hear, 4 are answered" in run().stderr
    found = rows(tmp_path / "out")
    assert (found["00.flac"]["dance"], found["00.flac"]["error"]) == ("samba", None)
    assert (found["crash.flac"]["dance"], found["crash.flac"]["error"]) == (
        None,
        "brought down its worker (KilledWorker)",
    )
    assert all(path.read_bytes() == content for path, content in before.items())
    assert "0 recordings to hear, 6 are answered" in run().stderr
