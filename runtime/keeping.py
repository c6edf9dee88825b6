"""Whether what was taught is kept, and how firmly the shipped head is held: by cross-validation."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER
from runtime.recalibrate import LEAST, TEMPERATURES, Logs, log_softmax

FOLDS = 5
MIN_GROUPS = 4  # fewer cannot show that anything is gained
BALANCE = 0.5  # a dance of n recordings counts as n to this power of them are worth
SIGNIFICANT = 0.05
LIKELY, SURELY = 0.5, 1.64  # standard errors: two to one, and nineteen to one
STRENGTHS = (300.0, 100.0, 30.0, 10.0)  # of the prior, strongest first
FORGETS = 30.0  # weaker priors lose dances that the lessons lack, which cross-validation cannot see
COVERED = 0.6  # share of the shipped dances that must be compared for these


def compared(groups: Sequence[str], filed: Sequence[str]) -> list[int]:
    """The lessons on which heads can be compared: those of dances that more than one group has.

    Without its only group a dance has no lesson left, and how a head that was taught with it does cannot be
    told from heads that were taught without.

    Parameters
    ----------
    groups : sequence of str
        What belongs together, of each lesson.
    filed : sequence of str
        Its label.
    """
    of_dance: dict[str, set[str]] = {}
    for group, label in zip(groups, filed, strict=True):
        of_dance.setdefault(label, set()).add(group)
    return [i for i, label in enumerate(filed) if len(of_dance[label]) > 1]


def strengths_for(shipped: Sequence[str], seen: Sequence[str]) -> tuple[float, ...]:
    """Strengths of the prior that may be tried, the strongest first.

    Parameters
    ----------
    shipped : sequence of str
        Labels of the shipped head.
    seen : sequence of str
        Those of the lessons that are compared.
    """
    dances = [label for label in shipped if label != OTHER]
    covered = sum(label in seen for label in dances) >= COVERED * len(dances)
    return tuple(strength for strength in STRENGTHS if covered or strength >= FORGETS)


def hashed(text: str) -> int:
    """32 bits of a text's UTF-8 (FNV-1a; Fowler, Noll and Vo)."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def folds_of(groups: Sequence[str], filed: Sequence[str], n: int = FOLDS) -> list[int]:
    """Fold of each lesson: whole groups, the recordings of each dance spread over the folds.

    The order of the lessons does not matter: groups are taken by the hash of their names.

    Parameters
    ----------
    groups : sequence of str
        What belongs together, of each lesson.
    filed : sequence of str
        Its label.
    n : int
        At most so many folds.
    """
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    n = min(n, len(members))
    taken = [dict[str, int]() for _ in range(n)]
    folds = [0] * len(groups)
    for group in sorted(members, key=lambda g: (hashed(g), g)):
        dances = [filed[i] for i in members[group]]

        def filled(fold: int, dances: Sequence[str] = dances) -> tuple[int, int, int]:
            return sum(taken[fold].get(d, 0) for d in dances), sum(taken[fold].values()), fold

        fold = min(range(n), key=filled)
        for i in members[group]:
            folds[i] = fold
            taken[fold][filed[i]] = taken[fold].get(filed[i], 0) + 1
    return folds


def answer(logs: Logs) -> int:
    """What a whole recording is taken for: segments multiply, none with less than `LEAST`."""
    return int(np.maximum(logs, math.log(LEAST)).mean(axis=0).argmax())


def chosen(
    truth: Sequence[int],
    n_groups: int,
    shipped: Sequence[Logs],
    held_out: Mapping[float, Sequence[Logs]],
) -> tuple[float, bool]:
    """The strength with the least loss on held-out recordings, and whether it beats the shipped head.

    It does where the loss falls by half of its standard error and more is right than before, or by 1.64
    errors, and where neither all answers nor those of one dance are significantly worse. To ask for more
    loses most of what can be gained, and the prior bounds what chance can cost (docs/results.md says on what
    that was chosen). Each head has the temperature that suits it best: to sound more or less sure is no gain.

    Parameters
    ----------
    truth : sequence of int
        Column of the label of each recording that is compared.
    n_groups : int
        How many groups of recordings these are.
    shipped : sequence of ndarray, shape (n, n_labels)
        Logarithms of each recording's scores by the shipped head.
    held_out : mapping of float to such a sequence
        By heads of each strength, the strongest first, which were taught without the recording's group.
    """
    if n_groups < MIN_GROUPS:
        return max(held_out), False
    counts = np.bincount(truth)
    weights = np.array([counts[t] ** -BALANCE for t in truth])
    weights /= weights.sum()

    def losses(logs: Sequence[Logs]) -> NDArray[np.float64]:
        found = []
        for temperature in TEMPERATURES[::2]:
            likely = [log_softmax(z / temperature)[:, t] for z, t in zip(logs, truth, strict=True)]
            found.append(np.array([-np.maximum(own, math.log(LEAST)).mean() for own in likely]))
        return min(found, key=lambda loss: float(weights @ loss))

    def answered(logs: Sequence[Logs]) -> NDArray[np.bool_]:
        return np.array([answer(z) == t for z, t in zip(logs, truth, strict=True)])

    before = losses(shipped)
    right = answered(shipped)
    gains = {strength: before - losses(logs) for strength, logs in held_out.items()}
    for strength in sorted(gains, key=lambda s: (-float(weights @ gains[s]), -s)):
        if right.all():
            break
        mean = float(weights @ gains[strength])
        error = math.sqrt(float((weights**2) @ (gains[strength] - mean) ** 2))
        after = answered(held_out[strength])
        enough = (LIKELY if after.sum() > right.sum() else SURELY) * error
        if mean > enough and not worse(truth, right, after):
            return strength, True
    return max(held_out), False


def worse(truth: Sequence[int], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    """Whether all, or those of a dance, lost significantly more right answers than they won.

    By the sign test, one-sided; the two of each recording say whether its answer is right.
    """
    labels = np.asarray(truth)
    for own in (np.ones_like(before), *(labels == label for label in np.unique(labels))):
        lost, won = int((own & before & ~after).sum()), int((own & ~before & after).sum())
        n = lost + won
        if n and sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n < SIGNIFICANT:
            return True
    return False
