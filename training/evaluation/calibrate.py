"""Honest confidence: a temperature and a reject threshold, chosen on recordings the network never saw.

Networks are overconfident (thesis 3.4). Dividing the logits by a temperature (Guo et al. 2017) makes
the mean score of a recording's best dance, which is what a user sees, agree with how often it is right;
abstaining below a threshold (thesis 5, reject option) bounds the share of wrong answers among those given.

The bound is meant for recordings to come, not for those at hand: the threshold is chosen so that the
upper confidence limit of the error among the accepted (Clopper and Pearson 1934) stays below it.

Training draws all dances alike (thesis 3.2.2), so the scores take all dances for equally common, which
they are not: `log_prior` puts in how common they are taken for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import beta

from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import ParameterError, WhichdanceError
from training.data.collections import PRIORS
from training.data.provenance import hash_of, seen
from training.data.store import Stored
from training.evaluation.metrics import expected_calibration_error

HIGHEST_TEMPERATURE = 10.0  # and its inverse the lowest: beyond it the fit has gone astray
MAX_ERROR = 0.1  # share of wrong answers among those given
CONFIDENCE = 0.9  # with which that bound is to hold
PARTS = 5  # of the recordings: each is judged at a temperature that was fitted to the other parts
BALLROOM = 2.0  # at a ballroom party two of three dances are of the ten, of ten and ten that a model knows
CALIBRATION_PRIORS = (*PRIORS, "ballroom")
STARTS = (1 / 2, 1 / 4, 1 / 8, 1 / 16)  # shares of recordings accepted by the first thresholds tried


@dataclass(frozen=True)
class Calibration:
    """What is written into a checkpoint, and from there into the exported model.

    Attributes
    ----------
    temperature : float
        Divides the logits of each segment.
    reject_threshold : float or None
        None where no threshold can be shown to keep the bound, as from few recordings; else the network
        abstains where the recording's highest mean score is below it.
    max_error : float
        Share of errors among accepted recordings that the threshold was chosen for.
    confidence : float
        Probability that the error of recordings to come keeps to it.
    coverage : float
        Share of the calibration recordings of the model's dances that are accepted.
    calibration_error_before, calibration_error : float
        Expected calibration error of recordings, at temperature 1 and cross-fitted: each recording at a
        temperature that was fitted to others. The threshold is chosen by the same confidences.
    recordings : int
        Calibration recordings.
    unproved : str
        Why there is no threshold, in words; '' where there is one.
    """

    temperature: float
    reject_threshold: float | None
    max_error: float
    confidence: float
    coverage: float
    calibration_error_before: float
    calibration_error: float
    recordings: int
    unproved: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for `torch.load(weights_only=True)`."""
        return asdict(self)


