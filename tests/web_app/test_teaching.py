"""The page's heads: fitted as Python fits them, by the shared vectors, and its files are the runtime's."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.model import Model
from runtime.taught import SUFFIX
from tests.runtime.test_labels import BAD, GOOD
from tests.runtime.test_shared_heads import differences
from tests.runtime.test_taught import taught_on
from tests.shared.teaching import CASES, FILE
from web_app.build import PAGE
from web_app.definition import definition

SCRIPT = Path(__file__).with_name("teach.mjs")
ENGINE = PAGE / "engine"


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return definition(Model.load(threads=1), model_file="", precision="", version="")


def node(*arguments: str, given: str = "") -> Any:
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node 18 or newer")
    done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fitted(stored: dict[str, Any], facts: dict[str, Any]) -> Any:
    given = {"definition": facts} | {key: stored[key] for key in ("cases", "bytes", "merging", "losses")}
    return node(str(SCRIPT), str(ENGINE), given=json.dumps(given))


def test_the_constants_are_the_runtimes(stored: dict[str, Any], facts: dict[str, Any]) -> None:
    teaching = json.loads(json.dumps(facts["teaching"]))
    own = {key: teaching[key] for key in stored["constants"]}
    assert differences(stored["constants"], own, 1e-8) == []


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_page_fits_the_same_head(stored: dict[str, Any], fitted: Any, number: int) -> None:
    """Steps on the way, what is chosen, and the scores that the head gives."""
    wanted, found = stored["cases"][number], fitted["cases"][number]
    numbers, scores = stored["tolerance"]["numbers"], stored["tolerance"]["scores"]
    for stage in ("steps", "outcome"):
        for key, value in wanted[stage].items():
            tolerance = scores if key == "scores" else numbers
            ours = json.loads(json.dumps(value))
            assert differences(ours, found[stage][key], tolerance, key) == [], wanted["name"]


def test_segments_become_the_same_bytes(stored: dict[str, Any], fitted: Any) -> None:
    codes = np.array(stored["bytes"]["codes"]).ravel()
    assert fitted["bytes"]["codes"] == codes.tolist()
    decoded = np.array(stored["bytes"]["decoded"]).ravel()
    np.testing.assert_allclose(fitted["bytes"]["decoded"], decoded, rtol=1e-6)


def test_heads_are_averaged_alike(stored: dict[str, Any], fitted: Any) -> None:
    wanted = {key: stored["merging"][key] for key in ("labels", "recordings", "head")}
    assert differences(wanted, fitted["merging"], 1e-6) == []


def test_what_is_worse_is_worse_in_the_page(stored: dict[str, Any], fitted: Any) -> None:
    assert fitted["worse"] == [one["worse"] for one in stored["losses"]]
    assert set(fitted["worse"]) == {True, False}


def test_half_precision_is_numpys() -> None:
    """All numbers that there are in it, and random ones between."""
    script = (
        "const { fromHalf, toHalf } = await import(process.argv[1]);"
        "const { readFileSync } = await import('node:fs');"
        "const values = JSON.parse(readFileSync(0, 'utf8'));"
        "const all = Array.from({ length: 65536 }, (_, i) => i).filter((i) => Number.isFinite(fromHalf(i)));"
        "const wrong = all.filter((i) => toHalf(fromHalf(i)) !== i);"
        "console.log(JSON.stringify([values.map(toHalf), wrong.length]));"
    )
    rng = np.random.default_rng(0)
    exact = np.arange(2, 30_000, 7, dtype=np.uint16).view(np.float16).astype(np.float64)
    between = exact[:-1] + np.diff(exact) / 2  # halves
    values = np.concatenate([rng.normal(size=2000) * 10.0 ** rng.integers(-9, 5, 2000), between, [0, -0.0]])
    with np.errstate(over="ignore"):
        wanted = values.astype(np.float16).view(np.uint16).tolist()
    module = (ENGINE / "taught.js").as_uri()
    halves, wrong = node("--input-type=module", "-e", script, module, given=json.dumps(values.tolist()))
    assert halves == wanted
    assert wrong == 0


def test_a_label_is_what_it_is_to_the_runtime(facts: dict[str, Any], tmp_path: Path) -> None:
    """Of any script: the page once refused the file of a teacher of the csárdás."""
    ours = tmp_path / "model.onnx"
    ours.touch()
    taught_on(ours, new="čardáš").write(tmp_path / f"my{SUFFIX}")
    script = """
        import { readFileSync } from 'node:fs';
        const { isLabel, read } = await import(`${process.argv[1]}/taught.js`);
        const { teaching, labels, file } = JSON.parse(readFileSync(0, 'utf8'));
        const verdicts = labels.map((label) => isLabel(teaching, label));
        console.log(JSON.stringify({ verdicts, read: read(teaching, file).labels.at(-1) }));
    """
    file = (tmp_path / f"my{SUFFIX}").read_text("utf-8")
    given = {"teaching": facts["teaching"], "labels": [*GOOD, *BAD], "file": file}
    found = node("--input-type=module", "-e", script, str(ENGINE), given=json.dumps(given))
    assert found == {"verdicts": [True] * len(GOOD) + [False] * len(BAD), "read": "čardáš"}
