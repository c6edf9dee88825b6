import random
from collections import Counter
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from training.cli import main
from training.data.manifest import Recording, read_manifest
from training.data.splits import assign_splits, folds, group_by, group_of, leaks, place, splits_of, tags_of
from training.settings import classes_of


def collection(n: int = 20, groups: int = 0) -> list[Recording]:
    return [
        Recording(Path(f"/music/{d}/{i}.wav"), d, group=f"album {i % groups} of {d}" if groups else "")
        for d in DANCE_KEYS
        for i in range(n)
    ]


def test_so_many_of_each_dance_and_a_seed() -> None:
    recordings = collection()
    first = assign_splits(recordings, seed=1)
    assert first == assign_splits(recordings, seed=1)
    assert first != assign_splits(recordings, seed=2)
    assert [r.path for r in first] == [r.path for r in recordings]
    for dance in DANCE_KEYS:
        splits = Counter(r.split for r in first if r.dance == dance)
        assert splits == {"validation": 6, "test": 6, "train": 8}


@pytest.mark.parametrize("groups", [0, 7])
def test_a_new_file_moves_no_other_one(groups: int) -> None:
    recordings = collection(30, groups)
    before = splits_of(assign_splits(recordings, validation=0.2, test=0.2))
    assert set(before.values()) == {"train", "validation", "test"}
    grown = [*recordings, *(Recording(Path(f"/music/tango/new {i}.wav"), "tango") for i in range(50))]
    random.Random(0).shuffle(grown)
    after = splits_of(assign_splits(grown, validation=0.2, test=0.2))
    assert {group: after[group] for group in before} == before
    moved = [  # nor does it matter where the collection lies
        Recording(Path("/elsewhere") / r.path.relative_to("/music"), r.dance, group=r.group) for r in grown
    ]
    assert splits_of(assign_splits(moved, validation=0.2, test=0.2)) == after


def test_counts_keep_what_was_assigned() -> None:
    recordings = collection(20)
    before = splits_of(assign_splits(recordings))
    grown = [*recordings, *(Recording(Path(f"/music/tango/new {i}.wav"), "tango") for i in range(50))]
    after = splits_of(assign_splits(grown, kept=before))
    assert {group: after[group] for group in before} == before
    assert {after[f"tango/new {i}.wav"] for i in range(50)} == {"train"}  # there are 6 already


def test_groups_stay_together() -> None:
    assigned = assign_splits(collection(40, groups=8), validation=6, test=6)
    assert leaks(assigned) == {}
    for dance in DANCE_KEYS:
        splits = Counter(r.split for r in assigned if r.dance == dance)
        assert splits["test"] >= 6
        assert splits["validation"] >= 6
        assert splits["train"] >= 6
    leaky = [
        Recording(Path(f"{i}.wav"), "jive", split, group="g") for i, split in enumerate(("train", "test"))
    ]
    assert leaks(leaky) == {"g": ["test", "train"]}


def test_parts_of_a_file_are_one_group() -> None:
    parts = [Recording(Path("/m/medley.wav"), "jive", start=10.0 * i, end=10.0 * i + 9) for i in range(40)]
    assert len({r.split for r in assign_splits(parts, validation=0.3, test=0.3)}) == 1


def test_places_are_uniform() -> None:
    places = np.array([place(str(i)) for i in range(4000)])
    assert np.histogram(places, bins=10, range=(0, 1))[0] == pytest.approx(np.full(10, 400), abs=80)


def test_folds_test_everything_once() -> None:
    recordings = collection(12, groups=6)
    parts = list(folds(recordings, 5))
    tested: Counter[str] = Counter()
    for part in parts:
        assert leaks(part) == {}
        assert {r.split for r in part} == {"train", "validation", "test"}
        tested.update(str(r.path) for r in part if r.split == "test")
    assert set(tested.values()) == {1}
    assert len(tested) == len(recordings)
    assert parts == list(folds(recordings, 5))
    with pytest.raises(ParameterError, match="folds must be from 3"):
        list(folds(recordings, 2))


def test_amounts_are_checked() -> None:
    for validation, test in ((0.5, 0.5), (-1, 0), (1.5, 0)):
        with pytest.raises(ParameterError):
            assign_splits(collection(3), validation=validation, test=test)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "wav"])
