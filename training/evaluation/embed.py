"""Embeddings: what the last layer of a network sees, per recording."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.atomic import replacing
from runtime.mel import Float32
from runtime.segments import DEFAULT_STRIDE
from training.data.provenance import hash_of
from training.data.store import Stored
from training.evaluation.scoring import score_recordings


@contextmanager
def embedding_runner(network: nn.Module, device: torch.device | str = "cpu") -> Iterator[Any]:
    """Segments of mel power (n, 1, 224, T) to the input of the last layer, (n, dimensions).

    Where that is an image, as before SqueezeNet's classifying convolution, its mean over bands and frames.
    """
    last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    caught: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))

    def run(batch: Float32) -> Float32:
        network.eval()
        caught.clear()
        with torch.inference_mode():
            network(torch.from_numpy(batch).to(device))
        features = caught[-1].float()
        features = features.mean(dim=(2, 3)) if features.ndim == 4 else features
        found: Float32 = features.cpu().numpy()
        return found

    try:
        yield run
    finally:
        handle.remove()


def embed(
    network: nn.Module,
    recordings: Sequence[Stored],
    *,
    device: torch.device | str = "cpu",
    stride: int = DEFAULT_STRIDE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32]:
    """The mean embedding of each recording's segments, shape (n, dimensions)."""
    with embedding_runner(network, device) as run:
        parts = score_recordings(run, recordings, stride=stride, progress=progress)
    return np.stack([part.mean(axis=0) for part in parts])


def write_embeddings(path: Path, embeddings: NDArray[np.float32], recordings: Sequence[Stored]) -> None:
    """An .npz file: `embeddings` (n, dimensions), `path`, `dance`, `split`, `group`, `recording` (a hash)."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            embeddings=embeddings,
            path=np.array([str(r.recording.path) for r in recordings]),
            dance=np.array([r.recording.dance for r in recordings]),
            split=np.array([r.recording.split for r in recordings]),
            group=np.array([r.recording.group for r in recordings]),
            recording=np.array([hash_of(r) for r in recordings]),
        )
