"""The script that takes ingredients of the orchestra away draws fair corpora."""

import csv
import importlib.util
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

from runtime.dances import DANCE_KEYS
from training.data.manifest import read_manifest

SCRIPT = Path(__file__).parents[2] / "examples" / "ablate_the_orchestra.py"
CLASSES = (*DANCE_KEYS, "other")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablate_the_orchestra", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def args(tmp_path: Path) -> Namespace:
    """Ten recordings of each class, every other one at a strict tempo; the last one is for validation."""
    (tmp_path / "train").mkdir()
    with (tmp_path / "train" / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "dance", "split", "source", "tempo", "mix", "style", "soundfonts"])
        for dance in CLASSES:
            for i in range(10):
                split = "validation" if i == 9 else "train"
                tempo, style = ("strict", "wide")[i % 2], "orchestra" if i < 2 else "pop"
                writer.writerow([f"{dance}/{i}.flac", dance, split, "ours", tempo, "studio", style, "fluid"])
    return Namespace(folder=tmp_path, per_class=4)


def drawn(script: ModuleType, args: Namespace, key: str) -> list[tuple[str, int]]:
    manifest = script.draw(args, script.INGREDIENTS[key], args.folder / key)
    return [(r.dance, int(r.path.stem)) for r in read_manifest(manifest)]


def test_every_class_has_equally_many_training_recordings(script: ModuleType, args: Namespace) -> None:
    assert sorted(drawn(script, args, "all")) == sorted((d, i) for d in CLASSES for i in range(4))
    assert sorted(drawn(script, args, "fewer")) == sorted((d, i) for d in CLASSES for i in range(2))


def test_other_recordings_are_other_ones(script: ModuleType, args: Namespace) -> None:
    assert not set(drawn(script, args, "all")) & set(drawn(script, args, "again"))


def test_only_what_the_row_keeps_is_drawn(script: ModuleType, args: Namespace) -> None:
    assert {i for _, i in drawn(script, args, "strict")} == {0, 2, 4, 6}
    assert {dance for dance, _ in drawn(script, args, "others")} == set(DANCE_KEYS)


def test_too_small_a_corpus_is_refused_by_name(script: ModuleType, args: Namespace) -> None:
    with pytest.raises(SystemExit, match=r"2 recordings of cha_cha_cha .*no pop"):
        drawn(script, args, "orchestral")
