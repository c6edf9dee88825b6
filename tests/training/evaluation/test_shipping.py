"""The rule by which a candidate ships."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from runtime.dances import DANCE_KEYS
from training.evaluation.metrics import Comparison, compare
from training.evaluation.shipping import LEAST, decide, log_likelihoods

RNG = np.random.default_rng(0)


def test_likelihoods_are_those_of_scikit_learn() -> None:
    scores = RNG.dirichlet(np.full(11, 2.0), 40)
    truth = [*DANCE_KEYS, "bachata", "other", "hustle"] * 3
    found = log_likelihoods(scores[: len(truth), :10], truth)
    columns = [DANCE_KEYS.index(t) if t in DANCE_KEYS else 10 for t in truth]
    assert -found.mean() == pytest.approx(log_loss(columns, scores[: len(truth)], labels=range(11)))
    sure_and_wrong = np.eye(10)[:1]
    assert log_likelihoods(sure_and_wrong, ["jive"])[0] == pytest.approx(np.log(LEAST))


def comparison(first: float, second: float, n: int = 40) -> Comparison:
    a, b = (np.arange(n) < round(share * n) for share in (first, second))
    return compare(a, b, list(range(n)))


def test_better_and_nowhere_worse_ships() -> None:
    gains = {"clean": RNG.normal(0.3, 0.5, 40), "hall": RNG.normal(0.2, 0.5, 40)}
    songs = {name: list(range(40)) for name in gains}
    alike = {name: comparison(0.9, 0.9) for name in gains}
    assert decide(gains, songs, alike).ships
    assert not decide({name: -gain for name, gain in gains.items()}, songs, alike).ships
    worse = decide(gains, songs, alike | {"hall": comparison(0.9, 0.6)})
    assert not worse.ships
    assert worse.worse == ("hall",)
    assert "does not ship" in str(worse)
    one_song = decide(gains, songs, alike | {"hall": comparison(0.9, 0.875)})  # within noise
    assert one_song.ships


def test_chance_alone_seldom_ships() -> None:
    shipped = 0
    for _ in range(60):
        gains = {"clean": RNG.normal(0, 0.5, 40)}
        shipped += decide(gains, {"clean": list(range(40))}, {"clean": comparison(0.9, 0.9)}).ships
    assert shipped <= 6  # 2.5 % of 60 are expected


def test_a_song_in_several_sets_is_one_song() -> None:
    """Twins in two sets add no certainty: the interval is that of one set, not narrower by √2."""
    gain = RNG.normal(0.1, 0.5, 40)
    one = decide({"clean": gain}, {"clean": list(range(40))}, {"clean": comparison(0.9, 0.9)})
    twins = decide(
        {"clean": gain, "hall": gain},
        {"clean": list(range(40)), "hall": list(range(40))},
        {"clean": comparison(0.9, 0.9), "hall": comparison(0.9, 0.9)},
    )
    assert np.subtract(*twins.likelihood.interval) == pytest.approx(
        np.subtract(*one.likelihood.interval), rel=0.15
    )
