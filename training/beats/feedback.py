"""Do the bars help to decide the dance? The metre's likelihood beside the evidence of a classifier.

A filter that knows no dance follows the beats; how much of its belief lies in the bars of each dance, against
what it began with, is the dance's likelihood (`BarFilter.likelihoods`). Raised to a power, for frames are no
independent witnesses, it multiplies the classifier's probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from runtime import Classifier
from runtime.bar_pointer import BarFilter
from runtime.beat_activations import BeatModel, activations
from runtime.beats import find_beats
from runtime.dances import dance
from training.beats.evaluate import Excerpt, after, score

POWERS = (0.0, 0.1, 0.25, 0.5, 1.0)  # 0: the evidence as it is


@dataclass(frozen=True)
class Row:
    """What comes of feeding the likelihood back by one power.

    Attributes
    ----------
    power : float
    dances, metres : float
        Share of recordings of known dances whose dance, and whose number of beats a bar, is right.
    loss : float
        Mean negative logarithm of the true dance's probability.
    beats, downbeats : float
        Mean F-measure, from files told the evidence.
    """

    power: float
    dances: float
    metres: float
    loss: float
    beats: float
    downbeats: float


def rows(
    excerpts: Sequence[Excerpt],
    model: BeatModel,
    classifier: Classifier,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """Measure all powers on recordings of dances that the classifier knows."""
    found: dict[float, list[tuple[float, ...]]] = {power: [] for power in POWERS}
    for done, one in enumerate(excerpts, 1):
        said = classifier.classify_spectrogram(one.frames).scores
        bars = BarFilter()
        bars.push(activations(model, one.frames, {}))
        keys = list(said)
        likelihood = np.log(np.maximum(bars.likelihoods(keys), 1e-12))
        for power in POWERS:
            logs = np.log(np.maximum(list(said.values()), 1e-6)) + power * likelihood
            evidence = dict(zip(keys, np.exp(logs - np.logaddexp.reduce(logs)).tolist(), strict=True))
            best = max(evidence, key=lambda key: evidence[key])
            told = score(
                one.beats, find_beats(one.frames, evidence, model=model), after=after(one, live=False)
            )
            found[power].append(
                (
                    best == one.dance,
                    dance(best).beats_per_bar == dance(one.dance).beats_per_bar,
                    -float(np.log(max(evidence.get(one.dance, 0.0), 1e-6))),
                    told.f,
                    told.downbeat_f,
                )
            )
        progress(done, len(excerpts))
    return [Row(power, *np.mean(values, axis=0).tolist()) for power, values in found.items()]
