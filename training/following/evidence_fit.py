"""Fit the evidence model's few parameters on sequences of generated recordings.

Two kinds of parameters, two criteria. How fast evidence counts and is forgotten, and when a dance is named,
are chosen by what they cost a dancer (`cost`): a wrong name is worse than none, and no name is worse than
the right one. When two dances are shown instead is chosen after that, by `cost_of_two`: a pair that holds the
truth is worth most of a name, one without it is as bad as a wrong name. How sure the answer sounds, the
temperature, is chosen by the likelihood of the truth, a proper score, so that a confidence of 80 % is right
in 80 %.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from runtime.errors import ParameterError
from runtime.evidence import Chain, EvidenceSettings
from training.evaluation.metrics import expected_calibration_error
from training.following.sequences import NO_SONG, Scored

WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)  # s⁻¹
MEAN_SECONDS = (30.0, 60.0, 120.0, 240.0, 480.0)  # that a dance lasts
AS_GOOD = 1.005  # times the least cost: as good as that, so near are those of other sequences
SHOWN_ALIKE = 1.001  # times the least cost: nearly the same is shown
NONE_BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.5, 4.0, 6.0)
NAME_AT = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RELEASE_SHARES = (0.5, 0.7, 0.9, 1.0)  # of name_at
TWO_AT = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TWO_RELEASE_SHARES = (0.6, 0.7, 0.8, 0.9, 1.0)  # of two_at
MAX_TEMPERATURE = 10.0
AT_ONCE = 4_000_000  # numbers that settings are tried on together
UPDATES = 20_000  # that a temperature is fitted on: those a second apart say nearly the same

WRONG = 1.0  # cost of a second in which a dance is named that is not played
PAIR = 0.25  # of the cost of naming nothing: a second in which one of two dances shown is played
FLIP_SECONDS = 2.0  # of wrong naming that every change to a wrong name costs in addition


@dataclass(frozen=True)
class EvidenceFit:
    """Fitted parameters, and how they do on other sequences than they were fitted on.

    Attributes
    ----------
    settings : EvidenceSettings
    cost : float
        Per second of music, by `cost`.
    calibration_error : float
        Expected calibration error of the probability of the dance that is named.
    right, wrong : float
        Share of the seconds of a dance of the model in which it, or another one, is named.
    others_named : float
        Share of the seconds of other music in which a dance is named.
    shown, wrongly_shown : float
        Share of the seconds of a dance of the model in which it is on the screen (named, one of two, or the
        closest beside 'none of these'), and in which another name or pair is.
    sequences : int
        How many they were measured on.
    """

    settings: EvidenceSettings
    cost: float
    calibration_error: float
    right: float
    wrong: float
    others_named: float
    shown: float
    wrongly_shown: float
    sequences: int


@dataclass(frozen=True)
class SideBySide:
    """Sequences side by side, padded at their ends: arrays of shape (n_updates, n_sequences, …)."""

    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    seconds: NDArray[np.float64]
    passed: NDArray[np.float64]

    @classmethod
    def of(cls, sequences: Sequence[Scored]) -> "SideBySide":
        longest = max(len(s.truth) for s in sequences)
        n_states = sequences[0].scores.shape[1]
        scores = np.full((longest, len(sequences), n_states), 1 / n_states)
        truth = np.full((longest, len(sequences)), NO_SONG)
        seconds, passed = np.zeros((2, longest, len(sequences), 1))
        for i, s in enumerate(sequences):
            n = len(s.truth)
            scores[:n, i], truth[:n, i] = s.scores, s.truth
            seconds[:n, i, 0], passed[:n, i, 0] = s.seconds, s.passed
        return cls(scores, truth, seconds, passed)

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Updates at which a song is playing."""
        return self.truth != NO_SONG


def posteriors(settings: EvidenceSettings, batch: SideBySide) -> NDArray[np.float64]:
    """Probabilities going forward, before the temperature, shape (n_updates, n_sequences, n_states)."""
    return _posteriors([settings], batch)[:, 0]


