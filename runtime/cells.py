"""Tables that people open in a spreadsheet: the names of their columns, and cells that are no formulas.

Command, app and page write the same columns under the same names.
"""

from collections.abc import Sequence

from runtime.dances import OTHER

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet computes
SCORE = "score_"  # before the key of a dance: its probability, in a column of its own

ANSWER = ("dance", "verdict", "confidence", "certainty", "best", "also")
TEMPO = ("tempo_bpm", "tempo_mpm")
RECORDING = (*ANSWER, "duration", "padded", *TEMPO, "metre", "warnings")  # a row per recording
PART = ("start", "end", "dance", "verdict", "confidence", "best", "also", *TEMPO)  # a row per part
SEGMENT = ("start", "end")  # a row per segment
EVENING = (  # a row per dance of an evening
    "evening", "name", "source", "at", "start", "end", "dance", "confidence", "best", "also", "truth",
    *TEMPO, "model",
)  # fmt: skip


def score_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The columns of the scores of a model's dances, and of none of them."""
    return tuple(f"{SCORE}{key}" for key in (*labels, OTHER))


def guarded(cell: str) -> str:
    """A cell that a spreadsheet takes for text: where it would compute, an apostrophe is put before it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
