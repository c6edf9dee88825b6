"""The dances that the default model names, through everything that lists dances, up to a file's tags."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import mutagen
import pytest
import soundfile
from pyrekordbox import rbxml as rekordbox

from mobile_app.core import buzz, danced
from mobile_app.core.lessons import LESSONS, beats_per_minute
from mobile_app.core.translations import LANGUAGES, Translator
from runtime.beat_activations import BeatModel
from runtime.colour import contrast
from runtime.command import cli
from runtime.command.tags import PLAYER_NAMES
from runtime.command.words import name
from runtime.counts import COUNTS, starts_on
from runtime.dances import DANCE_KEYS, DANCES, GROUPS, OTHER, dance
from runtime.model import Model, shipped
from tests.conftest import ModelMaker, ToneMaker
from web_app.build import INT8
from web_app.definition import DARK_GROUND, definition
from web_app.words import words

DEFAULT = next(iter(shipped().items()))
LABELS = tuple(DEFAULT[1]["classes"])
PER_TINY_MODEL = len(DANCE_KEYS)


def test_there_is_one_model_and_it_names_the_ten_and_more() -> None:
    default, entry = DEFAULT
    assert set(shipped()) == {default, f"{default}{INT8}"}
    for model in shipped():
        info = Model.load(model, threads=1).info
        assert info.labels == LABELS
        assert info.name == default
    assert LABELS[:10] == DANCE_KEYS
    assert len(set(LABELS)) == len(LABELS) == 20
    assert entry["precision"] == "float"


@pytest.mark.parametrize("key", LABELS)
def test_the_facts_of_a_dance(key: str) -> None:
    """What the app's screens and the page show of it, besides its name."""
    facts = DANCES[key]
    assert sum(key in GROUPS[group] for group in ("ten", "social")) == 1
    assert [other.key for other in DANCES.values() if other.colour == facts.colour] == [key]
    assert key in BeatModel.load().dances
    lowest, low, high, highest = facts.mpm_low, facts.mpm_min, facts.mpm_max, facts.mpm_high
    assert lowest is not None
    assert low is not None
    assert high is not None
    assert highest is not None
    assert 0 < lowest < low < high < highest
    assert facts.beats_per_bar is not None
    assert low <= beats_per_minute(facts) / facts.beats_per_bar <= high
    assert buzz.pattern(key) != buzz.PLAIN
    length = sum(beats for _, beats in COUNTS[key])
    assert length == round(length)
    assert all(beats > 0 and said.strip() for said, beats in COUNTS[key])
    assert 1 <= starts_on(COUNTS[key]) <= facts.beats_per_bar
    assert LESSONS[key].count == COUNTS[key]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_every_language(language: str) -> None:
    tr = Translator(language)
    told = words(language, LABELS)
    for key in LABELS:
        assert told[f"dance.{key}"] == tr(dance(key).name) != key
        for text in (LESSONS[key].listen, LESSONS[key].feel):
            assert (tr(text) == text) == (language == "en")
        for said, _ in COUNTS[key]:
            assert len(said) == 1 or not said.isalpha() or (tr(said) == said) == (language == "en")
    assert len({told[f"dance.{key}"] for key in LABELS}) == len(LABELS)


def test_what_is_danced_here_offers_every_group() -> None:
    offered = danced.groups(LABELS)
    assert list(offered) == ["all", "standard", "latin", "ten", "social"]
    assert offered["standard"] | offered["latin"] == offered["ten"]
    assert offered["ten"] | offered["social"] == offered["all"] == set(LABELS)
    assert not offered["ten"] & offered["social"]


def test_the_page_is_told_of_them() -> None:
    facts = definition(Model.load(threads=1), model_file="", precision="", version="")
    assert facts["model"]["labels"] == list(LABELS)
    assert list(facts["dances"]) == list(LABELS)
    assert set(facts["counts"]) == set(LABELS) <= set(facts["beats"]["dances"])
    assert {name: set(keys) for name, keys in facts["groups"].items()} == {
        name: set(LABELS) & set(keys) for name, keys in GROUPS.items()
    }
    for key, one in facts["dances"].items():
        assert one["name"] == dance(key).name
        assert one["colour"] == dance(key).colour
        assert contrast(one["colour_on_dark"], DARK_GROUND) >= 2.2
        assert contrast(one["ink"], one["colour"]) >= 4.5
        assert contrast(one["ink_on_dark"], one["colour_on_dark"]) >= 4.5
        assert (one["beats_per_bar"], one["mpm_min"]) == (dance(key).beats_per_bar, dance(key).mpm_min)


def tiny_models(make_tiny_model: ModelMaker) -> list[tuple[Path, Sequence[str]]]:
    """Models of ten dances that together name all of the default's."""
    found = []
    for first in range(0, len(LABELS), PER_TINY_MODEL):
        keys = (LABELS[first:] + LABELS)[:PER_TINY_MODEL]
        found.append((make_tiny_model(labels=",".join(keys)), keys))
    return found


def test_the_command_names_files_and_tags_them(
    make_tiny_model: ModelMaker, tone: ToneMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each dance heard: JSON, CSV, playlists, rekordbox, and what a player reads in the file."""
    for model, keys in tiny_models(make_tiny_model):
        files = {}
        for key, heard in zip(keys, DANCE_KEYS, strict=True):
            files[key] = tmp_path / f"{key}.flac"
            soundfile.write(files[key], tone(heard, 12.0), 22_050)
        given = [str(path) for path in files.values()]
        lists = ["--playlists", str(tmp_path), "--rekordbox", str(tmp_path / "r.xml")]
        assert cli.main(["--model", str(model), *lists, "--json", "--write-tags", *given]) == 0
        answers = json.loads(capsys.readouterr().out)
        assert [answer["dance"] for answer in answers] == list(keys)
        assert all(set(answer["scores"]) == {*keys, OTHER} for answer in answers)
        assert cli.main(["--model", str(model), "--csv", "--dances", ",".join(keys), *given]) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [row["dance"] for row in rows] == list(keys)
        xml = rekordbox.RekordboxXml(tmp_path / "r.xml")
        assert [xml.get_track(i)["Genre"] for i in range(len(keys))] == [name(key) for key in keys]
        for key, path in files.items():
            assert path.name in (tmp_path / f"{name(key)}.m3u8").read_text("utf-8").splitlines()
            assert len(xml.get_playlist(name(key)).get_tracks()) == 1
            assert mutagen.File(path)["dance"] == [PLAYER_NAMES.get(key, dance(key).name)]
            assert (float(next(r for r in rows if r["dance"] == key)[f"score_{key}"])) > 0.8
