"""The page's engine on the sequences that Python and JavaScript must agree on (tests/shared), by Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime.dances import dance
from runtime.model import Model
from web_app.build import PAGE
from web_app.definition import definition

SHARED = Path(__file__).parents[1] / "shared"
SCRIPT = Path(__file__).with_name("replay.mjs")
FILES = {  # file, kind of sequence in it → its name in the script
    ("evidence", "sequences"): "evidence",
    ("answer", "numbers"): "numbers",
    ("answer", "naming"): "naming",
    ("answer", "grading"): "grading",
    ("live", "sequences"): "live",
    ("tempo", "sequences"): "tempo",
    ("beats", "sequences"): "beats",
}
LONG = ("tempo", "beats")


@pytest.mark.parametrize(("file", "kind"), FILES)
def test_the_page_agrees(file: str, kind: str) -> None:
    """Of the slow ones the first hundred."""
    replay(file, kind, 100 if file in LONG else None)


@pytest.mark.slow
@pytest.mark.parametrize("file", LONG)
def test_the_page_agrees_on_all_of(file: str) -> None:
    replay(file, "sequences")


def replay(file: str, kind: str, most: int | None = None) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 18 or newer")
    content = json.loads((SHARED / f"{file}.json").read_text("utf-8"))
    assert len(content[kind]) >= 1000
    wanted, name = content[kind][:most], FILES[file, kind]
    facts = definition(Model.load(threads=1), model_file="", precision="", version="")
    jive = dance("jive")
    given = {
        "definition": facts,
        "settings": content.get("settings"),
        "kinds": {name: len(wanted)},
        "jive": {
            key: getattr(jive, key) for key in ("beats_per_bar", "mpm_low", "mpm_high", "mpm_min", "mpm_max")
        },
    }
    command = [node, str(SCRIPT), str(PAGE / "engine")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[name]
    assert len(found) == len(wanted)
    for seed, (ours, theirs) in enumerate(zip(wanted, found, strict=True)):
        assert agree(ours, theirs), (seed, ours, theirs)


def agree(ours: Any, theirs: Any) -> bool:
    """Alike: numbers to within one of their last digit, or a millionth; texts that are numbers as well."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(agree(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if isinstance(ours, str) and "." in ours and ours.lstrip("-").replace(".", "", 1).isdigit():
        return agree(float(ours), float(theirs))
    if isinstance(ours, float):
        digits = len(repr(ours).partition(".")[2])
        return bool(theirs is not None and abs(ours - theirs) <= max(1.01 * 10**-digits, 1e-6 * abs(ours)))
    return bool(ours == theirs)
