"""All screens in their states: no word is cut, broken, shrunken or covered."""

from pathlib import Path

import pytest

from mobile_app.core.settings import CHOICES
from mobile_app.core.translations import LANGUAGES
from tests.mobile_app.layout import SHAPES, parade


def test_huge_type_on_the_smallest_screen(tmp_path: Path) -> None:
    """In German, whose words are the longest."""
    with parade(tmp_path) as walk:
        assert not list(walk.look(("de",), ("huge",), ("smallest",)))


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_screen_in_every_language_and_size(tmp_path: Path, shape: str) -> None:
    with parade(tmp_path) as walk:
        assert not list(walk.look(tuple(LANGUAGES), CHOICES["text_size"], (shape,)))
