"""Table 4.4: our method on the test split, with and without aggregation. Also figures 4.2 and 4.4."""

from training.evaluation import plots
from training.experiments.setup import Setup, ThesisTable

TITLE = "our method on the test data, with and without segment aggregation"
THESIS = {
    "Our method with aggregation": (96.7, 100.0),
    "Our method without aggregation": (92.2, None),
}


def run(setup: Setup) -> ThesisTable:
    """Train our method and evaluate it on the test split."""
    report = setup.on_test(setup.our_method())
    plots.save(plots.confusion_matrices(report), setup.folder / "figure4.4.png")
    table = ThesisTable("table4.4", f"Table 4.4: {TITLE}", "Method", ("Top-1 accuracy", "Top-2 accuracy"))
    ours = ((report.top1, report.top2), (report.segment_top1, report.segment_top2))
    for (row, thesis), values in zip(THESIS.items(), ours, strict=True):
        table.add(row, values, thesis)
    return table
