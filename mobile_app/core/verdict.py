"""From a prediction to words: listening, not sure, could be, probably, quite sure, none of these."""

from dataclasses import dataclass
from enum import Enum

from mobile_app.core.translations import mark
from runtime import Prediction


class Certainty(Enum):
    """How sure the app is, in the words above the dance's name."""

    LISTENING = mark("Listening…")
    SILENCE = mark("No music to be heard")
    NOT_SURE = mark("Not sure")
    NONE = mark("None of these")
    COULD_BE = mark("Could be")
    PROBABLY = mark("Probably")
    QUITE_SURE = mark("Quite sure")


PROBABLY_FROM = 0.65  # probability
QUITE_SURE_FROM = 0.8
QUITE_SURE_SECONDS = 10.0  # s of music: one segment alone is never quite sure


@dataclass(frozen=True)
class Verdict:
    """What to show large.

    Attributes
    ----------
    certainty : Certainty
    dances : tuple of str
        Keys of what is named: one dance, or those that fit alike; none while listening or not sure.
    confidence : float
        Probability of what is answered, 0 to 1.
    """

    certainty: Certainty
    dances: tuple[str, ...] = ()
    confidence: float = 0.0

    @property
    def dance(self) -> str | None:
        """The one dance that is named."""
        return self.dances[0] if len(self.dances) == 1 else None


def verdict(prediction: Prediction | None) -> Verdict:
    """What the music so far amounts to.

    Parameters
    ----------
    prediction : Prediction or None
        None while there is not enough music for a first segment.
    """
    if prediction is None:
        return Verdict(Certainty.LISTENING)
    confidence = prediction.confidence
    if prediction.verdict == "silence":
        return Verdict(Certainty.SILENCE)
    if prediction.verdict == "none":
        return Verdict(Certainty.NONE, (), confidence)
    if prediction.verdict == "two":
        together = (prediction.best, *prediction.also)
        return Verdict(Certainty.COULD_BE, together, sum(prediction.scores[key] for key in together))
    if prediction.dance is None:
        return Verdict(Certainty.NOT_SURE, (), confidence)
    heard = prediction.duration - (prediction.since or 0.0)
    if confidence >= QUITE_SURE_FROM and heard >= QUITE_SURE_SECONDS:
        return Verdict(Certainty.QUITE_SURE, (prediction.dance,), confidence)
    certainty = Certainty.PROBABLY if confidence >= PROBABLY_FROM else Certainty.COULD_BE
    return Verdict(certainty, (prediction.dance,), confidence)
