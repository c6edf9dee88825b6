"""The heads that the page fits too: the file says what the runtime says, and reaches the corners."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from runtime.keeping import hashed
from runtime.rehearsal import normals, uniform
from tests.shared.teaching import FILE, vectors
from tests.shared.vectors import Random


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def differences(ours: Any, theirs: Any, tolerance: float, where: str = "") -> list[str]:
    """Where two trees of lists and objects differ; numbers within the tolerance are alike."""
    if isinstance(ours, dict):
        if ours.keys() != theirs.keys():
            return [f"{where}: {ours.keys()} {theirs.keys()}"]
        return [d for key in ours for d in differences(ours[key], theirs[key], tolerance, f"{where}.{key}")]
    if isinstance(ours, list):
        if len(ours) != len(theirs):
            return [f"{where}: {len(ours)} and {len(theirs)}"]
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, tolerance, f"{where}[{i}]")]
    close = isinstance(ours, float) and abs(ours - theirs) <= tolerance * max(1.0, abs(ours))
    return [] if close or ours == theirs else [f"{where}: {ours} {theirs}"]


def test_it_is_what_the_runtime_says(stored: dict[str, Any]) -> None:
    found = json.loads(json.dumps(vectors()))
    assert differences(stored, found, stored["tolerance"]["scores"]) == []


def test_it_reaches_the_corners(stored: dict[str, Any]) -> None:
    outcomes = {case["name"]: case["outcome"] for case in stored["cases"]}
    assert [name for name, x in outcomes.items() if not x["better"]] == [
        "nothing to gain", "too few", "dances of one song",
    ]  # fmt: skip
    assert "lindy_hop" in outcomes["a new dance"]["labels"]
    assert len({x["temperature"] for x in outcomes.values()}) > 1
    assert len({x["evidence"]["weight"] for x in outcomes.values()}) > 1
    codes = np.array(stored["bytes"]["codes"])
    assert codes.min() == 0
    assert codes.max() == 255
    assert stored["merging"]["labels"] == ["a", "b", "c", "d", "other"]


@pytest.mark.parametrize("seed", [0, 1, 20, 4_000_000_000])
def test_the_generator_of_many_is_that_of_one(seed: int) -> None:
    one = Random(seed)
    assert uniform(seed, 1000).tolist() == [one() for _ in range(1000)]


@pytest.mark.parametrize("seed", [0, 7])
def test_normal_numbers_are_normal(seed: int) -> None:
    found = normals(seed, 100_001)
    assert len(found) == 100_001
    assert kstest(found, "norm").pvalue > 0.001
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(found, normals(seed + 1, 100_001))[0, 1]) < 0.02


def test_the_hash_is_the_published_one() -> None:
    """FNV-1a's own examples (Fowler, Noll, Vo and Eastlake, RFC draft, appendix C)."""
    assert [hashed(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
