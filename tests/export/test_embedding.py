"""The second output of an exported file, against the checkpoint's own last layer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.cli import main
from runtime.errors import ModelError
from runtime.model import Model
from training.embed import embedding_runner
from training.models import build, load_checkpoint, save_checkpoint


@pytest.mark.parametrize(
    "architecture", ["rhythmogram", pytest.param("mobilenet_v3_small", marks=pytest.mark.slow)]
)
def test_embeddings_of_the_file_are_those_of_the_checkpoint(tmp_path: Path, architecture: str) -> None:
    torch.manual_seed(0)
    options = {"width": 0.25} if architecture == "rhythmogram" else {"bands": 28}
    save_checkpoint(tmp_path / "best.pt", build(architecture, **options).eval(), architecture, options)
    command = [str(tmp_path / "best.pt"), "-o", str(tmp_path), "--name", "mine", "--licence", "CC0-1.0"]
    assert main([*command, "--embedding"]) == 0
    model = Model.load(tmp_path / "mine.onnx")
    batch = (np.random.default_rng(0).random((3, 1, 224, 224)) ** 6).astype(np.float32)
    with embedding_runner(load_checkpoint(tmp_path / "best.pt")[0]) as run:
        expected = run(batch)
    assert np.abs(model.embed(batch) - expected).max() < 1e-3 * np.abs(expected).max()
    scores = model.run(batch)
    assert scores.shape == (3, len(model.info.labels) + 1)

    assert main(command) == 0  # without the option there is none, and the scores are the same
    plain = Model.load(tmp_path / "mine.onnx")
    assert np.array_equal(plain.run(batch), scores)
    with pytest.raises(ModelError, match="has no output 'embedding'; `python -m export … --embedding`"):
        plain.embed(batch)


def test_a_network_without_a_linear_last_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(
        tmp_path / "best.pt", build("squeezenet1_1", bands=28).eval(), "squeezenet1_1", {"bands": 28}
    )
    command = [str(tmp_path / "best.pt"), "-o", str(tmp_path / "out"), "--licence", "CC0-1.0", "--embedding"]
    assert main(command) == 1
    assert "needs a last layer that is linear" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.onnx"))
