import math
from pathlib import Path

import pytest

from training.data.manifest import (
    ManifestError,
    Recording,
    manifest_path,
    read_manifest,
    read_samples,
    read_selection,
    write_manifest,
)


def test_round_trip_keeps_everything_and_makes_paths_relative(tmp_path: Path) -> None:
    inside = Recording(tmp_path / "music" / "a, b.wav", "tango", "train", 'CD "1"', 1.5, 30.25, 128.5)
    outside = Recording(Path("/elsewhere/c.mp3"), "other", "", "", 0.0, math.inf)
    write_manifest(tmp_path / "m.csv", [inside, outside])
    assert read_manifest(tmp_path / "m.csv") == [inside, outside]
    text = (tmp_path / "m.csv").read_text()
    assert str(tmp_path) not in text
    assert "/elsewhere/c.mp3" in text


def test_extra_columns_and_missing_optional_ones_are_fine(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("metre,dance,path\n4/4,jive,x.wav\n", encoding="utf-8-sig")
    recordings = read_manifest(tmp_path / "m.csv")
    assert recordings == [Recording(tmp_path / "x.wav", "jive")]
    assert recordings[0].column("metre") == "4/4"
    write_manifest(tmp_path / "n.csv", recordings)  # and what this program doesn't know is not lost
    assert read_manifest(tmp_path / "n.csv")[0].column("metre") == "4/4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,split\nx.wav,train\n", "no column dance"),
        ("path,dance\n", "lists no recordings"),
        ("path,dance\nx.wav,jive\ny.wav,Slow Waltz\n", "line 3: dance is 'Slow Waltz'"),
        ("path,dance,split\nx.wav,jive,dev\n", "line 2: split is 'dev'"),
        ("path,dance\n,jive\n", "line 2: path is empty"),
        ("path,dance,start\nx.wav,jive,soon\n", "line 2: start is 'soon'"),
        ("path,dance,start,end\nx.wav,jive,9,3\n", "line 2: start must be"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(ManifestError, match=message) as error:
        read_manifest(tmp_path / "m.csv")
    assert "m.csv" in str(error.value)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no\.csv"):
        read_manifest(tmp_path / "no.csv")


def test_selection_by_split(manifest: Path) -> None:
    assert len(read_selection(f"{manifest}@train")) == 9
    assert len(read_selection(f"{manifest}@all")) == len(read_selection(str(manifest))) == 15
    assert {r.split for r in read_selection(str(manifest), split="test")} == {"test"}
    assert manifest_path("a@b.csv") == Path("a@b.csv")
    assert manifest_path("./a@b.csv@test") == Path("a@b.csv")


def test_a_tree_moves_with_its_manifest(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "music").mkdir(parents=True)
    (old / "lists").mkdir()
    (old / "music" / "a.wav").touch()
    write_manifest(old / "lists" / "m.csv", [Recording(old / "music" / "a.wav", "jive")])
    old.rename(tmp_path / "new")
    path = read_manifest(tmp_path / "new" / "lists" / "m.csv")[0].path
    assert path == tmp_path / "new" / "music" / "a.wav"
    assert path.exists()


def test_other_rows_never_take_the_place_of_a_split(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [Recording(tmp_path / "x.wav", "jive", "train")])
    with pytest.raises(ManifestError, match=r"no recordings in the split 'test', only in train \(1\)"):
        read_selection(str(tmp_path / "m.csv"), split="test")
    write_manifest(tmp_path / "m.csv", [Recording(tmp_path / "x.wav", "jive")])
    with pytest.raises(ManifestError, match=r"names no splits at all; .*m\.csv@all takes all"):
        read_selection(str(tmp_path / "m.csv"), split="test")


def test_empty_split_is_an_error(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [Recording(tmp_path / "x.wav", "jive", "train")])
    with pytest.raises(ManifestError, match="no recordings in the split 'test'"):
        read_selection(f"{tmp_path / 'm.csv'}@test")


def test_samples_of_a_part(manifest: Path) -> None:
    recording = read_manifest(manifest)[0]
    whole, rate = read_samples(recording)
    part, _ = read_samples(Recording(recording.path, recording.dance, start=1.0, end=2.5))
    assert len(part) == round(1.5 * rate)
    assert (part == whole[rate : rate + len(part)]).all()
