"""Section 5: two ideas that the thesis leaves to others, beside the network that they are to improve on."""

from training.experiments.setup import COLUMNS, Setup, ThesisTable, accuracies
from training.settings import TEMPO, WAVEFORM

TITLE = "end-to-end from the waveform, and an ensemble with the tempo"


def run(setup: Setup) -> ThesisTable:
    """Train the network, its ensemble with the tempo as evidence, and the network without spectrogram.

    All on the same recordings and with the same method. The ensemble begins untrained, as the network does.
    """
    network = setup.architecture
    rows = {
        network: network,
        f"{network} and tempo": TEMPO + network,
        "raw waveform (Dieleman and Schrauwen 2014)": WAVEFORM,
    }
    setup.check_only(tuple(rows))
    setup.prepare(rows)
    table = ThesisTable("section5", f"Section 5: {TITLE}", "Network", COLUMNS, bold=True)
    for row, architecture in rows.items():
        ours = None
        if setup.wants(row):
            ours = accuracies(setup.on_test(setup.trained(architecture, architecture)))
        table.add(row, ours, None)
    return table
