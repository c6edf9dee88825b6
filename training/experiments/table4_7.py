"""Table 4.7: eleven ways to train DenseNet-161."""

from training.experiments.setup import COLUMNS, Setup, ThesisTable, accuracies
from training.networks.densenet import CONFIGURATIONS

TITLE = "training configurations of DenseNet-161"
THESIS = {
    "densenet-tl-c": (63.3, 76.7, 42.9),
    "densenet-tl-db4-half": (80.0, 85.0, 62.7),
    "densenet-tl-db4-full": (83.3, 91.7, 64.5),
    "densenet-tl-db4-n24": (70.0, 85.0, 62.0),
    "densenet-tl-db4-n48": (76.7, 80.0, 63.3),
    "densenet-tl-db4-n72": (75.0, 86.7, 64.5),
    "densenet-ft": (96.7, 100.0, 92.8),
    "densenet-rw": (95.0, 100.0, 91.3),
    "densenet-rw-1c7x7": (93.3, 100.0, 89.2),
    "densenet-rw-1c16x3": (93.3, 100.0, 88.2),
    "densenet-rw-1c40x3": (91.7, 98.3, 88.2),
}


def run(setup: Setup) -> ThesisTable:
    """Train each configuration and evaluate it on the test split."""
    setup.check_only([c.row for c in CONFIGURATIONS.values()])
    setup.prepare({c.row: name for name, c in CONFIGURATIONS.items()})
    table = ThesisTable("table4.7", f"Table 4.7: {TITLE}", "Configuration", COLUMNS, bold=True)
    for name, configuration in CONFIGURATIONS.items():
        ours = None
        if setup.wants(configuration.row):
            ours = accuracies(setup.on_test(setup.trained(name, name)))
        table.add(configuration.row, ours, THESIS[name])
    return table
