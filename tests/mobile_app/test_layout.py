"""All screens in their states: no word is cut, broken, shrunken or covered."""

import tempfile
from pathlib import Path

import pytest

from mobile_app.core.settings import CHOICES
from mobile_app.core.translations import LANGUAGES
from tests.mobile_app.layout import SHAPES, parade


def defects(languages: tuple[str, ...], text_sizes: tuple[str, ...], shape: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, parade(Path(folder)) as walk:  # whose name a screen shows
        return list(walk.look(languages, text_sizes, (shape,)))


def test_huge_type_on_the_smallest_screen() -> None:
    """In German, whose words are the longest."""
    assert defects(("de",), ("huge",), "smallest") == []


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_screen_in_every_language_and_size(shape: str) -> None:
    assert defects(tuple(LANGUAGES), CHOICES["text_size"], shape) == []
