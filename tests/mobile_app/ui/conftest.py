"""Fixtures of the screens' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import Model
from tests.mobile_app.hand import Hand


@pytest.fixture
def hand(tmp_path: Path, model: Model) -> Iterator[Hand]:
    hand = Hand(tmp_path, model)
    yield hand
    hand.close()