def _posteriors(alike: Sequence[EvidenceSettings], batch: SideBySide) -> NDArray[np.float64]:
    """Those of settings that differ in nothing but their evidence, shape (n_updates, len(alike), …).

    Side by side, since with few sequences an update's numpy calls cost more than its numbers.
    """
    n_updates, n_sequences, n_states = batch.scores.shape
    chains = [Chain(settings, n_states) for settings in alike]
    likelihoods = np.exp([chain.log_evidence(batch.scores, batch.seconds) for chain in chains])
    p = np.tile(chains[0].start()[:, None, None], (1, len(chains), n_sequences, 1))
    result = np.empty((n_updates, len(chains), n_sequences, n_states))
    for t in range(n_updates):
        p = chains[0].after(p, batch.passed[t]) * likelihoods[:, t]
        p /= p.sum(axis=(0, 3), keepdims=True)
        result[t] = p.sum(axis=0)
    return result


def named(tempered: NDArray[np.float64], name_at: ArrayLike, release_at: ArrayLike) -> NDArray[np.int64]:
    """State that is named at each update, -1 for none, by the rule of `runtime.evidence.Follower`.

    Parameters
    ----------
    tempered : ndarray, shape (n_updates, n_sequences, n_states)
    name_at, release_at : array_like, shape (...)
        Several thresholds are tried together.

    Returns
    -------
    ndarray of int, shape (..., n_updates, n_sequences)
    """
    at, release = (np.asarray(threshold)[..., None] for threshold in (name_at, release_at))
    best = tempered.argmax(axis=2)
    highest = tempered.max(axis=2)
    current = np.full((*at.shape[:-1], tempered.shape[1]), -1)
    result = np.empty((*at.shape[:-1], *best.shape), np.int64)
    each = np.arange(tempered.shape[1])
    for t, p in enumerate(tempered):
        keeps = (current >= 0) & (p[each, np.maximum(current, 0)] >= release)
        current = np.where(highest[t] >= at, best[t], np.where(keeps, current, -1))
        result[..., t, :] = current
    return result


def cost(names: NDArray[np.int64], batch: SideBySide, n_dances: int, unnamed: float) -> float:
    """What the names cost a dancer per update with a song; naming 'none of these' is naming nothing.

    Parameters
    ----------
    names : ndarray of int, shape (n_updates, n_sequences)
    batch : SideBySide
    n_dances : int
        States below it are dances.
    unnamed : float
        Cost of a second in which the dance that plays is not named, where a wrong name costs 1.
    """
    wrong, missed = _terms(names, batch, n_dances)
    return float(wrong + unnamed * missed)


