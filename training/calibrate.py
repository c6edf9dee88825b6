"""Honest confidence: a temperature and a reject threshold, chosen on recordings the network never saw.

Networks are overconfident (thesis 3.4). Dividing the logits by a temperature (Guo et al. 2017) makes
the mean score of a recording's best dance, which is what a user sees, agree with how often it is right;
abstaining below a threshold (thesis 5, reject option) bounds the share of wrong answers among those given.

Training draws all dances alike (thesis 3.2.2), so the scores take all dances for equally common, which
they are not: `fold_prior` puts in how common they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from torch import nn

from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from training.data.collections import PRIORS
from training.data.store import Stored
from training.metrics import expected_calibration_error
from training.provenance import hash_of, seen

HIGHEST_TEMPERATURE = 10.0  # and its inverse the lowest: beyond it the fit has gone astray
MAX_ERROR = 0.1  # share of wrong answers among those given


@dataclass(frozen=True)
class Calibration:
    """What is written into a checkpoint, and from there into the exported model.

    Attributes
    ----------
    temperature : float
        Divides the logits of each segment.
    reject_threshold : float
        The network abstains where the recording's highest mean score is below it.
    max_error : float
        Share of errors among accepted recordings that the threshold was chosen for.
    coverage : float
        Share of the calibration recordings of the ten dances that are accepted.
    calibration_error_before, calibration_error : float
        Expected calibration error of recordings, at temperature 1 and at `temperature`.
    recordings : int
        Calibration recordings.
    """

    temperature: float
    reject_threshold: float
    max_error: float
    coverage: float
    calibration_error_before: float
    calibration_error: float
    recordings: int

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for `torch.load(weights_only=True)`."""
        return asdict(self)


def calibrate(
    segment_scores: Sequence[NDArray[np.floating]], truth: Sequence[str], *, max_error: float = MAX_ERROR
) -> Calibration:
    """Choose temperature and threshold.

    Parameters
    ----------
    segment_scores : sequence of ndarray, shape (n_segments, n_classes)
        Softmax scores per recording, at temperature 1.
    truth : sequence of str
        Class per recording; 'other' (or anything unknown) for music to none of the ten dances, which
        any answer at all gets wrong.
    max_error : float
        Between 0 and 1.
    """
    if not 0 < max_error < 1:
        raise ParameterError(f"max_error must be between 0 and 1, got {max_error}")
    if not len(segment_scores) or not set(truth) & set(DANCE_KEYS):
        raise WhichdanceError("calibration needs recordings of the ten dances; the manifest has none")
    logits = [np.log(np.maximum(scores, 1e-30)) for scores in segment_scores]
    n_classes = logits[0].shape[1]
    n_dances = len(DANCE_KEYS)
    target = np.array([DANCE_KEYS.index(t) if t in DANCE_KEYS else n_dances for t in truth])

    def mean_scores(temperature: float) -> NDArray[np.float64]:
        return np.stack([softmax(z / temperature, axis=1).mean(axis=0) for z in logits])

    known = target < n_classes  # a network of ten classes can only be fitted to the ten dances

    def loss(log_temperature: float) -> float:
        scores = mean_scores(float(np.exp(log_temperature)))[known]
        return float(-np.log(np.maximum(scores[np.arange(len(scores)), target[known]], 1e-12)).mean())

    limit = np.log(HIGHEST_TEMPERATURE)
    temperature = float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))

    def best(temperature: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        scores = mean_scores(temperature)[:, :n_dances]
        return scores.max(axis=1), scores.argmax(axis=1) == target

    confidence, right = best(temperature)
    threshold = threshold_for(confidence, right, max_error)
    dances = target < n_dances
    return Calibration(
        temperature=temperature,
        reject_threshold=threshold,
        max_error=max_error,
        coverage=float((confidence[dances] >= threshold).mean()),
        calibration_error_before=expected_calibration_error(*best(1.0)),
        calibration_error=expected_calibration_error(confidence, right),
        recordings=len(target),
    )


def check_unseen(checkpoint: Mapping[str, Any], recordings: Sequence[Stored], name: str) -> None:
    """A network is sure of what it was trained on, and a temperature fitted there is too low.

    Parameters
    ----------
    checkpoint : mapping
    recordings : sequence of Stored
        To calibrate on.
    name : str
        Of their manifest, for the message.

    Raises
    ------
    WhichdanceError
        If the network was trained on any of them.
    """
    trained = seen(checkpoint).get("train", set())
    met = [r for r in recordings if hash_of(r) in trained]
    if met:
        raise WhichdanceError(
            f"{name}: the network was trained on {len(met)} of these {len(recordings)} recordings, one is "
            f"{met[0].recording.path}; calibrate on others: another manifest, or MANIFEST.csv@validation"
        )


def fold_prior(network: nn.Module, prior: str) -> None:
    """Shift the logits of a network that was trained on dances in equal shares to a prior, in place.

    Bayes: the posterior under prior p is proportional to p times the posterior under equal shares, so
    log p is added to the logits, that is to the bias of the last layer. Music to none of the ten dances
    keeps its share.

    Parameters
    ----------
    network : nn.Module
        Its last linear layer gives the logits.
    prior : str
        'uniform', or 'collected': as in the collections of the thesis (tables 4.1 and 4.3), where a paso
        doble is seven times rarer than a samba.
    """
    if prior not in PRIORS:
        raise ParameterError(f"prior must be one of {', '.join(PRIORS)}, got {prior!r}")
    last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    if not isinstance(last, nn.Linear):
        raise ParameterError(
            f"a prior needs a last layer that is linear, which {type(network).__name__} lacks"
        )
    shares = torch.tensor(PRIORS[prior]) / float(np.mean(PRIORS[prior]))
    with torch.no_grad():
        last.bias[: len(DANCE_KEYS)] += shares.log()


def threshold_for(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], max_error: float = MAX_ERROR
) -> float:
    """The lowest threshold at which at most `max_error` of the accepted recordings are wrong.

    Above the highest confidence (1) if no threshold reaches that.
    """
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(errors <= max_error)
    return float(confidence[order[enough[-1]]]) if len(enough) else 1.0
