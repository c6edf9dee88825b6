"""The statistics of features that a model file carries, so that `whichdance teach` forgets nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.deployed import Deployable
from export.verify import BATCH
from runtime.dances import OTHER
from runtime.errors import ModelError
from runtime.mel import Float32
from runtime.model import Model
from runtime.rehearsal import Rehearsal
from runtime.segments import windows
from training.data.codec import STORED
from training.data.collections import dance_of
from training.data.manifest import manifest_path, read_selection
from training.data.store import Store, Stored

PER_CLASS = 400  # segments: means to a twentieth of the deviation
RANK = 64  # of the covariance; with means it makes about 200 kB in half precision
AGREEMENT = 1e-3  # of scores: between the file and its last layer, computed here from its features


def last_layer(deployable: Deployable) -> Float32 | None:
    """Weights and bias (n_labels, n_features + 1) whose softmax are the scores; None if it is not linear."""
    scores = deployable.network
    layers = [m for m in scores.network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    if not layers or not isinstance(layers[-1], nn.Linear):
        return None
    layer = layers[-1]
    with torch.no_grad():
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.clone()
        if len(scores.log_prior):
            bias = bias + scores.log_prior
        head = torch.cat([layer.weight, bias[:, None]], dim=1) / scores.temperature
    found: Float32 = head.numpy().astype(np.float32)
    return found


def chosen(recordings: Sequence[Stored], segment_frames: int, n: int, rng: np.random.Generator) -> Float32:
    """At most `n` segments (m, 1, 224, segment_frames) of recordings, as many of each as of the others."""
    order = rng.permutation(len(recordings))[:n]
    each = -(-n // max(1, len(order)))
    parts = []
    for i in order:
        every = windows(recordings[i].codes(), segment_frames, 1)
        starts = rng.integers(max(1, len(every)), size=min(each, len(every)))
        parts += [STORED.decode(np.asarray(every[start])) for start in starts]
    return np.stack(parts[:n]) if parts else np.empty((0, 1, 224, segment_frames), np.float32)


@dataclass(frozen=True)
class Moments:
    """Features by class: `means` (n_classes, size), and `within` (n, size), what is left of each segment."""

    classes: tuple[str, ...]
    means: NDArray[np.float64]
    within: NDArray[np.float64]

    def low_rank(self, rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Directions (rank, size) and spread (size,): see `runtime.rehearsal.Rehearsal`."""
        covariance = self.within.T @ self.within / max(1, len(self.within) - len(self.classes))
        values, vectors = np.linalg.eigh(covariance)
        rank = min(rank, len(values))
        directions = (vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))).T[::-1]
        own = np.diag(covariance) - (directions**2).sum(axis=0)
        return directions, np.sqrt(np.maximum(own, 0))


def statistics(
    model: Model,
    head: Float32,
    selections: Sequence[str],
    *,
    labels: Sequence[str],
    per_class: int = PER_CLASS,
    rank: int = RANK,
    progress: Callable[[str], None] = lambda step: None,
) -> Rehearsal:
    """What the features of each class look like on the recordings of manifests.

    Parameters
    ----------
    model : Model
        The exported file; gives features.
    head : ndarray
        As `last_layer` gives it: of the first features, those that the last layer sees.
    selections : sequence of str
        MANIFEST.csv[@SPLIT], all recordings where no split is named; their spectrograms are taken from, or
        put into, the store `features` beside the manifest.
    labels : sequence of str
        Of the head's rows; a dance that is none of them counts as 'other'.
    per_class : int
        At most so many segments of each.
    rank : int
        Of the covariance.
    progress : callable
        Called with what is being done, in words.

    Raises
    ------
    ModelError
        If a class has no recordings, or the file's scores are not what the head makes of its features.
    """
    by_class: dict[str, list[Stored]] = {label: [] for label in labels}
    for selection in selections:
        store = Store(manifest_path(selection).parent / "features")
        for stored in store.collect(read_selection(selection)).stored:
            dance = dance_of(stored.recording.dance)
            place = dance if dance in by_class else OTHER
            if place in by_class:
                by_class[place].append(stored)
    lacking = [label for label, found in by_class.items() if not found]
    if lacking:
        raise ModelError(
            f"{', '.join(selections)}: no recordings of {', '.join(lacking)}; rehearsal needs all of the "
            "model's classes: give a manifest that has them, as the one that it was trained on"
        )
    rng = np.random.default_rng(0)
    means: list[NDArray[np.float64]] = []
    within: list[NDArray[np.float64]] = []
    n_recordings = 0
    for label, recordings in by_class.items():
        progress(f"features of {label}")
        segments = chosen(recordings, model.info.segment_frames, per_class, rng)
        found = np.concatenate([model.embed(segments[i : i + BATCH]) for i in range(0, len(segments), BATCH)])
        if not means:
            head = widened(head, found.shape[1])
            _check(model, head, segments[:BATCH], found[:BATCH])
        means.append(found.mean(axis=0, dtype=np.float64))
        within.append(found - means[-1])
        n_recordings += min(len(recordings), per_class)
    moments = Moments(tuple(by_class), np.stack(means), np.concatenate(within))
    directions, spread = moments.low_rank(rank)
    return Rehearsal(
        tuple(labels),
        head,
        moments.classes,
        moments.means.astype(np.float32),
        directions.astype(np.float32),
        spread.astype(np.float32),
        n_recordings,
    )


def widened(head: Float32, size: int) -> Float32:
    """A head (n_labels, n + 1) for `size` features, of which it sees the first n alone."""
    unseen = np.zeros((len(head), size + 1 - head.shape[1]), head.dtype)
    return np.concatenate([head[:, :-1], unseen, head[:, -1:]], axis=1)


def _check(model: Model, head: Float32, segments: Float32, features: Float32) -> None:
    logits = features.astype(np.float64) @ head[:, :-1].T + head[:, -1]
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    n = len(model.info.labels)
    difference = float(np.abs(scores[:, :n] - model.run(segments)[:, :n]).max())
    if difference > AGREEMENT:
        raise ModelError(
            f"the last layer gives other scores than the network, by up to {difference:.2g}: its features "
            "cannot be taught on"
        )
