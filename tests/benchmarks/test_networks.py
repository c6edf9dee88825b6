"""Networks to measure."""

from pathlib import Path

import pytest

from benchmarks import networks
from runtime.errors import ParameterError


def test_unknown_architecture(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="nonesuch"):
        networks.untrained("nonesuch", tmp_path)
