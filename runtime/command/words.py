"""What answers are called in English: dances, verdicts, scores, tempi, stretches of time."""

from runtime.dances import OTHER, dance
from runtime.prediction import Part, Prediction, clock

NONE = "none of these"
NOT_SURE = "not sure"
SILENCE = "silence"


def name(key: str) -> str:
    """The display name of a label, that of music to none of the dances included."""
    return NONE if key == OTHER else dance(key).name


def answer(prediction: Prediction) -> str:
    """The dance's name, or two that fit as well as each other, or why there is none."""
    if prediction.verdict in ("dance", "either"):
        return " or ".join(name(key) for key in (prediction.best, *prediction.also))
    return {"none": NONE, "silence": SILENCE}.get(prediction.verdict, NOT_SURE)


def percent(score: float) -> str:
    """A score from 0 to 1 in percent, without pretending to a precision that it does not have."""
    if 0 < score < 0.005:
        return "<1 %"
    if 0.995 <= score < 1:
        return ">99 %"
    return f"{100 * score:.0f} %"


def tempo(prediction: Prediction) -> str:
    """Tempo and metre as a musician says them; '' where the tempo is not known."""
    if prediction.tempo_bpm is None:
        return ""
    parts = [f"{prediction.tempo_bpm:.0f} beats"]
    if prediction.tempo_mpm is not None:
        parts.append(f"{prediction.tempo_mpm:.0f} bars")
    metre = "" if prediction.metre is None else f"{prediction.metre} time, "
    return f"{metre}{', '.join(parts)} per minute"


def part_name(part: Part) -> str:
    """What a part is."""
    if part.dance is not None:
        return name(part.dance)
    return NONE if part.verdict == "none" else NOT_SURE


def span(start: float, end: float) -> str:
    """From when to when, in minutes and seconds."""
    return f"{clock(start)}–{clock(end)}"


def bars(tempo_mpm: float | None) -> str:
    """The tempo as dancers say it; '' where it is not known."""
    return "" if tempo_mpm is None else f"{tempo_mpm:.0f} bars/min"
