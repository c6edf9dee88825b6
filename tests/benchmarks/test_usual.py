"""The usual pipeline does the same work as ours."""

from pathlib import Path

import pytest

from benchmarks import networks, sounds, usual
from runtime.classifier import Classifier


@pytest.mark.slow
def test_usual_pipeline_gives_the_same_answer(tmp_path: Path) -> None:
    path = str(sounds.write_music(tmp_path / "music.wav", 20, 22_050))
    subject = networks.untrained(networks.MOBILE, tmp_path)
    checkpoint = str(networks.untrained_checkpoint(networks.MOBILE, tmp_path))
    assert usual.load(checkpoint)(path) == Classifier(subject.files["float"]).classify(path).best
