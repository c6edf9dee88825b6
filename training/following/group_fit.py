"""The evidence's temperature for each group of dances, where other music is played too and where it is not.

Sequences hold few songs of a group, so three things keep a temperature from following chance. It is chosen by
whether the likeliest dance is right, which is what people are told, rather than by all states. One of a group
is drawn to that of all dances, by a factor of two in one standard deviation: few songs leave it there. And
what it is worth is measured twice over, each half of the sequences with the temperature of the other, while
that which is kept is of both.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from runtime.dances import ALL, GROUPS
from runtime.evidence import EvidenceSettings
from runtime.session import RULED_OUT, narrowed
from training.following.evidence_fit import MAX_TEMPERATURE, EvidenceFit, SideBySide, measured, posteriors
from training.following.sequences import NO_SONG, Scored

APART = math.log(2)  # standard deviation of the logarithm of a group's temperature around that of all dances


def of_group(sequences: Sequence[Scored], states: Sequence[int], *, nothing_else: bool) -> list[Scored]:
    """Sequences as they are heard where only some dances are danced.

    Other songs are music to none of them; where nothing else is played, they are cut out.

    Parameters
    ----------
    sequences : sequence of Scored
        Of all dances that the model knows.
    states : sequence of int
        Those that are danced, ascending.
    nothing_else : bool
    """
    found = []
    for one in sequences:
        truth = np.full(one.scores.shape[1] + 1, len(states))
        truth[list(states)] = range(len(states))
        truth[NO_SONG] = NO_SONG  # the last place
        mapped = truth[one.truth]
        heard = mapped != len(states) if nothing_else else np.ones(len(mapped), bool)
        scores = narrowed(one.scores, states, nothing_else=nothing_else)
        found.append(Scored(scores[heard], mapped[heard], one.seconds[heard], one.passed[heard]))
    return [one for one in found if (one.truth != NO_SONG).any()]


def fit_groups(
    settings: EvidenceSettings, sequences: Sequence[Scored], labels: Sequence[str], *, unnamed: float
) -> dict[str, tuple[EvidenceFit, EvidenceFit]]:
    """The temperature for each group of dances; all other parameters stay.

    Parameters
    ----------
    settings : EvidenceSettings
        As fitted for all dances.
    sequences : sequence of Scored
        The even and the odd ones share no recording.
    labels : sequence of str
        The model's dances.
    unnamed : float
        See `training.following.evidence_fit.cost`.

    Returns
    -------
    dict of str to (EvidenceFit, EvidenceFit)
        Groups of which the model knows at least two dances: where other music is played as well, and where
        it is not.
    """
    fits: dict[str, list[EvidenceFit]] = {}
    for nothing_else in (False, True):
        start = replace(settings, none_bias=RULED_OUT) if nothing_else else settings
        of_all: list[float] = []  # of the halves and of both
        for group in (ALL, *GROUPS):
            states = [i for i, label in enumerate(labels) if group == ALL or label in GROUPS[group]]
            halves = [of_group(sequences[i::2], states, nothing_else=nothing_else) for i in (0, 1)]
            if len(states) < 2 or not all(halves):
                continue
            batches = [SideBySide.of(half) for half in (*halves, halves[0] + halves[1])]
            centres: Sequence[float | None] = of_all or (None, None, None)
            found = [_temperature(start, b, c) for b, c in zip(batches, centres, strict=True)]
            of_all = of_all or found
            crossed = [(replace(start, temperature=found[1 - i]), batches[i]) for i in (0, 1)]
            fit = measured(crossed, replace(start, temperature=found[2]), unnamed)
            fits.setdefault(group, []).append(fit)
    return {group: (pair[0], pair[1]) for group, pair in fits.items() if len(pair) == 2}


def _temperature(settings: EvidenceSettings, batch: SideBySide, centre: float | None) -> float:
    """The temperature at which it is likeliest that the first state is right as often as it is said to be.

    Where it is a dance: what people are told (top-label calibration; Gupta and Ramdas 2022). With a centre,
    the loss of all songs together counts against a prior that is normal around it.
    """
    n_dances = batch.scores.shape[2] - 1
    counts = batch.counts
    log = np.log(np.maximum(posteriors(settings, batch)[counts], 1e-12))
    best = log.argmax(axis=1)
    is_dance = best < n_dances
    right = (best == batch.truth[counts])[is_dance]
    if not len(right):
        return centre or settings.temperature
    log = log[is_dance] - log[is_dance].max(axis=1, keepdims=True)
    songs = max(1.0, _songs(batch.truth) * float(is_dance.mean()))

    def loss(log_temperature: float) -> float:
        sure = 1 / np.exp(log / np.exp(log_temperature)).sum(axis=1)
        of_right = np.where(right, sure, 1 - sure)
        prior = 0.0 if centre is None else ((log_temperature - math.log(centre)) / APART) ** 2 / (2 * songs)
        return float(-np.log(np.maximum(of_right, 1e-9)).mean() + prior)

    limit = math.log(MAX_TEMPERATURE)
    return math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)


def _songs(truth: NDArray[np.int64]) -> int:
    """How often something else begins in sequences (n_updates, n_sequences), pauses not counted."""
    begins = np.diff(truth, axis=0, prepend=NO_SONG) != 0
    return int((begins & (truth != NO_SONG)).sum())
