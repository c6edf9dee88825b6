"""Figure 4.7: accuracy of our method on the test split with noise of growing intensity mixed in."""

import sys

from runtime.errors import ParameterError
from training.evaluation import noise, plots
from training.experiments.setup import COLUMNS, Lacking, Setup, ThesisTable
from training.settings import WAVEFORM

TITLE = "accuracy of our method against noise intensity"


def run(setup: Setup) -> ThesisTable:
    """Train our method and draw the curve."""
    return curve(setup, "figure4.7", TITLE, extended=False)


def curve(setup: Setup, name: str, title: str, *, extended: bool) -> ThesisTable:
    """The curve of our method, as a figure and as a table over α."""
    if setup.noise is None:
        raise Lacking(f"{name} needs --crowd FILE, a recording of a crowd")
    if setup.architecture == WAVEFORM:
        raise ParameterError(f"{name} mixes noise in before the spectrogram, which '{WAVEFORM}' has none of")
    recordings = noise.readable(setup.recordings())  # before hours of training
    for gone in set(setup.recordings()) - set(recordings):
        print(f"left out: {gone.path} is not there any more", file=sys.stderr)
    network = setup.our_method(extended=extended)
    with setup.watch("noise") as progress:
        result = noise.accuracy_curve(
            network.run, recordings, setup.noise, labels=network.labels, progress=progress
        )
    plots.save(plots.accuracy_against_noise({"": result["points"]}), setup.folder / f"{name}.png")
    snr = next(point["snr"] for point in result["points"] if point["alpha"] == 0.5)
    levels = (
        f"RMS of the noise {result['rms_noise']:.2f} (thesis 0.16), of the recordings "
        f"{result['rms_signal']:.2f} (thesis 0.23); signal-to-noise ratio at α = 0.5: {snr:.2f} (thesis 1.95)"
    )
    figure = f"{name[:1].upper()}{name[1:6]} {name[6:]}"
    table = ThesisTable(name, f"{figure}: {title}. {levels}", "α", COLUMNS)
    for point in result["points"]:
        table.add(f"{point['alpha']:.1f}", [point["top1"], point["top2"], point["segment_top1"]], None)
    return table
