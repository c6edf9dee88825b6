"""The example for many machines: a row for each recording, what is answered is not heard again."""

import runpy
from pathlib import Path

import pytest
import soundfile

EXAMPLE = Path(__file__).parents[2] / "examples" / "classify_on_dask.py"
parquet = pytest.importorskip("pyarrow.parquet")


def test_rows_and_resumption(tmp_path, tone, tiny_model, monkeypatch, capsys):
    pytest.importorskip("distributed")
    (tmp_path / "music").mkdir()
    for i, key in enumerate(("tango", "rumba", "jive")):
        soundfile.write(tmp_path / "music" / f"{i}.flac", tone(key, 8.0), 22_050)
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music" * 99)
    example = runpy.run_path(str(EXAMPLE))
    paths = example["recordings"](str(tmp_path / "music"))
    assert [path.rsplit("/", 1)[1] for path in paths] == ["0.flac", "1.flac", "2.flac", "bad.mp3"]
    ((name, batch),) = example["batches"](paths)
    assert next(example["batches"](paths))[0] == name  # the same in every run
    (tmp_path / "out").mkdir()
    assert example["answered"](name, batch, str(tmp_path / "out"), str(tiny_model)) == (4, 1)
    table = parquet.read_table(tmp_path / "out" / name).to_pylist()
    assert [row["dance"] for row in table] == ["tango", "rumba", "jive", None]
    assert [row["error"] is None for row in table] == [True, True, True, False]
    assert table[0]["score_tango"] > 0.8
    assert table[0]["duration"] == 8.0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]  # in one step

    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(paths) + "\n")
    assert example["recordings"](str(listed)) == paths