def calibrate(
    segment_scores: Sequence[NDArray[np.floating]],
    truth: Sequence[str],
    *,
    max_error: float = MAX_ERROR,
    labels: Sequence[str] | None = None,
    shares: Sequence[float] | None = None,
) -> Calibration:
    """Choose temperature and threshold.

    The temperature is that of the network alone, whose recordings here are as common as in training; the
    threshold is that of its answers under a prior.

    Parameters
    ----------
    segment_scores : sequence of ndarray, shape (n_segments, n_classes)
        Softmax scores per recording, at temperature 1.
    truth : sequence of str
        Class per recording; 'other' (or anything unknown) for music to none of the model's dances, which
        any answer at all gets wrong.
    max_error : float
        Between 0 and 1.
    labels : sequence of str, optional
        Of the columns of scores; the thesis's ten in order, perhaps with 'other' last, if not given.
    shares : sequence of float, optional
        How common each of the classes is taken for, see `shares_of`; all alike if None.

    Raises
    ------
    WhichdanceError
        If there are no recordings of the model's dances.
    """
    if not 0 < max_error < 1:
        raise ParameterError(f"max_error must be between 0 and 1, got {max_error}")
    if labels is None:
        labels = (*DANCE_KEYS, OTHER)[: segment_scores[0].shape[1]] if len(segment_scores) else DANCE_KEYS
    dance_keys = [label for label in labels if label != OTHER]
    if not len(segment_scores) or not set(truth) & set(dance_keys):
        raise WhichdanceError("calibration needs recordings of the model's dances; the manifest has none")
    logits = [np.log(np.maximum(scores, 1e-30)) for scores in segment_scores]
    n_classes, n_dances = logits[0].shape[1], len(dance_keys)
    target = np.array([dance_keys.index(t) if t in dance_keys else n_dances for t in truth])

    def mean_scores(temperature: float, prior: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
        return np.stack([softmax(z / temperature + prior, axis=1).mean(axis=0) for z in logits])

    known = target < n_classes  # a network without 'other' can only be fitted to its dances

    def fitted(chosen: NDArray[np.bool_]) -> float:
        own = chosen & known
        return _temperature(lambda temperature: mean_scores(temperature)[own], target[own])

    def best(temperature: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        scores = mean_scores(temperature, 0.0 if shares is None else np.log(shares))[:, :n_dances]
        return scores.max(axis=1), scores.argmax(axis=1) == target

    temperature = fitted(known)
    confidence, right = best(temperature)
    for part in _parts(target):
        if (known & ~part).any():  # what is said of recordings has not been fitted to them
            of_part = best(fitted(~part))
            confidence[part], right[part] = of_part[0][part], of_part[1][part]
    threshold, unproved = _proved(confidence, right, max_error)
    dances = target < n_dances
    return Calibration(
        temperature=temperature,
        reject_threshold=threshold,
        max_error=max_error,
        confidence=CONFIDENCE,
        coverage=float((best(temperature)[0][dances] >= (threshold or 0.0)).mean()),
        calibration_error_before=expected_calibration_error(*best(1.0)),
        calibration_error=expected_calibration_error(confidence, right),
        recordings=len(target),
        unproved=unproved,
    )


def _temperature(scores_at: Callable[[float], NDArray[np.float64]], target: NDArray[np.int64]) -> float:
    """The temperature at which the scores of recordings make the truth likeliest."""
    limit = np.log(HIGHEST_TEMPERATURE)

    def loss(log_temperature: float) -> float:
        scores = scores_at(float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scores[np.arange(len(scores)), target], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def _proved(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], max_error: float
) -> tuple[float | None, str]:
    """The threshold, or None and why there is none: the temperature is fitted all the same."""
    try:
        return threshold_for(confidence, right, max_error), ""
    except WhichdanceError as error:
        return None, str(error)


def _parts(target: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Recordings in `PARTS` parts, those of each class spread over them."""
    places = np.empty(len(target), int)
    places[np.argsort(target, kind="stable")] = np.arange(len(target)) % PARTS
    return [places == i for i in range(PARTS)]


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


def shares_of(prior: str, labels: Sequence[str]) -> tuple[float, ...]:
    """How common a prior takes each of a network's classes for, relative to equal shares.

    Parameters
    ----------
    prior : str
        'uniform'; 'ballroom': each of the ten `BALLROOM` times as common as another dance; or 'collected':
        as in the collections of the thesis (tables 4.1 and 4.3), where a paso doble is seven times rarer
        than a samba. What a prior knows nothing of, and music to none of the dances, keeps its share.
    labels : sequence of str
        The network's classes in order.

    Raises
    ------
    ParameterError
    """
    if prior not in CALIBRATION_PRIORS:
        raise ParameterError(f"prior must be one of {', '.join(CALIBRATION_PRIORS)}, got {prior!r}")
    if prior == "ballroom":
        return tuple(BALLROOM if label in DANCE_KEYS else 1.0 for label in labels)
    shares = np.array(PRIORS[prior]) / np.mean(PRIORS[prior])
    known = dict(zip(DANCE_KEYS, shares.tolist(), strict=True))
    return tuple(known.get(label, 1.0) for label in labels)


def log_prior(shares: Sequence[float], temperature: float) -> tuple[float, ...]:
    """What a prior adds to the logits of a network that was trained on dances in equal shares.

    Bayes: the posterior under prior p is proportional to p times the posterior under equal shares, so log p
    is added to what the temperature has divided; or the temperature times that before it divides.

    Parameters
    ----------
    shares : sequence of float
        One for each of the network's classes, see `shares_of`.
    temperature : float
    """
    return tuple((temperature * np.log(shares)).tolist())


def threshold_for(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    max_error: float = MAX_ERROR,
    sure: float = CONFIDENCE,
) -> float:
    """The lowest threshold at which at most `max_error` of the accepted are wrong, with probability `sure`.

    Of n accepted recordings k are wrong; the error of recordings to come is then below the upper limit of
    Clopper and Pearson (1934), the `sure` quantile of the beta distribution of k + 1 and n - k. To pick
    the best of many thresholds would pick luck as well: they are tried in fixed orders, from those that
    accept a half, a quarter, an eighth and a sixteenth of the recordings downwards, each until the first
    that breaks the bound, and each with a quarter of the risk (fixed-sequence testing with several starts;
    Angelopoulos et al. 2021, Learn then Test). Recordings of equal confidence are accepted together.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
    right : ndarray of bool, shape (n,)
    max_error, sure : float
        0 to 1.

    Raises
    ------
    WhichdanceError
        If no threshold keeps the bound.
    """
    order = np.argsort(-confidence, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~right[order])
    each = 1 - (1 - sure) / len(STARTS)
    limit = np.where(wrong < accepted, beta.ppf(each, wrong + 1, np.maximum(accepted - wrong, 1)), 1.0)
    falling = confidence[order]
    last_of_equals = np.append(falling[1:] < falling[:-1], True)
    needed = int(np.ceil(np.log(1 - each) / np.log(1 - max_error)))  # all of them right
    chains = [
        np.flatnonzero(last_of_equals & (accepted >= max(needed, share * len(order)))) for share in STARTS
    ]
    kept = [chain[: int(np.append(limit[chain] > max_error, True).argmax())] for chain in chains]
    lowest = max((int(chain[-1]) for chain in kept if len(chain)), default=None)
    if lowest is None:
        enough = (
            "are too often wrong; give more, several hundred, or a larger max_error"
            if len(order) >= needed
            else f"are too few or too often wrong; give at least {needed}, better several hundred, or a "
            "larger max_error"
        )
        raise WhichdanceError(
            f"no threshold keeps errors among accepted recordings below {max_error:.0%} with a probability "
            f"of {sure:.0%}: {len(order)} recordings, {int(right.sum())} of them right, {enough}"
        )
    return float(falling[lowest])
