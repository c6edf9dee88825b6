"""requirements.lock: every version that CI installs, with its hashes."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NOT_LOCKED = {"torch", "torchvision"}  # their builds differ by machine: see the file's first lines


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\n]+)((?:[^\n]*\\\n)*[^\n]*)", text, re.MULTILINE)
    for name, version, rest in blocks:
        assert "--hash=sha256:" in rest, (name, version)
    return {canonicalize_name(name): version for name, version, _ in blocks}


def _wanted(project: dict, extra: str) -> list[Requirement]:
    found = []
    for line in project["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                found += _wanted(project, other)
        else:
            found.append(requirement)
    return found


def test_it_fits_what_the_project_and_the_constraints_ask_for(locked):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = [Requirement(line) for line in lines if not line.startswith("#")]
    everything = [*map(Requirement, project["dependencies"]), *_wanted(project, "test"), *constraints]
    assert len(everything) > 30
    for requirement in everything:
        name = canonicalize_name(requirement.name)
        if name not in NOT_LOCKED:
            assert name in locked, f"{name} is missing; make requirements.lock anew"
            assert requirement.specifier.contains(locked[name]), requirement


def test_it_names_no_place_to_download_from(locked):
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert not NOT_LOCKED & locked.keys()
    assert not [name for name in locked if re.match("nvidia-|cuda-|triton", name)]  # gigabytes


def test_nothing_that_they_need_is_missing(locked):
    """`pip install --no-deps` would not get it."""
    looked_at = 0
    for name, version in locked.items():
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if installed.version != version:
            continue
        looked_at += 1
        for line in installed.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in locked.keys() | NOT_LOCKED, (name, line)
    assert looked_at > 20
