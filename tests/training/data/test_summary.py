import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard

from training.cli import main
from training.data.croissant import licence_entries
from training.data.manifest import Recording, read_manifest, write_manifest


@pytest.fixture
def two(tmp_path: Path, write_clicks: Callable[..., None]) -> tuple[Path, Path]:
    """Two manifests in folders of their own, with a recording in common."""
    paths = []
    for name, dances in (("one", ("rumba", "quickstep")), ("two", ("viennese_waltz",))):
        (tmp_path / name).mkdir()
        rows = []
        for dance in dances:
            write_clicks(tmp_path / name / f"{dance}.wav", dance)
            rows.append(Recording(tmp_path / name / f"{dance}.wav", dance, "train", source=name))
        paths.append(tmp_path / name / "m.csv")
        write_manifest(paths[-1], rows)
    write_manifest(paths[1], [*read_manifest(paths[1]), read_manifest(paths[0])[0]])
    return paths[0], paths[1]


def test_merge_rewrites_paths_and_takes_everything_once(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    output = tmp_path / "elsewhere" / "all.csv"
    assert main(["manifest", "merge", *map(str, two), "-o", str(output)]) == 0
    rows = read_manifest(output)
    assert [r.dance for r in rows] == ["rumba", "quickstep", "viennese_waltz"]
    assert all(r.path.exists() for r in rows)


def test_merge_refuses_contradictions(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two[1].write_text(two[1].read_text().replace("rumba.wav,rumba", "rumba.wav,samba"))
    output = tmp_path / "all.csv"
    assert main(["manifest", "merge", *map(str, two), "-o", str(output)]) == 1
    assert "the dance 'rumba'" in capsys.readouterr().err
    assert not output.exists()


def test_a_manifest_that_was_moved_alone_is_mended(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    moved = Path(shutil.move(two[0], tmp_path / "a" / "b" / "c" / "m.csv"))
    assert main(["manifest", "info", str(moved)]) == 1
    assert "manifest merge --root" in capsys.readouterr().err
    command = ["manifest", "merge", str(moved), "--root", str(two[0].parent), "-o", str(moved)]
    assert main(command) == 0
    assert main(["manifest", "info", str(moved)]) == 0


def test_info_counts_and_finds_faults(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manifest", "info", str(two[0])]) == 0
    out = capsys.readouterr().out
    assert "source one: 2 recordings" in out
    rows_of_table = [[c.strip() for c in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert ["all", "2", "2", "0.00", "2"] in rows_of_table
    assert ["rumba", "1", "1", "0.00", "1"] in rows_of_table
    rows = read_manifest(two[0])
    broken = tmp_path / "one" / "broken.wav"
    broken.write_text("no music")
    leak = [
        Recording(r.path, r.dance, split, group="g") for r, split in zip(rows, ("train", "test"), strict=True)
    ]
    write_manifest(
        two[0], [*leak, leak[0], Recording(broken, "jive"), Recording(tmp_path / "gone.wav", "jive")]
    )
    assert main(["manifest", "info", str(two[0])]) == 1
    err = capsys.readouterr().err
    assert f"missing: {tmp_path / 'gone.wav'}" in err
    assert f"cannot be read: {broken}" in err
    assert "group 'g' is in several splits: test, train" in err
    assert f"2 rows of {rows[0].path}" in err


def test_split_and_folds(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "split.csv"
    assert (
        main(["manifest", "split", str(manifest), "-o", str(output), "--test", "1", "--validation", "1"]) == 0
    )
    assert sorted(r.split for r in read_manifest(output)) == ["test"] * 3 + ["train"] * 9 + ["validation"] * 3
    assert main(["manifest", "split", str(manifest), "-o", str(output), "--folds", "3"]) == 0
    tested = [
        r.path for i in (1, 2, 3) for r in read_manifest(tmp_path / f"split-fold{i}.csv") if r.split == "test"
    ]
    assert sorted(tested) == sorted(r.path for r in read_manifest(manifest))
    assert main(["manifest", "split", str(manifest), "-o", str(output)]) == 2


def test_card(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "CARD.md"
    command = [
        "manifest",
        "card",
        str(manifest),
        "-o",
        str(output),
        "--licence",
        "CC0-1.0",
        "--name",
        "Clicks",
    ]
    assert main(command) == 0
    text = output.read_text()
    front, _, rest = text.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front) == {
        "pretty_name": "Clicks",
        "license": "cc0-1.0",
        "task_categories": ["audio-classification"],
        "tags": ["music", "dance", "ballroom"],
        "size_categories": ["n<1K"],
    }
    read = DatasetCard(text, ignore_metadata_errors=False).data
    assert (read.license, read.pretty_name, read.size_categories) == ("cc0-1.0", "Clicks", ["n<1K"])
    assert read.task_categories == ["audio-classification"]
    assert rest.startswith("\n# Clicks\n")
    assert "| rumba | 3 | 1 | 1 | 5 | 0.01 | 5 |" in text
    assert "CC0" in text
    assert "none found" in text
    assert str(manifest.parent) not in text


@pytest.mark.filterwarnings("ignore")  # of mlcroissant's libraries
def test_croissant_is_what_its_makers_read(manifest: Path, tmp_path: Path) -> None:
    import mlcroissant

    here = tmp_path / "songs.csv"
    rows = read_manifest(manifest)
    people = {"drummer": "drummer1/session1/5", "tune": ""}
    write_manifest(here, [replace(r, more=tuple(people.items())) for r in rows])
    (tmp_path / "papers").mkdir()
    papers = tmp_path / "papers" / "CARD.md"
    command = ["manifest", "card", str(here), "-o", str(papers), "--licence", "CC-BY-4.0"]
    assert main([*command, "--name", "Clicks", "--description", "Clicks at the pace of dances."]) == 0
    described = mlcroissant.Dataset(jsonld=str(papers.with_suffix(".croissant.json")))
    assert not described.metadata.ctx.issues.errors
    assert not described.metadata.ctx.issues.warnings
    assert described.metadata.name == "Clicks"
    assert "Groove MIDI Dataset" in described.metadata.description
    records = list(described.records("recordings"))
    assert len(records) == len(rows)
    assert {r["recordings/dance"].decode() for r in records} == {r.dance for r in rows}


def test_licences_that_hugging_face_has_no_name_for() -> None:
    assert licence_entries("CC BY 4.0") == {"license": "cc-by-4.0"}
    named = licence_entries("all rights reserved: ask me")
    assert named == {"license": "other", "license_name": "all rights reserved: ask me"}
