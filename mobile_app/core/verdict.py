"""From scores to words: listening, not sure, could be, probably, quite sure."""

from dataclasses import dataclass
from enum import Enum

from mobile_app.core.translations import mark
from runtime import Prediction


class Certainty(Enum):
    """How sure the app is, in the words above the dance's name."""

    LISTENING = mark("Listening…")
    NOT_SURE = mark("Not sure")
    COULD_BE = mark("Could be")
    PROBABLY = mark("Probably")
    QUITE_SURE = mark("Quite sure")


DEFAULT_THRESHOLD = 0.4  # confidence, for a model that states no threshold of its own
PROBABLY_FROM = 1 / 3  # of the way from the threshold to certainty
QUITE_SURE_FROM = 2 / 3  # of that way, and
QUITE_SURE_SECONDS = 10.0  # s of music: one segment alone is never quite sure


@dataclass(frozen=True)
class Verdict:
    """What to show large.

    Attributes
    ----------
    certainty : Certainty
    dance : str or None
        Class label, None while listening or not sure.
    confidence : float
        Mean score of the leading dance, 0 to 1.
    """

    certainty: Certainty
    dance: str | None = None
    confidence: float = 0.0


def threshold(sensitivity: str, model_threshold: float | None) -> float:
    """Confidence below which the app says 'not sure'.

    Parameters
    ----------
    sensitivity : {'careful', 'balanced', 'daring'}
        Setting: how readily a dance is named.
    model_threshold : float or None
        What the model's makers recommend, 0 to 1; None if they don't say.
    """
    base = DEFAULT_THRESHOLD if model_threshold is None else model_threshold
    return {"careful": base + 0.3 * (1 - base), "balanced": base, "daring": 0.5 * base}[sensitivity]


def verdict(prediction: Prediction | None, *, threshold: float) -> Verdict:
    """What the scores so far amount to.

    Parameters
    ----------
    prediction : Prediction or None
        None while there is not enough music for a first segment.
    threshold : float
        Confidence below which no dance is named, at least 0, less than 1.
    """
    if prediction is None:
        return Verdict(Certainty.LISTENING)
    confidence = prediction.scores[prediction.best]
    if confidence < threshold:
        return Verdict(Certainty.NOT_SURE, None, confidence)
    way = (confidence - threshold) / (1 - threshold)
    if way >= QUITE_SURE_FROM and prediction.duration >= QUITE_SURE_SECONDS:
        return Verdict(Certainty.QUITE_SURE, prediction.best, confidence)
    certainty = Certainty.PROBABLY if way >= PROBABLY_FROM else Certainty.COULD_BE
    return Verdict(certainty, prediction.best, confidence)
