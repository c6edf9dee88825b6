"""The thesis's figures 3.5 and 4.11: scores of consecutive segments as stacked areas. Needs matplotlib."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtime.atomic import replacing
from runtime.command.report import clock, percent
from runtime.dances import OTHER, Dance, dance
from runtime.errors import ParameterError, WhichdanceError
from runtime.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
NONE_COLOUR = "#FFFFFF"
NONE_HATCH = "////"
FAINT = "#888888"  # of what hardly takes part
LABEL_POINTS = 9.0  # font size of the labels on areas and in the legend
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # s
MAX_TICKS = 9
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB (IEC 61966-2-1)


def save_plot(prediction: Prediction, path: str | os.PathLike[str], *, title: str = "") -> None:
    """Draw the scores of a recording's segments over time and save the figure.

    Parameters
    ----------
    prediction : Prediction
    path : path-like
        .png, .svg or .pdf.
    title : str
        Shown above the figure, before the answer; usually the recording's name.

    Raises
    ------
    ParameterError
        If the suffix is none of these.
    WhichdanceError
        If matplotlib is missing, or the file cannot be written.
    """
    check_plot_path(path)
    with replacing(path) as temporary, warnings.catch_warnings():
        # Names of recordings may hold characters that matplotlib's font lacks; it draws boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawn = figure(prediction, title=title)
        drawn.savefig(temporary, format=Path(path).suffix[1:].lower(), dpi=160)


def check_plot_path(path: str | os.PathLike[str]) -> None:
    """ParameterError unless `save_plot` can write this kind of file; WhichdanceError without matplotlib."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ParameterError(f"{path}: a figure is saved as {', '.join(SUFFIXES)}; give a name that ends so")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise WhichdanceError("--plot needs matplotlib: pip install 'whichdance[plot]'") from error


def figure(prediction: Prediction, *, title: str = "") -> "Figure":
    """The figure itself.

    The areas are proportional to the mean scores: the curve goes from the middle of each segment to the
    middle of the next in straight lines, and half a stride beyond the first and the last.

    Parameters
    ----------
    prediction : Prediction
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    times, scores = _curves(prediction)
    keys = list(prediction.scores)
    # the largest area at the bottom, none of them on top
    order = [dance(key) for key in sorted(keys[:-1], key=lambda key: -prediction.scores[key])]
    rest = np.clip(scores[:, -1], 0, 1)
    layers = np.column_stack([scores[:, [keys.index(one.key) for one in order]], rest])
    edges = np.column_stack([np.zeros(len(times)), np.cumsum(layers, axis=1)])

    fig = Figure(figsize=(10, 4.4), layout="constrained")
    axes = fig.add_subplot()
    for layer, one in enumerate(order):
        axes.fill_between(
            times,
            edges[:, layer],
            edges[:, layer + 1],
            facecolor=one.colour,
            edgecolor="white",
            linewidth=0.7,
            label=f"{one.name}  {percent(prediction.scores[one.key])}",
        )
    if rest.max() > 0.005:
        axes.fill_between(
            times,
            edges[:, -2],
            edges[:, -1],
            facecolor=NONE_COLOUR,
            edgecolor="#BBBBBB",
            hatch=NONE_HATCH,
            linewidth=0,
            label=f"none of these  {percent(prediction.scores[OTHER])}",
        )
    _style(axes, times)
    _titles(axes, prediction, title)
    handles, labels = axes.get_legend_handles_labels()
    legend = fig.legend(
        handles[::-1],  # from the top area to the bottom one
        labels[::-1],
        loc="outside right center",
        frameon=False,
        fontsize=LABEL_POINTS,
        handlelength=1.2,
        handleheight=1.2,
    )
    for text in legend.get_texts():
        if "<1 %" in text.get_text():
            text.set_color(FAINT)
    fig.draw_without_rendering()  # settles the layout, which the size of the labels depends on
    for layer, one in enumerate(order):
        _label_area(axes, times, edges[:, layer], edges[:, layer + 1], one)
    return fig


def _curves(prediction: Prediction) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of the curve's corners, s, and the scores there, shape (n_times, n_classes)."""
    middles = np.array(prediction.segment_times) + prediction.segment_seconds / 2
    stride = middles[1] - middles[0] if len(middles) > 1 else prediction.segment_seconds
    times = np.concatenate([[middles[0] - stride / 2], middles, [middles[-1] + stride / 2]])
    scores = prediction.segment_scores.astype(np.float64)
    return times, np.concatenate([scores[:1], scores, scores[-1:]])


def _style(axes: "Axes", times: NDArray[np.float64]) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    span = times[-1] - times[0]
    step = next((step for step in TICK_STEPS if span / step <= MAX_TICKS), TICK_STEPS[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.set_xlim(times[0], times[-1])
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("time (m:ss)")
    axes.set_ylabel("score")
    axes.tick_params(length=3, color=FAINT, labelsize=LABEL_POINTS)
    for side in axes.spines.values():
        side.set_visible(False)


def _titles(axes: "Axes", prediction: Prediction, title: str) -> None:
    if prediction.dance is None:
        verdict = f"not sure, closest to {dance(prediction.best).name}"
    else:
        verdict = dance(prediction.dance).name
    name = title if len(title) <= 60 else f"{title[:40]}…{title[-19:]}"
    # parse_math=False: a dollar sign in a file's name is no formula.
    axes.set_title(
        f"{name}: {verdict}" if name else verdict,
        loc="left",
        fontweight="bold",
        fontsize=12,
        parse_math=False,
    )


def _label_area(
    axes: "Axes",
    times: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    one: Dance,
) -> None:
    """Write a dance's name into its area where there is most room, if there is room at all.

    The name tells areas apart where colours do not (printed in grey, or to eyes that see few of them).
    """
    box = axes.get_window_extent()
    pixels_per_point = axes.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    width = (0.6 * LABEL_POINTS * len(one.name) + 4) * pixels_per_point / box.width  # of the axes
    height = 1.5 * LABEL_POINTS * pixels_per_point / box.height
    if width >= 1:
        return
    grid = np.linspace(times[0], times[-1], 400)
    low, high = np.interp(grid, times, lower), np.interp(grid, times, upper)
    n = max(1, round(width * len(grid)))
    bottoms = np.lib.stride_tricks.sliding_window_view(low, n).max(axis=1)
    tops = np.lib.stride_tricks.sliding_window_view(high, n).min(axis=1)
    room = tops - bottoms
    if room.max() < height:
        return
    roomy = np.flatnonzero(room > 0.97 * room.max())
    place = int(roomy[len(roomy) // 2])
    axes.text(
        grid[place + n // 2],
        (tops[place] + bottoms[place]) / 2,
        one.name,
        ha="center",
        va="center",
        fontsize=LABEL_POINTS,
        color="black" if _luminance(one.colour) > 0.18 else "white",  # equal contrast to both at 0.18
    )


def _luminance(colour: str) -> float:
    """Relative luminance of '#rrggbb', 0 to 1 (WCAG 2.2)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ LUMINANCE)