def _terms(
    names: NDArray[np.int64], batch: SideBySide, n_dances: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What wrong names cost per update with a song, and in what share none is named, shapes (...)."""
    dance = np.where(names < n_dances, names, -1)
    counts = batch.counts
    wrong = (dance >= 0) & (dance != batch.truth) & counts
    missed = (dance < 0) & (batch.truth < n_dances) & counts
    begins = wrong[..., 1:, :] & (dance[..., 1:, :] != dance[..., :-1, :])
    named_wrongly = WRONG * wrong.sum(axis=(-2, -1)) + FLIP_SECONDS * begins.sum(axis=(-2, -1))
    return named_wrongly / counts.sum(), missed.sum(axis=(-2, -1)) / counts.sum()


def shown(
    tempered: NDArray[np.float64], names: NDArray[np.int64], two_at: float, two_release_at: float
) -> NDArray[np.int64]:
    """What is on the screen at each update, by the rule of `runtime.answer.choose`.

    Parameters
    ----------
    tempered : ndarray, shape (n_updates, n_sequences, n_states)
    names : ndarray of int, shape (n_updates, n_sequences)
        As by `named`.
    two_at, two_release_at : float

    Returns
    -------
    ndarray of int, shape (n_updates, n_sequences, 2)
        The state that is named, or both that are shown; 'none of these' and the dance that it is closest to
        count as both. -1 where there is none.
    """
    none = tempered.shape[2] - 1
    likeliest = np.argsort(-tempered, axis=2, kind="stable")[..., :2]
    together = np.take_along_axis(tempered, likeliest, axis=2).sum(axis=2)
    pairs = np.sort(likeliest, axis=2)
    best = tempered[..., :none].argmax(axis=2)
    result = np.full((*names.shape, 2), -1)
    before = np.full((names.shape[1], 2), -1)
    for t, name in enumerate(names):
        same = (pairs[t] == before).all(axis=1) | ((pairs[t, :, 1] == none) & (before[:, 1] == none))
        both = (name < 0) & (together[t] >= np.where(same, two_release_at, two_at))
        result[t, both] = pairs[t, both]
        result[t, name >= 0, 0] = name[name >= 0]
        of_none = name == none
        result[t, of_none] = np.stack([best[t, of_none], np.full(of_none.sum(), none)], axis=1)
        before = result[t]
    return result


def cost_of_two(screen: NDArray[np.int64], batch: SideBySide, n_dances: int, unnamed: float) -> float:
    """What the screen costs a dancer per update with a song, two dances counted as well.

    A pair that holds the dance that plays costs a quarter of naming nothing, and so does 'none of these'
    with it as the closest; a pair of two other dances costs as a wrong name.

    Parameters
    ----------
    screen : ndarray of int, shape (n_updates, n_sequences, 2)
        As by `shown`.
    batch, n_dances, unnamed :
        As for `cost`.
    """
    right, wrong = judged(screen, batch, n_dances)
    alone = screen[..., 1] < 0
    counts, of_dance = batch.counts, batch.truth < n_dances
    begins = wrong[1:] & (screen[1:] != screen[:-1]).any(axis=2) & counts[1:]
    total = WRONG * (wrong & counts).sum()
    total += unnamed * (~right & ~wrong & of_dance & counts).sum()
    total += PAIR * unnamed * (right & ~alone & counts).sum()
    return float((total + FLIP_SECONDS * begins.sum()) / counts.sum())


def judged(
    screen: NDArray[np.int64], batch: SideBySide, n_dances: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the dance that plays is on the screen, and where only others are named, alone or as two."""
    of_dance = batch.truth < n_dances
    right = (screen == batch.truth[..., None]).any(axis=2) & of_dance
    is_none = (screen == n_dances).any(axis=2)
    wrong = (screen[..., 0] >= 0) & ~is_none & ~right
    return right, wrong


def fit_two(
    settings: EvidenceSettings, batch: SideBySide, unnamed: float, tempered: NDArray[np.float64]
) -> EvidenceSettings:
    """The same settings with the thresholds of two dances that cost least.

    Below some threshold nearly everything is shown, and costs hardly differ: of those that are
    `SHOWN_ALIKE` the highest is taken, and then the one that is let go last.
    """
    n_dances = batch.scores.shape[2] - 1
    names = named(tempered, settings.name_at, settings.release_at)
    tried = []
    for two_at, share in product(TWO_AT, TWO_RELEASE_SHARES):
        screen = shown(tempered, names, two_at, share * two_at)
        tried.append((cost_of_two(screen, batch, n_dances, unnamed), two_at, share * two_at))
    least = min(reached for reached, *_ in tried)
    as_good = (t for t in tried if t[0] <= SHOWN_ALIKE * least)
    _, two_at, two_release_at = max(as_good, key=lambda t: (t[1], -t[2]))
    return replace(settings, two_at=two_at, two_release_at=two_release_at)


def _untold(done: int, total: int) -> None: ...


def fit_evidence(
    sequences: Sequence[Scored], *, unnamed: float, progress: Callable[[int, int], None] = _untold
) -> EvidenceFit:
    """Choose the parameters on all sequences; what they cost is what those of the even ones cost on the odd.

    Parameters
    ----------
    sequences : sequence of Scored
        At least two.
    unnamed : float
        See `cost`; above 0, at most 1.
    progress : callable
        Called with (combinations tried, combinations in all).
    """
    return fit_curve(sequences, [unnamed], progress=progress)[0]


def fit_curve(
    sequences: Sequence[Scored],
    unnamed: Sequence[float],
    *,
    progress: Callable[[int, int], None] = _untold,
) -> list[EvidenceFit]:
    """As `fit_evidence`, for several costs of naming nothing: the choice that a dancer has."""
    if len(sequences) < 2:
        raise ParameterError(f"the evidence parameters need at least 2 sequences, got {len(sequences)}")
    for price in unnamed:
        if not 0 < price <= 1:
            raise ParameterError(f"the cost of naming no dance must be above 0, at most 1, got {price}")
    half, held_out = SideBySide.of(sequences[::2]), SideBySide.of(sequences[1::2])
    told = len(MEAN_SECONDS) * len(WEIGHTS) * len(NONE_BIASES)
    on_half = _chosen(half, unnamed, lambda done: progress(done, 2 * told))
    on_all = _chosen(SideBySide.of(sequences), unnamed, lambda done: progress(told + done, 2 * told))
    return [
        replace(measure(judged_by, held_out, price), settings=settings)
        for judged_by, settings, price in zip(on_half, on_all, unnamed, strict=True)
    ]


def _chosen(
    fitted: SideBySide, unnamed: Sequence[float], progress: Callable[[int], None]
) -> list[EvidenceSettings]:
    """For each cost of naming nothing: of the settings that are `AS_GOOD` the fastest to change."""
    n_dances = fitted.scores.shape[2] - 1
    of_means = []
    for i, mean in enumerate(MEAN_SECONDS):
        progress(i * len(WEIGHTS) * len(NONE_BIASES))
        of_means.append(_least(fitted, mean, unnamed))
    result = []
    for price, each in zip(unnamed, zip(*of_means, strict=True), strict=True):
        least = min(reached for reached, _ in each)
        settings = next(found for reached, found in each if reached <= AS_GOOD * least)
        tempered = Chain(settings, n_dances + 1).tempered(posteriors(settings, fitted))
        result.append(fit_two(settings, fitted, price, tempered))
    return result


def _least(fitted: SideBySide, mean: float, unnamed: Sequence[float]) -> list[tuple[float, EvidenceSettings]]:
    """The least cost, and the settings that have it, of those whose dances last `mean` seconds."""
    n_dances = fitted.scores.shape[2] - 1
    best = [(float("inf"), EvidenceSettings())] * len(unnamed)
    thresholds = np.array([(at, share * at) for at, share in product(NAME_AT, RELEASE_SHARES)])
    kinds = list(product(WEIGHTS, NONE_BIASES))
    at_once = max(1, AT_ONCE // fitted.scores.size)
    for first in range(0, len(kinds), at_once):
        some = kinds[first : first + at_once]
        alike = [EvidenceSettings(weight=w, change_per_second=1 / mean, none_bias=b) for w, b in some]
        each = _posteriors(alike, fitted).swapaxes(0, 1)
        alike = [replace(s, temperature=_temperature(p, fitted)) for s, p in zip(alike, each, strict=True)]
        tempered = np.stack(
            [Chain(s, n_dances + 1).tempered(p) for s, p in zip(alike, each, strict=True)], axis=1
        )
        names = named(tempered.reshape(len(tempered), -1, n_dances + 1), *thresholds.T)
        names = np.moveaxis(names.reshape(*names.shape[:-1], len(alike), -1), -2, 0)
        wrong, missed = _terms(names, fitted, n_dances)  # of settings and thresholds
        for i, price in enumerate(unnamed):
            costs = wrong + price * missed
            which, least = np.unravel_index(int(costs.argmin()), costs.shape)
            if costs[which, least] < best[i][0]:
                name_at, release_at = thresholds[least].tolist()
                settings = replace(alike[which], name_at=name_at, release_at=release_at)
                best[i] = float(costs[which, least]), settings
    return best


def calibration_errors(
    settings: EvidenceSettings,
    temperatures: Sequence[float],
    batch: SideBySide,
    probabilities: NDArray[np.float64],
) -> list[float]:
    """Expected calibration errors of the probability of the dance that is named, by temperature.

    Parameters
    ----------
    settings : EvidenceSettings
    temperatures : sequence of float
        Each in the place of the settings' own.
    batch : SideBySide
    probabilities : ndarray, shape (n_updates, n_sequences, n_states)
        As by `posteriors`.

    Returns
    -------
    list of float
        NaN where no dance is named.
    """
    n_dances = batch.scores.shape[2] - 1
    at_once = max(1, AT_ONCE // batch.scores.size)
    errors = []
    for i in range(0, len(temperatures), at_once):
        chains = [
            Chain(replace(settings, temperature=t), n_dances + 1) for t in temperatures[i : i + at_once]
        ]
        each = [chain.tempered(probabilities) for chain in chains]
        names = named(np.concatenate(each, axis=1), settings.name_at, settings.release_at)
        for tempered, of_one in zip(each, np.split(names, len(each), axis=1), strict=True):
            of_dance = batch.counts & (of_one >= 0) & (of_one < n_dances)
            told = of_one[of_dance]
            confidence = np.take_along_axis(tempered[of_dance], told[:, None], axis=1)[:, 0]
            errors.append(expected_calibration_error(confidence, told == batch.truth[of_dance]))
    return errors


def measure(settings: EvidenceSettings, batch: SideBySide, unnamed: float) -> EvidenceFit:
    """How parameters do on sequences that they were not fitted on."""
    return measured([(settings, batch)], settings, unnamed)


def measured(
    parts: Sequence[tuple[EvidenceSettings, SideBySide]], settings: EvidenceSettings, unnamed: float
) -> EvidenceFit:
    """How parameters do on several batches taken together, each heard with its own.

    Parameters
    ----------
    parts : sequence of (EvidenceSettings, SideBySide)
    settings : EvidenceSettings
        Those that are kept.
    unnamed : float
        See `cost`.
    """
    heard = [_Heard.of(own, batch, unnamed) for own, batch in parts]
    counts = np.concatenate([h.counts for h in heard])
    known, right, named_ = (
        np.concatenate([getattr(h, f) for h in heard]) for f in ("known", "right", "named")
    )
    seen, mistaken = (np.concatenate([getattr(h, f) for h in heard]) for f in ("seen", "mistaken"))
    confidence = np.concatenate([h.confidence for h in heard])
    others = counts & ~known
    of_dance = counts & named_
    weights = [h.counts.sum() for h in heard]
    return EvidenceFit(
        settings=settings,
        cost=float(np.average([h.cost for h in heard], weights=weights)),
        calibration_error=expected_calibration_error(confidence[of_dance], right[of_dance]),
        right=float(right[known].mean()),
        wrong=float((named_ & ~right)[known].mean()),
        others_named=float(named_[others].mean()) if others.any() else float("nan"),
        shown=float(seen[known].mean()),
        wrongly_shown=float(mistaken[known].mean()),
        sequences=sum(batch.truth.shape[1] for _, batch in parts),
    )


@dataclass(frozen=True)
class _Heard:
    """A batch as parameters hear it, update by update in one row; see `EvidenceFit`."""

    counts: NDArray[np.bool_]
    known: NDArray[np.bool_]
    named: NDArray[np.bool_]
    right: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    mistaken: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    cost: float

    @classmethod
    def of(cls, settings: EvidenceSettings, batch: SideBySide, unnamed: float) -> "_Heard":
        n_dances = batch.scores.shape[2] - 1
        tempered = Chain(settings, n_dances + 1).tempered(posteriors(settings, batch))
        names = named(tempered, settings.name_at, settings.release_at)
        dance = np.where(names < n_dances, names, -1)
        screen = shown(tempered, names, settings.two_at, settings.two_release_at)
        seen, mistaken = judged(screen, batch, n_dances)
        confidence = np.take_along_axis(tempered, np.maximum(dance, 0)[..., None], axis=2)[..., 0]
        return cls(
            counts=batch.counts.ravel(),
            known=(batch.counts & (batch.truth < n_dances)).ravel(),
            named=(dance >= 0).ravel(),
            right=(dance == batch.truth).ravel(),
            seen=seen.ravel(),
            mistaken=mistaken.ravel(),
            confidence=confidence.ravel(),
            cost=cost(names, batch, n_dances, unnamed),
        )


def _temperature(probabilities: NDArray[np.float64], batch: SideBySide) -> float:
    """The temperature at which the truth is likeliest (Guo et al. 2017)."""
    counts = batch.counts
    every = 1 + int(counts.sum()) // UPDATES
    log = np.log(np.maximum(probabilities[counts][::every], 1e-12))
    truth = batch.truth[counts][::every, None]

    def loss(log_temperature: float) -> float:
        z = log / np.exp(log_temperature)
        z -= z.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(z).sum(axis=1))
        return float((normaliser - np.take_along_axis(z, truth, axis=1)[:, 0]).mean())

    limit = np.log(MAX_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))
