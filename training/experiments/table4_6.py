"""Table 4.6: four architectures, all pre-trained on ImageNet."""

from training.experiments.setup import COLUMNS, Setup, ThesisTable, accuracies

TITLE = "CNN architectures"
ARCHITECTURES = {
    "VGG 16": "vgg16",
    "ResNet-18": "resnet18",
    "ResNeXt-50 32x4d": "resnext50_32x4d",
    "DenseNet 161": "densenet161",
}
THESIS = {
    "VGG 16": (25.0, 41.7, 24.8),
    "ResNet-18": (96.7, 100.0, 89.9),
    "ResNeXt-50 32x4d": (95.0, 100.0, 89.6),
    "DenseNet 161": (96.7, 100.0, 92.8),
}


def run(setup: Setup) -> ThesisTable:
    """Train each architecture and evaluate it on the test split."""
    setup.check_only(tuple(ARCHITECTURES))
    setup.prepare(ARCHITECTURES)
    table = ThesisTable("table4.6", f"Table 4.6: {TITLE}", "Architecture", COLUMNS, bold=True)
    for row, architecture in ARCHITECTURES.items():
        ours = None
        if setup.wants(row):
            ours = accuracies(setup.on_test(setup.trained(architecture, architecture)))
        table.add(row, ours, THESIS[row])
    return table