def test_groups_from_tags(tmp_path: Path, suffix: str) -> None:
    """Tags are written by mutagen's own interface of each format, as a foreign tagger would."""
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros(4000), 22_050)
    file = mutagen.File(path, easy=suffix == "mp3")
    if file.tags is None:
        file.add_tags()
    if suffix == "wav":
        from mutagen.id3 import TALB, TIT2, TPE1

        for frame, text in ((TALB, "Gold"), (TIT2, "Sway (Live)"), (TPE1, "Band")):
            file.tags.add(frame(encoding=3, text=text))
    else:
        file["album"], file["title"], file["artist"] = "Gold", "Sway (Live)", "Band"
    file.save()
    assert tags_of(path) == {"title": "Sway (Live)", "artist": "Band", "album": "Gold", "albumartist": ""}
    (grouped,) = group_by([Recording(path, "jive")], "song")
    assert grouped.group == "song: sway"
    assert group_by([grouped], "album")[0].group == "album: gold"


def test_a_damaged_file_has_no_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 400 damaged Ogg files five made mutagen's parser fail with an error that is none of its own."""

    def stumbling(*_: object, **__: object) -> None:
        raise IndexError("bytearray index out of range")

    monkeypatch.setattr(mutagen, "File", stumbling)
    assert set(tags_of(tmp_path / "a.ogg").values()) == {""}


def test_groups_from_columns_and_folders(tmp_path: Path) -> None:
    broken = tmp_path / "b.mp3"
    broken.write_text("no music")
    recordings = [
        Recording(tmp_path / "CD 1" / "a.wav", "jive", more=(("artist", "X"), ("label", "L1"))),
        Recording(broken, "jive", more=(("label", "L2"),)),
    ]
    assert [r.group for r in group_by(recordings, "artist")] == ["artist: x", ""]
    assert [r.group for r in group_by(recordings, "label")] == ["label: L1", "label: L2"]
    assert [r.group for r in group_by(recordings, "folder")] == ["CD 1", tmp_path.name]
    assert {group_of(r) for r in group_by(recordings, "file")} == {"CD 1/a.wav", f"{tmp_path.name}/b.mp3"}
    with pytest.raises(WhichdanceError, match="no recording has a column 'lable'"):
        group_by(recordings, "lable")


def test_stratified_shares_are_of_each_dance() -> None:
    numbers = {"rumba": 100, "tango": 10, "lindy_hop": 3, "polka": 2}
    recordings = [Recording(Path(f"{d}/{i}.wav"), d) for d, n in numbers.items() for i in range(n)]
    found = Counter(
        (r.dance, r.split) for r in assign_splits(recordings, validation=0.1, test=0.2, stratified=True)
    )
    assert [found["rumba", split] for split in ("train", "validation", "test")] == [70, 10, 20]
    assert [found["tango", split] for split in ("train", "validation", "test")] == [7, 1, 2]
    assert [found["lindy_hop", split] for split in ("train", "validation", "test")] == [1, 1, 1]
    assert found["polka", "train"] == 2


def test_splits_that_leave_nothing_are_no_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dance in ("rumba", "Lindy Swing"):
        for number in range(9):
            (tmp_path / "songs" / dance).mkdir(parents=True, exist_ok=True)
            (tmp_path / "songs" / dance / f"{number}.wav").touch()
    manifest = tmp_path / "songs.csv"
    command = ["label", "folders", str(tmp_path / "songs"), "-o", str(manifest)]
    assert main([*command, "--validation", "6", "--test", "6"]) == 1
    error = capsys.readouterr().err
    assert "leave nothing to train on of any dance" in error
    assert "lindy_swing: 9" in error
    assert not manifest.exists()
    assert main([*command, "--validation", "0.1", "--test", "0.1"]) == 0
    assert "a class of its own, lindy_swing" in capsys.readouterr().out
    rows = read_manifest(manifest)
    assert Counter(r.split for r in rows) == {"train": 14, "validation": 2, "test": 2}
    assert classes_of([r.dance for r in rows]) == ("rumba", "lindy_swing")
    assert classes_of(["rumba", "other"]) == 10


def test_dances_with_too_few_to_set_apart_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dance, n in (("rumba", 10), ("salsa", 2)):
        (tmp_path / "songs" / dance).mkdir(parents=True)
        for number in range(n):
            (tmp_path / "songs" / dance / f"{number}.wav").touch()
    command = ["label", "folders", str(tmp_path / "songs"), "-o", str(tmp_path / "songs.csv")]
    assert main(command) == 0
    assert not capsys.readouterr().err  # nothing was to be set apart
    assert main([*command, "--validation", "0.1", "--test", "0.2"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "no recordings for validation: salsa, of 2",
        "no recordings for test: salsa, of 2",
    ]
