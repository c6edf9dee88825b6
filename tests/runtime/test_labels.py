"""What may label a dance: one verdict wherever a label stands."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export import deployed
from runtime.aliases import label_of
from runtime.corrections import Corrections
from runtime.dances import DANCES, is_label
from runtime.errors import WhichdanceError
from runtime.model import Model
from runtime.taught import SUFFIX, Taught
from runtime.teach import Lesson, teach
from tests.runtime.test_taught import taught_on
from training.data.download import read_links
from training.data.imports import read_aliases
from training.data.labelling import read_sources
from training.data.manifest import read_manifest
from training.networks import models

GOOD = ["lindy_hop", "xx", "b2b", "1950", "čardáš", "свинг", "a" * 64, "other_music"]
BAD = [
    "lindy-hop",
    "Lindy Hop",
    "Lindy",
    "",
    " ",
    "a/b",
    "..",
    "a\\b",
    "a.b",
    "a\nb",
    "tango\n",
    "_a",
    "a_",
    "a__b",
    "=1+1",
    "a" * 65,
    "a" * 200,
    "ČARDÁŠ",
]


def manifest(label: str, folder: Path) -> None:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "dance"), ("a.wav", label)])
    read_manifest(folder / "manifest.csv")


def links(label: str, folder: Path) -> None:
    with (folder / "links.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("url", "dance"), ("https://x.org/a", label)])
    read_links(folder / "links.csv")


def alias(label: str, folder: Path) -> None:
    (folder / "aliases.toml").write_text(f'"my folder" = {json.dumps(label)}', "utf-8")
    read_aliases(folder / "aliases.toml")


def rules(label: str, folder: Path) -> None:
    text = f"[[source]]\nname = 'mine'\npatterns.{json.dumps(label)} = 'x'\n"
    (folder / "rules.toml").write_text(text, "utf-8")
    read_sources(folder / "rules.toml")


def classes(label: str, folder: Path) -> None:
    models.labels(["tango", label])


def checkpoint(label: str, folder: Path) -> None:
    deployed._dances("x.pt", {"options": {"classes": ["tango", label]}}, ("tango", label))


PLACES: dict[str, Callable[[str, Path], None]] = {
    place.__name__: place for place in (manifest, links, alias, rules, classes, checkpoint)
}
BLANKS_DO_NOT_COUNT = {"manifest", "links"}  # around a cell of a table, as people type them
NONE_GIVEN = {"links", "alias"}  # '' says there: not known yet; left out


@pytest.fixture(scope="module")
def base(teachable: Path) -> Model:
    return Model.load(teachable)


@pytest.mark.parametrize("label", [*GOOD, *BAD], ids=lambda text: ascii(text)[:20])
def test_the_same_verdict_everywhere(
    label: str, tmp_path: Path, base: Model, teachable: Path, make_tiny_model: Callable[..., Path]
) -> None:
    good = is_label(label)
    assert good is (label in GOOD)

    def model_file(label: str, folder: Path) -> None:
        Model.load(make_tiny_model(labels=",".join([label, *"abcdefghi"])))

    def taught_file(label: str, folder: Path) -> None:
        taught_on(teachable, new=label).write(folder / f"my{SUFFIX}")
        Taught.read(folder / f"my{SUFFIX}")

    def lessons(label: str, folder: Path) -> None:
        features = np.full((2, 224), 0.1, np.float32)
        found = teach(base, [Lesson(label, features, "a", "a"), Lesson("tango", features, "b", "b")])
        assert found.taught.labels[-1] == label

    def correction(label: str, folder: Path) -> None:
        width = base.info.segment_frames
        Corrections(folder / "corrections").add(label, np.zeros((1, 1, 224, width), np.uint8))

    places = PLACES | {place.__name__: place for place in (model_file, taught_file, lessons, correction)}
    verdicts, told = {}, []
    for name, place in places.items():
        if (name in BLANKS_DO_NOT_COUNT and label != label.strip()) or (name in NONE_GIVEN and not label):
            continue
        try:
            place(label, tmp_path)
            verdicts[name] = True
        except WhichdanceError as error:
            verdicts[name] = False
            told.append(str(error))
    assert len(verdicts) >= 6
    assert set(verdicts.values()) == {good}, verdicts
    assert not any("\n" in line for line in told)


def test_a_label_nearly_spelt_as_a_known_one_is_asked_about_where_people_write_it(tmp_path: Path) -> None:
    assert is_label("rumbaa")
    for place in (manifest, alias, rules):
        with pytest.raises(WhichdanceError, match="is rumba meant"):
            place("rumbaa", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "Lindy-Hop",
        "Lindy Hop!",
        "c\u030cardas\u030c",
        "Čardáš",
        "A/B",
        "Wiener Walzer",
        "İ x",
        "²x",
        "swing_",
    ],
)
def test_what_is_made_of_a_name_is_a_label(name: str) -> None:
    assert is_label(label_of(name))


def test_a_name_says_the_same_however_its_accents_are_stored() -> None:
    assert label_of("c\u030carda\u0301s\u030c") == label_of("čardáš") == "čardáš"


def test_the_dances_that_we_know_have_labels() -> None:
    assert all(map(is_label, DANCES))
