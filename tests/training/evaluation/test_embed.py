from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.cli import main
from training.data.store import Stored
from training.evaluation.embed import embed, embedding_runner
from training.evaluation.scoring import network_runner, score_recordings
from training.networks.models import build, save_checkpoint


@pytest.mark.parametrize("architecture", ["rhythmogram", "mobilenet_v3_small", "squeezenet1_1", "resnet18"])
def test_the_last_layer_makes_the_logits_of_them(architecture: str) -> None:
    """Independently: the embedding, put through the last layer, is what the network says."""
    torch.manual_seed(0)
    network = build(architecture).eval()
    power = torch.rand(3, 1, 224, 224) ** 4
    with embedding_runner(network) as run:
        embeddings = torch.from_numpy(run(power.numpy()))
    last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    with torch.inference_mode():
        logits = network(power)
        if isinstance(last, nn.Linear):
            torch.testing.assert_close(last(embeddings), logits, atol=1e-4, rtol=1e-4)
        else:
            assert embeddings.shape == (3, last.in_channels)
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_embed_writes_a_row_per_recording(manifest: Path, tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    network = build("rhythmogram", width=0.25).eval()
    save_checkpoint(tmp_path / "best.pt", network, "rhythmogram", {"width": 0.25})
    output = tmp_path / "e.npz"
    assert main(["embed", str(tmp_path / "best.pt"), str(manifest), "-o", str(output)]) == 0
    with np.load(output) as arrays:
        assert arrays["embeddings"].shape[0] == 15
        assert arrays["dance"].tolist() == [s.recording.dance for s in stored]
        assert arrays["split"].tolist() == [s.recording.split for s in stored]
        assert np.allclose(arrays["embeddings"], embed(network, stored), atol=1e-5)
    scores = score_recordings(network_runner(network), stored)
    head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    one = next(i for i, s in enumerate(scores) if len(s) == 1)  # one segment: its scores are the mean's
    with torch.inference_mode():
        expected = head(torch.from_numpy(embed(network, [stored[one]]))).softmax(dim=1)
    assert np.allclose(expected.numpy(), scores[one], atol=1e-5)
