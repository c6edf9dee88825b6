"""How well the tempo is told: the runtime's answers against the true tempi in a manifest."""

from collections.abc import Iterable
from dataclasses import dataclass

from runtime import Classifier
from runtime.dances import DANCE_KEYS, dance
from runtime.mel import melspectrogram
from runtime.tempo import TempoTracker
from training.data.manifest import Recording, read_samples
from training.evaluation.metrics import Accuracy

TOLERANCE = 0.04  # relative error that counts as right (accuracy 1 of Gouyon et al. 2006)


@dataclass(frozen=True)
class TempoTold:
    """One recording's true tempo and what was told of it, in beats per minute.

    Attributes
    ----------
    dance : str
        The true dance.
    truth : float
    given_dance : float or None
        Told by the tracker for the true dance.
    told : float or None
        Told by the whole runtime, for the dance that it named; None where it named none.
    named : str or None
        That dance.
    """

    dance: str
    truth: float
    given_dance: float | None
    told: float | None
    named: str | None


def answers(recordings: Iterable[Recording], classifier: Classifier) -> list[TempoTold]:
    """Ask the runtime about every recording of the ten dances whose tempo is known."""
    result = []
    for recording in recordings:
        if recording.dance not in DANCE_KEYS or recording.tempo_bpm is None:
            continue
        samples, sample_rate = read_samples(recording)
        tracker = TempoTracker()
        tracker.push(melspectrogram(samples, sample_rate=sample_rate))
        tempo = tracker.estimate(dance(recording.dance))
        prediction = classifier.classify_samples(samples, sample_rate)
        result.append(
            TempoTold(
                recording.dance,
                recording.tempo_bpm,
                tempo.bpm if tempo else None,
                prediction.tempo_bpm,
                prediction.dance,
            )
        )
    return result


def close(told: float | None, truth: float) -> bool:
    """Whether a tempo was told within 4 % of the truth."""
    return told is not None and abs(told / truth - 1) <= TOLERANCE


def accuracy(answers: Iterable[TempoTold]) -> dict[str, Accuracy]:
    """Share within 4 %: 'given the dance' of all, 'named' of those where the runtime named a dance."""
    answers = list(answers)
    named = [a for a in answers if a.named is not None]
    return {
        "given the dance": Accuracy(sum(close(a.given_dance, a.truth) for a in answers), len(answers)),
        "with the dance that was named": Accuracy(sum(close(a.told, a.truth) for a in named), len(named)),
    }
