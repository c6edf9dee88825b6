"""Which of two networks ships: a rule that one song cannot tip, written down before anyone looks.

A song of 39 is 2.6 points of accuracy, and so noise. The likelihood of what is true uses all that a network
says, not only who is first, and all sets of recordings count at once. A candidate ships where

1. the joint log-likelihood, over the recordings of all sets, is better by a 95 % interval that excludes 0,
   and
2. no set's top-1 among the ten is worse by such an interval.

What is scored is the same for networks of different classes: the ten dances, and 'none of the ten' for all
else, whose probability is what is left. Intervals are of a paired bootstrap over songs, not over recordings:
the same song may be in several sets, as it is and in a hall.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.dances import DANCE_KEYS
from training.evaluation.metrics import Comparison, Estimate, bootstrap_interval, by_cluster

LEAST = 1e-3  # a likelihood: one recording about which a network is sure and wrong does not decide alone


@dataclass(frozen=True)
class Decision:
    """Whether the second of two networks ships in place of the first.

    Attributes
    ----------
    likelihood : Estimate
        Mean over all recordings of the second's log-likelihood less the first's, nat.
    of_sets : dict of str to Estimate
        The same of each set.
    worse : tuple of str
        Sets whose top-1 is significantly worse.
    """

    likelihood: Estimate
    of_sets: dict[str, Estimate]
    worse: tuple[str, ...]

    @property
    def ships(self) -> bool:
        return self.likelihood.interval[0] > 0 and not self.worse

    def __str__(self) -> str:
        low, high = self.likelihood.interval
        worse = (
            f"significantly worse top-1 in {', '.join(self.worse)}" if self.worse else "no set worse in top-1"
        )
        return (
            f"joint log-likelihood, B less A: {self.likelihood.value:+.3f} [{low:+.3f}, {high:+.3f}] nat a "
            f"recording; {worse}: B {'ships' if self.ships else 'does not ship'}"
        )


def log_likelihoods(scores: NDArray[np.floating], truth: Sequence[str]) -> NDArray[np.float64]:
    """Of each recording, nat.

    Parameters
    ----------
    scores : ndarray, shape (n, 10)
        Of the ten dances in their order; what is left to 1 is 'none of the ten'.
    truth : sequence of str
        Any label but the ten's is none of them.
    """
    of_all = np.column_stack([scores, 1 - scores.sum(axis=1)])
    columns = [DANCE_KEYS.index(label) if label in DANCE_KEYS else len(DANCE_KEYS) for label in truth]
    true = of_all[np.arange(len(truth)), columns]
    return np.log(np.maximum(true, LEAST))


def decide(
    differences: Mapping[str, NDArray[np.floating]],
    songs: Mapping[str, Sequence[Hashable]],
    top1: Mapping[str, Comparison],
) -> Decision:
    """Apply the rule.

    Parameters
    ----------
    differences : mapping of str to ndarray
        By set: the second's log-likelihood of each recording less the first's.
    songs : mapping of str to sequence
        By set: which song each recording is.
    top1 : mapping of str to Comparison
        By set, of the recordings of the ten dances.
    """
    every = np.concatenate([differences[name] for name in differences])
    who = [song for name in differences for song in songs[name]]
    return Decision(
        likelihood=_mean(every, who),
        of_sets={name: _mean(values, songs[name]) for name, values in differences.items()},
        worse=tuple(name for name, c in top1.items() if c.difference.interval[1] < 0),
    )


def _mean(values: NDArray[np.floating], clusters: Sequence[Hashable]) -> Estimate:
    sums = by_cluster(np.column_stack([values, np.ones(len(values))]), clusters)
    return Estimate(float(values.mean()), bootstrap_interval(sums, lambda s: s[..., 0] / s[..., 1]))
