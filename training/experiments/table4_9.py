"""Table 4.9: as table 4.8, with low-quality recordings added to the training data."""

from training.experiments.setup import Lacking, Setup, ThesisTable, table_of_datasets

TITLE = "our method, trained with low-quality recordings added"
THESIS = {  # name for --dataset: row of the table, its numbers
    "test": ("test split (thesis: YouTube test dataset)", (98.3, 100.0, 92.7)),
    "separation": ("separation (thesis: from training dataset)", (93.0, 98.0, 86.0)),
    "competitions": ("dance competitions", (93.7, 98.9, 75.7)),
    "stardance": ("pop songs (thesis: StarDance)", (46.0, 74.0, 38.6)),
    "low-quality": ("low-quality recordings", (89.8, 95.3, 71.7)),
}


def run(setup: Setup) -> ThesisTable:
    """Train our method on the extended data; evaluate it on the test split and every further dataset."""
    if not setup.extension:
        raise Lacking(
            "table4.9 needs --extend MANIFEST.csv of low-quality recordings; "
            "`python -m training degrade` makes some"
        )
    reports = setup.on_datasets(setup.our_method(extended=True))
    return table_of_datasets("table4.9", f"Table 4.9: {TITLE}", reports, THESIS)
