"""What people are shown of a prediction, said once for command, app and page: keys and numbers, no language.

One dance; two, where the evidence cannot decide between them; none of these, with the dance that it is
closest to; or why there is nothing to show. Beside it how sure that is, in three grades that do not
flicker, and how probabilities and times are written. Each face has its own words for these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from runtime.evidence import EvidenceSettings
from runtime.prediction import Grade, Prediction, Verdict

PROBABLY_FROM = 0.7  # probability
QUITE_SURE_FROM = 0.9  # and
QUITE_SURE_SECONDS = 10.0  # s of the dance: one segment alone is never quite sure
MARGIN = 0.1  # a grade is kept until the probability is so far below what it began at

GRADES: tuple[Grade, ...] = ("could be", "probably", "quite sure")
Kind = Literal["dance", "two", "medley", "none", "not sure", "silence", "not yet"]


@dataclass(frozen=True)
class Answer:
    """What is shown.

    Attributes
    ----------
    kind : str
        'dance'; 'two', where one of two dances is meant; 'medley', a whole recording of several dances none
        of which prevails; 'none', where it is none of the model's dances; 'not sure'; 'silence', where
        there is no music; 'not yet', before the first segment was heard.
    dances : tuple of str
        Keys: of 'dance' one, of 'two' both, the better first, of 'medley' all in order of appearance.
    closest : str or None
        Of 'none' and 'not sure' the likeliest dance.
    confidence : float
        Probability of what is shown, 0 to 1; of 'two' that it is one of both.
    confidences : tuple of float
        Of 'dance' and 'two' the probability of each of `dances`.
    certainty : str or None
        'could be', 'probably' or 'quite sure', of 'dance' and 'two'.
    leaning : bool
        Of 'none' that `closest` is likelier than that it is none of them: it stands first, since 'none of
        these' in large letters above 60 % of a waltz is a riddle.
    """

    kind: Kind
    dances: tuple[str, ...] = ()
    closest: str | None = None
    confidence: float = 0.0
    confidences: tuple[float, ...] = ()
    certainty: Grade | None = None
    leaning: bool = False

    @property
    def dance(self) -> str | None:
        """The one dance that is named."""
        return self.dances[0] if self.kind == "dance" else None

    @classmethod
    def of(cls, prediction: Prediction | None) -> "Answer":
        """What to show of a prediction; of None, before there is one, that it is too early."""
        if prediction is None:
            return cls("not yet")
        verdict, confidence = prediction.verdict, prediction.confidence
        if verdict == "dance":
            return cls(verdict, (prediction.best,), None, confidence, (confidence,), prediction.certainty)
        if verdict == "two":
            both = (prediction.best, *prediction.also)
            each = tuple(prediction.scores[key] for key in both)
            return cls(verdict, both, None, confidence, each, prediction.certainty)
        if verdict == "silence":
            return cls(verdict)
        several = tuple(dict.fromkeys(part.dance for part in prediction.parts if part.dance))
        if verdict == "not sure" and len(several) > 1 and not prediction.live:
            return cls("medley", several)
        leaning = verdict == "none" and prediction.scores.get(prediction.best, 0.0) > confidence
        return cls(verdict, (), prediction.best, confidence, leaning=leaning)


@dataclass(frozen=True)
class Choice:
    """What the probabilities amount to.

    Attributes
    ----------
    verdict : str
        'dance', 'two', 'none' or 'not sure'.
    best : int
        State of the dance that is named, or of the likeliest one.
    second : int or None
        Of 'two' the other dance.
    confidence : float
        Probability of what is answered; of 'two' of both together.
    """

    verdict: Verdict
    best: int
    second: int | None
    confidence: float


def choose(
    settings: EvidenceSettings,
    posterior: NDArray[np.floating],
    named: int | None,
    before: Choice | None = None,
) -> Choice:
    """One dance, two, none of these, or not sure.

    Where no state is named, the two likeliest are shown when they are sure enough together: two dances, or
    none of these and the dance that it is closest to, whichever of both is likelier. To be shown they must
    reach `two_at`, to stay `two_release_at`.

    Parameters
    ----------
    settings : EvidenceSettings
    posterior : ndarray, shape (n_states,)
        Probabilities; the last state is none of these.
    named : int or None
        The state that is named, as `runtime.evidence.Follower.current`.
    before : Choice, optional
        Of the update before, of music that plays.
    """
    none = len(posterior) - 1
    order = np.argsort(-posterior, kind="stable").tolist()
    likeliest = order[:2]
    best, second = [state for state in order if state != none][:2] if none > 1 else (0, None)
    if named is not None and named < none:
        return Choice("dance", named, None, float(posterior[named]))
    verdict: Verdict = "none" if none in likeliest else "two"
    least = settings.two_at
    if before is not None and before.verdict == verdict:
        same = verdict == "none" or {before.best, before.second} == {best, second}
        least = settings.two_release_at if same else least
    together = float(posterior[likeliest].sum())
    if named != none and together < least:
        return Choice("not sure", best, None, float(posterior[best]))
    if verdict == "none" or named == none:
        return Choice("none", best, None, float(posterior[none]))
    return Choice("two", best, second, together)


def grade(confidence: float, seconds: float, before: Grade | None = None) -> Grade:
    """How sure a dance is.

    Parameters
    ----------
    confidence : float
        Probability, 0 to 1.
    seconds : float
        Since the dance began.
    before : str, optional
        The grade of the same dance at the update before, where the music plays.
    """
    least = GRADES.index(before) if before else 0
    sure = [
        True,
        confidence >= PROBABLY_FROM - MARGIN * (least >= 1),
        confidence >= QUITE_SURE_FROM - MARGIN * (least >= 2) and seconds >= QUITE_SURE_SECONDS,
    ]
    return GRADES[max(i for i, reached in enumerate(sure) if reached)]


class Certainty:
    """The grade of music that plays: begins anew with each dance, and does not flicker within one."""

    def __init__(self) -> None:
        self._dances: Sequence[int] = ()
        self._grade: Grade | None = None

    def update(self, choice: Choice, seconds: float) -> Grade | None:
        """The grade now; None where no dance is shown. Of two dances it is always the lowest.

        Parameters
        ----------
        choice : Choice
        seconds : float
            Since the dance began.
        """
        if choice.verdict == "two":
            return GRADES[0]
        if choice.verdict != "dance":
            return None  # and is remembered: the dance may be named again
        if self._dances != (choice.best,):
            self._dances, self._grade = (choice.best,), None
        self._grade = grade(choice.confidence, seconds, self._grade)
        return self._grade


def percent(probability: float) -> str:
    """A probability in whole percent without the sign, which languages write differently.

    '1' to '99', '<1' and '>99': nothing is ever quite impossible or quite certain.
    """
    whole = math.floor(100 * probability + 0.5)
    return "<1" if whole < 1 else ">99" if whole > 99 else str(whole)


def clock(seconds: float) -> str:
    """Seconds that have passed, as clocks show them: m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(math.floor(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
