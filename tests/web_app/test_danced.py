"""What is danced here: the page's scores against Python's, by Node."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.dances import GROUPS
from runtime.mel import Float32
from runtime.model import Model
from runtime.session import Judging
from web_app.definition import definition

SCORES = np.random.default_rng(2).dirichlet(np.full(11, 0.3), 20).astype(np.float32)
SCORES[0] = [*np.zeros(10), 1]  # none of all
MODULE = Path(__file__).parents[2] / "web_app" / "page" / "engine" / "danced.js"
SCRIPT = """
import { readFileSync } from 'node:fs';
const { danced } = await import(process.argv[1]);
const { definition, scores, asked } = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const [dances, nothingElse] of asked) {
  const rows = scores.map((row) => ({ run: async () => Float32Array.from(row) }));
  const heard = [];
  let narrow;
  for (const network of rows) {
    const [narrowed, closed] = danced(definition, network, dances, nothingElse);
    narrow = narrowed;
    heard.push(Array.from(await closed.run(new Float32Array(0))));
  }
  const { none_bias: bias, temperature } = narrow.evidence;
  results.push({ labels: narrow.model.labels, bias, temperature, heard });
}
console.log(JSON.stringify(results));
"""


class Known(Model):
    """A model whose scores are known."""

    def run(self, windows: Float32) -> Float32:
        return SCORES[windows[:, 0, 0, 0].astype(int)]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_page_narrows_as_the_runtime_does(tiny_model: Path) -> None:
    plain = Model.load(tiny_model, threads=1)
    fitted = {"all": (2.0, 1.5), "standard": (1.3, 1.1), "ten": (9.0, 9.0)}  # 'ten' is all here
    model = Model(replace(plain.info, group_temperatures=fitted), plain.engine)
    asked = [(group, only) for group in (*GROUPS, "tango,jive", "tango", "all") for only in (False, True)]
    asked = [(group, only) for group, only in asked if group != "social"]  # which the model knows nothing of
    judgings = [Judging(model, 43, dances=group, nothing_else=only) for group, only in asked]
    facts = definition(model, model_file="m", precision="float", version="0")
    given = {
        "definition": facts,
        "scores": SCORES.tolist(),
        "asked": [(judging.labels, only) for judging, (_, only) in zip(judgings, asked, strict=True)],
    }
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, MODULE.as_uri()],
        input=json.dumps(given), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    windows = np.broadcast_to(np.arange(len(SCORES), dtype=np.float32)[:, None, None, None], (20, 1, 2, 2))
    for judging, theirs in zip(judgings, json.loads(done.stdout), strict=True):
        listening = replace(judging, model=Known(model.info, model.engine))
        assert theirs["labels"] == list(judging.labels)
        assert theirs["bias"] == judging.evidence.none_bias
        assert theirs["temperature"] == judging.evidence.temperature
        np.testing.assert_allclose(theirs["heard"], listening.scores(windows), atol=1e-6)
    assert facts["groups"]["standard"] == [k for k in model.info.labels if k in GROUPS["standard"]]
