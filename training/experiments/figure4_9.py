"""Figure 4.9: as figure 4.7, with low-quality recordings added to the training data."""

from training.experiments.figure4_7 import curve
from training.experiments.setup import Lacking, Setup, ThesisTable

TITLE = "accuracy against noise intensity, trained with low-quality recordings added"


def run(setup: Setup) -> ThesisTable:
    """Train our method on the extended data and draw the curve."""
    if not setup.extension:
        raise Lacking("figure4.9 needs --extend MANIFEST.csv of low-quality recordings")
    return curve(setup, "figure4.9", TITLE, extended=True)
