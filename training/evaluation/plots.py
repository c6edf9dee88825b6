"""The thesis's figures. Each function returns a matplotlib figure; `save` writes it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.atomic import replacing
from runtime.dances import DANCES, OTHER, TEN, dance
from runtime.mel import (
    FMAX,
    FMIN,
    FRAME_RATE,
    N_MELS,
    Float32,
    front_end,
    hann,
    hz_to_mel,
    melspectrogram,
)
from runtime.prediction import Prediction
from training.evaluation.degrade import mix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from training.evaluation.evaluate import Report

SPLIT_COLOURS = {"training": "#999999", "validation": "#0072B2", "test": "#D55E00"}  # Okabe and Ito
NAMES = [dance.name for dance in TEN]


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure atomically, in the format of the path's suffix."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=160)


def training_curves(history: Sequence[Mapping[str, Any]]) -> "Figure":
    """Loss and accuracy over epochs (figure 4.2), dashed with aggregation (figure 4.3).

    Parameters
    ----------
    history : sequence of dict
        `checkpoint['training']['history']`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True)
    epochs = [entry["epoch"] for entry in history]
    for axes, quantity in ((top, "loss"), (bottom, "accuracy")):
        values = np.array([entry[quantity] for entry in history])
        axes.plot(epochs, values, color=SPLIT_COLOURS["training"], alpha=0.35, linewidth=0.8)
        axes.plot(
            epochs,
            _smooth(values, max(1, len(values) // 50)),
            color=SPLIT_COLOURS["training"],
            label="training",
        )
        for split in ("validation", "test"):
            measured = [entry for entry in history if entry.get(split)]
            if not measured:
                continue
            at = [entry["epoch"] for entry in measured]
            colour = SPLIT_COLOURS[split]
            axes.plot(at, [entry[split][quantity] for entry in measured], color=colour, label=split)
            if quantity == "accuracy":
                aggregated = [entry[split]["aggregated_accuracy"] for entry in measured]
                axes.plot(at, aggregated, color=colour, linestyle="--", label=f"{split}, aggregated")
        axes.set_ylabel(quantity)
        axes.grid(alpha=0.3)
        axes.legend()
    bottom.set_ylim(0, 1.02)
    bottom.set_xlabel("epoch")
    return figure


def _smooth(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over the last `width` epochs, as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - width)
    return (sums[last] - sums[first]) / (last - first)


def confusion_matrices(report: "Report") -> "Figure":
    """Confusion with (top) and without (bottom) aggregation, rows normalised (figures 4.4 to 4.6)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 14), layout="constrained")
    top, bottom = figure.subplots(2)
    _confusion(top, report.confusion, f"{report.name}, with aggregation")
    _confusion(bottom, report.segment_confusion, f"{report.name}, without aggregation")
    return figure


def confusion_of_all(report: "Report") -> "Figure":
    """Confusion among all the model's dances and 'other', with aggregation, rows normalised."""
    from matplotlib.figure import Figure

    from training.evaluation.evaluate import all_classes

    names = [dance(key).name if key in DANCES else key for key in (*report.dances, OTHER)]
    side = max(8.0, 0.5 * len(names))
    figure = Figure(figsize=(side, side), layout="constrained")
    _confusion(figure.subplots(), all_classes(report), f"{report.name}, all dances of the model", names)
    return figure


def _confusion(axes: "Axes", matrix: NDArray[np.float64], title: str, names: Sequence[str] = NAMES) -> None:
    axes.imshow(np.nan_to_num(matrix), cmap="Blues", vmin=0, vmax=1)
    for (i, j), share in np.ndenumerate(matrix):
        if share > 0:  # absent classes are nan and stay empty
            axes.text(
                j, i, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.5 else "black"
            )
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, loc="left", parse_math=False)


def risk_coverage(datasets: Sequence[Mapping[str, Any]]) -> "Figure":
    """Share of errors among the accepted recordings against the share that is accepted.

    Parameters
    ----------
    datasets : sequence of dict
        `datasets` of a report.json of `python -m training evaluate`; a dot marks the model's threshold.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for i, data in enumerate(datasets):
        curve = np.array(data["risk_coverage"])
        accepted, errors = 100 * curve[:, 1], 100 * (1 - curve[:, 2])
        n = data["top1"]["total"]
        if set(data.get("dances", data["classes"])) != set(data["classes"]) and data.get("all_risk_coverage"):
            of_all = np.array(data["all_risk_coverage"])
            label = f"{data['name']}, {data['all_top1']['total']} recordings of all the model's dances"
            axes.step(
                100 * of_all[:, 1], 100 * (1 - of_all[:, 2]), "--", where="post", color=f"C{i}", label=label
            )
        axes.step(accepted, errors, where="post", color=f"C{i}", label=f"{data['name']}, {n} recordings")
        if data["threshold"] is not None and data["accepted_top1"]["value"] is not None:
            wrong = 100 * (1 - data["accepted_top1"]["value"])
            axes.plot(100 * data["coverage"]["value"], wrong, "o", color=f"C{i}")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, None)
    axes.set_xlabel("accepted, % of the recordings (—: of the ten dances)")
    axes.set_ylabel("wrong, % of the accepted")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def accuracy_against_noise(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> "Figure":
    """Accuracy on the synthetic noisy test set against α (figures 4.7, 4.9).

    Parameters
    ----------
    curves : mapping of str to sequence of dict
        Per network: points as `training.evaluation.noise.accuracy_curve` gives them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for i, (name, points) in enumerate(curves.items()):
        alpha = [point["alpha"] for point in points]
        for quantity, label, style in (
            ("top1", "top-1", "-"),
            ("top2", "top-2", "--"),
            ("segment_top1", "top-1 without aggregation", ":"),
        ):
            values = [point[quantity].value for point in points]
            axes.plot(alpha, values, style, color=f"C{i}", label=f"{name}: {label}" if name else label)
    axes.axhline(1 / len(TEN), color="#999999", linewidth=0.8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("noise intensity α")
    axes.set_ylabel("accuracy")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def spectrogram_and_scores(frames: Float32, prediction: Prediction, *, title: str = "") -> "Figure":
    """Mel spectrogram above the stacked areas of the segments' scores (figure 4.16).

    Parameters
    ----------
    frames : ndarray, shape (n_frames, 224)
        Mel power.
    prediction : Prediction
        Of the same recording.
    title : str
    """
    from runtime.command.plot import figure as score_figure

    figure = score_figure(prediction, title=title)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, 1.7 * height)
    scores = figure.axes[0]
    figure.set_layout_engine("none")
    box = scores.get_position()
    scores.set_position((box.x0, 0.5 * box.y0, box.width, 0.5))
    spectrogram = figure.add_axes((box.x0, 0.65, box.width, 0.3), sharex=scores)
    mel_image(spectrogram, frames)
    scores.set_xlim(0, len(frames) / FRAME_RATE)  # all of the music, from before the first segment's middle
    spectrogram.tick_params(labelbottom=False)
    return figure


def spectrograms(samples: Float32, sample_rate: int) -> "Figure":
    """The spectrogram with a linear axis of frequency above the mel spectrogram (figure 3.1).

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
    sample_rate : int
        Hz.
    """
    from matplotlib.figure import Figure
    from scipy.signal import ShortTimeFFT

    figure = Figure(figsize=(10, 8), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True)
    lengths = front_end(sample_rate)
    hop = round(sample_rate / FRAME_RATE)
    transform = ShortTimeFFT(hann(lengths.win_length), hop, sample_rate, mfft=lengths.n_fft)
    db = 10 * np.log10(np.maximum(transform.spectrogram(samples, k_offset=0), 1e-10))
    top.imshow(
        db,
        origin="lower",
        aspect="auto",
        extent=transform.extent(len(samples)),
        cmap="magma",
        vmin=db.max() - 80,
        vmax=db.max(),
    )
    top.set_ylim(FMIN, FMAX)
    top.set_ylabel("Hz")
    top.set_title("spectrogram", loc="left")
    mel_image(bottom, melspectrogram(samples, sample_rate=sample_rate))
    bottom.set_title("mel spectrogram", loc="left")
    bottom.set_xlim(0, len(samples) / sample_rate)
    bottom.set_xlabel("seconds")
    return figure


def mixing(signal: Float32, noise: Float32, alpha: float, sample_rate: int) -> "Figure":
    """A recording, a noise, and both mixed in a ratio: waveforms beside mel spectrograms (figure 4.8).

    Parameters
    ----------
    signal, noise : ndarray, shape (n_samples,)
        The noise is repeated or cut to the signal's length.
    alpha : float
        Share of the noise, 0 to 1.
    sample_rate : int
        Hz, of both.
    """
    from matplotlib.figure import Figure

    parts = {
        "recording": mix(signal, noise, 0.0),
        "noise": mix(signal, noise, 1.0),
        f"mixed, α = {alpha:g}": mix(signal, noise, alpha),
    }
    figure = Figure(figsize=(12, 9), layout="constrained")
    rows = figure.subplots(len(parts), 2, sharex=True)
    time = np.arange(len(signal)) / sample_rate
    for (left, right), (name, samples) in zip(rows, parts.items(), strict=True):
        left.plot(time, samples, linewidth=0.3, color=SPLIT_COLOURS["validation"])
        left.set_ylim(-1, 1)
        left.set_title(name, loc="left")
        mel_image(right, melspectrogram(samples, sample_rate=sample_rate))
    for axes in rows[-1]:
        axes.set_xlim(0, time[-1])
        axes.set_xlabel("seconds")
    return figure


def mel_image(axes: "Axes", frames: Float32) -> None:
    """Draw mel power, (n_frames, 224), in dB over seconds and Hz."""
    db = 10 * np.log10(np.maximum(frames, 1e-10))
    top = float(db.max())
    axes.imshow(
        db.T,
        origin="lower",
        aspect="auto",
        extent=(0, len(frames) / FRAME_RATE, 0, N_MELS),
        cmap="magma",
        vmin=top - 80,
        vmax=top,
    )
    mels = hz_to_mel([FMIN, FMAX])
    ticks = [256, 512, 1024, 2048, 4096, 8192]
    axes.set_yticks(np.asarray(hz_to_mel(ticks)) / mels[1] * N_MELS, [str(tick) for tick in ticks])
    axes.set_ylabel("Hz")
