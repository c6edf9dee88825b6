"""Table 4.5: our method on another dataset, Extended Ballroom in the thesis. Also figure 4.5."""

from training.evaluation import plots
from training.experiments.setup import Lacking, Setup, ThesisTable

TITLE = "our method on Extended Ballroom"
THESIS = {
    "Our method with aggregation": (93.9, 97.5),
    "Our method without aggregation": (86.6, None),
}
MASSS = (94.9, None)  # Marchand and Peeters 2016; 9 classes instead of 10, and an unclear protocol


def run(setup: Setup) -> ThesisTable:
    """Train our method and evaluate it on the first further dataset."""
    if not setup.datasets:
        raise Lacking("table4.5 needs --dataset NAME=MANIFEST.csv, in the thesis Extended Ballroom")
    report = setup.on(setup.our_method(), setup.datasets[0])
    plots.save(plots.confusion_matrices(report), setup.folder / "figure4.5.png")
    table = ThesisTable(
        "table4.5", f"Table 4.5: our method on {report.name}", "Method", ("Top-1 accuracy", "Top-2 accuracy")
    )
    table.add("MASSS (Marchand and Peeters 2016; 9 classes)", None, MASSS)
    ours = ((report.top1, report.top2), (report.segment_top1, report.segment_top2))
    for (row, thesis), values in zip(THESIS.items(), ours, strict=True):
        table.add(row, values, thesis)
    return table
