"""What answers are called in English: dances, verdicts, scores, tempi, stretches of time."""

from runtime import answer as answers
from runtime.answer import Answer, clock
from runtime.dances import OTHER, dance
from runtime.prediction import Part, Prediction

NONE = "none of these"
NOT_SURE = "not sure"
SILENCE = "silence"


def name(key: str) -> str:
    """The display name of a label, that of music to none of the dances included."""
    return NONE if key == OTHER else dance(key).name


def answer(prediction: Prediction) -> str:
    """The dance's name, or the names of two, or why there is none."""
    found = Answer.of(prediction)
    if found.kind in ("dance", "two"):
        return " or ".join(name(key) for key in found.dances)
    if found.kind == "medley":
        return "several: " + ", ".join(name(key) for key in found.dances)
    if found.leaning:
        return f"{name(prediction.best)} or {NONE}"
    return {"none": NONE, "silence": SILENCE}.get(found.kind, NOT_SURE)


def percent(score: float) -> str:
    """A score from 0 to 1 in percent, without pretending to a precision that it does not have."""
    return f"{answers.percent(score)} %"


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
    if part.best is not None and part.verdict == "two":
        return " or ".join(name(key) for key in (part.best, *part.also))
    return NONE if part.verdict == "none" else NOT_SURE


def span(start: float, end: float) -> str:
    """From when to when, in minutes and seconds."""
    return f"{clock(start)}–{clock(end)}"


def bars(tempo_mpm: float | None) -> str:
    """The tempo as dancers say it; '' where it is not known."""
    return "" if tempo_mpm is None else f"{tempo_mpm:.0f} bars/min"
