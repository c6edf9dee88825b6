"""From an empty folder to a model that the runtime loads, by one command. Takes minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import Classifier
from runtime.dances import DANCE_KEYS
from training.data.manifest import of_split, read_manifest

SCRIPT = Path(__file__).parents[2] / "examples" / "train_from_nothing.py"


@pytest.mark.slow
def test_one_command_from_an_empty_folder_to_a_model(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True)

    report = json.loads((tmp_path / "report" / "report.json").read_text())
    different = next(d for d in report["datasets"] if d["name"] == "other-music")
    assert different["top1"]["interval"][0] > 0.2  # chance is 0.1
    assert different["counts"]["other"] > 0

    classifier = Classifier(tmp_path / "models" / "small.onnx")
    recordings = of_split(read_manifest(tmp_path / "music" / "manifest.csv"), "train")
    chosen = [next(r for r in recordings if r.dance == key) for key in DANCE_KEYS]
    right = sum(classifier.classify(r.path).best == r.dance for r in chosen)
    assert right >= 5
