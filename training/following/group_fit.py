"""The evidence's temperature for each group of dances, where other music is played too and where it is not.

Of all dances beside other music it is the evidence's own. Elsewhere it is chosen by what people are told: the
probability of the dance that is named should be right as often as it says. Sequences hold few songs of a
group, so two things keep a temperature from following chance. Among those whose calibration errors chance may
tell apart, the one nearest to that of all dances is taken. And what it is worth is measured twice over, each
half of the sequences with the temperature of the other, while that which is kept is of both.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runtime.dances import ALL, GROUPS
from runtime.evidence import EvidenceSettings
from runtime.session import RULED_OUT, narrowed
from training.following.evidence_fit import EvidenceFit, SideBySide, calibration_errors, measured, posteriors
from training.following.sequences import NO_SONG, Scored

STEPS = 16  # of temperatures to twice that of all dances, and to half
ALIKE = 0.02  # calibration errors that chance may tell apart


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
            if group == ALL and not nothing_else:
                found = [start.temperature] * len(batches)
            else:
                centres = of_all or [start.temperature] * len(batches)
                found = [_temperature(start, b, c) for b, c in zip(batches, centres, strict=True)]
            of_all = of_all or found
            crossed = [(replace(start, temperature=found[1 - i]), batches[i]) for i in (0, 1)]
            fit = measured(crossed, replace(start, temperature=found[2]), unnamed)
            fits.setdefault(group, []).append(fit)
    return {group: (pair[0], pair[1]) for group, pair in fits.items() if len(pair) == 2}


def _temperature(settings: EvidenceSettings, batch: SideBySide, centre: float) -> float:
    """The temperature nearest to `centre` of those at which the named dance is calibrated best.

    That is top-label calibration (Gupta and Ramdas 2022) of what is said, and not of every update: when a
    dance is named depends on the temperature itself.
    """
    steps = np.arange(-STEPS, STEPS + 1)
    tried = centre * 2.0 ** (steps / STEPS)
    errors = np.array(calibration_errors(settings, tried.tolist(), batch, posteriors(settings, batch)))
    if np.isnan(errors).all():  # nothing is named at any of them
        return centre
    alike = errors <= np.nanmin(errors) + ALIKE
    return float(tried[alike][np.abs(steps[alike]).argmin()])
