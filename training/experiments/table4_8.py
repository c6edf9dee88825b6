"""Table 4.8: our method on datasets of various origin and quality. Also figure 4.6."""

from training.evaluation import plots
from training.experiments.setup import Setup, ThesisTable, table_of_datasets

TITLE = "our method on various datasets"
THESIS = {  # name for --dataset: row of the table, its numbers
    "test": ("test split (thesis: YouTube test dataset)", (96.7, 100.0, 92.2)),
    "separation": ("separation (thesis: from training dataset)", (93.0, 98.0, 86.5)),
    "competitions": ("dance competitions", (87.9, 98.6, 70.6)),
    "stardance": ("pop songs (thesis: StarDance)", (68.0, 78.0, 45.2)),
    "low-quality": ("low-quality recordings", (72.7, 86.7, 58.0)),
}


def run(setup: Setup) -> ThesisTable:
    """Train our method; evaluate it on the test split and every further dataset.

    Datasets named as in `THESIS` meet the thesis's numbers, others stand below. The confusion matrices of
    `--dataset stardance=…` are figure 4.6.
    """
    reports = setup.on_datasets(setup.our_method())
    if "stardance" in reports:
        plots.save(plots.confusion_matrices(reports["stardance"]), setup.folder / "figure4.6.png")
    return table_of_datasets("table4.8", f"Table 4.8: {TITLE}", reports, THESIS)
