"""The style files: the shipped ones are whole, wrong ones are refused with a message that helps."""

import re
from pathlib import Path

import pytest

from training.synthesis.styles import FOLDER, LABELS, StyleError, load, load_all

STYLE = """
dance = "jive"
metre = "4/4"
sources = ["made up"]
[tempo]
strict = [[172, 1]]
loose = [150, 180]
wide = [130, 190]
[[style]]
name = "plain"
weight = [1, 1, 1]
drums = [{ kick = "X...X..." }]
bass = ["r...5..."]
chords = ["..x...x."]
instruments = { bass = ["double_bass"], chords = ["piano"], lead = ["voice"] }
"""


@pytest.mark.parametrize("label", LABELS)
def test_shipped_file_is_whole(label: str) -> None:
    styles = load_all()[label]
    assert styles.dance == label
    assert len(styles.styles) >= 3
    assert all(s.drums and s.bass and s.chords for s in styles.styles)
    assert "sources" in (FOLDER / f"{label}.toml").read_text(encoding="utf-8")


def test_tempo_ranges_contain_each_other() -> None:
    for label in LABELS[:-1]:
        styles = load_all()[label]
        assert styles.wide[0] <= styles.loose[0] < styles.loose[1] <= styles.wide[1], label


def test_minimal_file(tmp_path: Path) -> None:
    path = tmp_path / "jive.toml"
    path.write_text(STYLE, encoding="utf-8")
    (style,) = load(path).styles
    assert style.drums[0]["kick"] == ("X...X...",)
    assert style.beats_per_bar == 4


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("kick", "kcik", "unknown drum 'kcik'; known are .*kick"),
        ("X...X...", "X...X..", "a bar of 7 steps does not divide into 4 beats"),
        ("X...X...", "X...Q...", "'Q'"),
        ("double_bass", "doublebass", "unknown 'doublebass'; known are .*double_bass"),
        ("weight = [1, 1, 1]", "weight = [1, 1]", r"\[strict, loose, wide\]"),
        ("weight = [1, 1, 1]", "weight = [0, 1, 1]", "no style is played at strict tempi"),
        ("weight = [1, 1, 1]", "wieght = [1, 1, 1]", "'wieght': unknown; known are .*weight"),
        ('bass = ["r...5..."]', "", "'bass': missing"),
        ('dance = "jive"', 'dance = "jig"', "unknown 'jig'; known are .*jive"),
        ("loose = [150, 180]", "loose = [180, 150]", "runs backwards"),
        ("loose = [150, 180]", "loose = 150", r"write \[low, high\]"),
        ('metre = "4/4"', 'metre = "5/4"', "'5/4' is unknown; known are 2/4"),
        ('"..x...x."', '"arpeggio 7"', "a multiple of 4"),
        ("[[style]]", "[[style", "not valid TOML"),
    ],
)
def test_wrong_file_gets_one_clear_error(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in STYLE
    path = tmp_path / "jive.toml"
    path.write_text(STYLE.replace(before, after), encoding="utf-8")
    with pytest.raises(StyleError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_error_names_the_style(tmp_path: Path) -> None:
    path = tmp_path / "jive.toml"
    path.write_text(STYLE.replace("r...5...", "r...9..."), encoding="utf-8")
    with pytest.raises(StyleError, match="style 'plain', field 'bass'"):
        load(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="every dance needs a style file"):
        load(tmp_path / "tango.toml")
