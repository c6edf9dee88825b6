"""The thesis's figures 3.5 and 4.11: scores of consecutive segments as stacked areas. Needs matplotlib."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.answer import clock
from runtime.atomic import replacing
from runtime.colour import ink_on
from runtime.command import words
from runtime.command.exits import printable
from runtime.dances import Dance, dance
from runtime.errors import ParameterError, WhichdanceError
from runtime.prediction import Outcome, Part, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
LEAST_SHOWN = 0.005  # score from which 'none of these' has an area
NONE_COLOUR = "#FFFFFF"
NONE_HATCH = "////"
FAINT = "#888888"  # of what hardly takes part
LABEL_POINTS = 9.0  # font size of the labels on areas and in the legend
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # s
MAX_TICKS = 9
MAX_CORNERS = 1600  # of a curve, one per pixel; more would only take time


class Plot:
    """Draws the recording that it is given.

    Parameters
    ----------
    path : path-like
        As for `save_plot`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    def add(self, outcome: Outcome) -> None:
        """Draw it; WhichdanceError if the file cannot be written."""
        if outcome.prediction is not None:
            save_plot(outcome.prediction, self._path, title=_drawable(Path(outcome.path).name))

    def finish(self) -> None:
        """Nothing is left to do."""


def _drawable(name: str) -> str:
    """A name without what no font has: control characters, bytes that are not UTF-8."""
    return printable(name.encode("utf-8", "backslashreplace").decode())


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

    The areas are proportional to the mean scores of the segments: the curve goes from the middle of each
    segment to the middle of the next in straight lines, and half a stride beyond the first and the last.
    Lines and names above the areas mark the parts, where there are several.

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
    *dances, _ = prediction.scores  # none of them is the last
    means = prediction.segment_scores.mean(axis=0)
    order = np.argsort(-means[:-1], kind="stable")  # the largest area at the bottom, none of them on top
    layers = [*((dance(dances[i]), i) for i in order), (None, len(dances))]
    edges = np.cumsum(scores[:, [i for _, i in layers]], axis=1)
    edges = np.clip(np.column_stack([np.zeros(len(times)), edges]), 0, 1)

    fig = Figure(figsize=(10, 4.4), layout="constrained")
    axes = fig.add_subplot()
    for (one, i), lower, upper in zip(layers, edges.T, edges.T[1:], strict=False):
        if one is not None:
            look: dict[str, Any] = {"facecolor": one.colour, "edgecolor": "white", "linewidth": 0.7}
        elif (upper - lower).max() > LEAST_SHOWN:
            look = {"facecolor": NONE_COLOUR, "edgecolor": "#BBBBBB", "hatch": NONE_HATCH, "linewidth": 0}
        else:
            continue
        name = words.NONE if one is None else one.name
        axes.fill_between(times, lower, upper, label=f"{name}  {words.percent(float(means[i]))}", **look)
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
    for (one, _), lower, upper in zip(layers, edges.T, edges.T[1:], strict=False):
        if one is not None:
            _label_area(axes, times, lower, upper, one)
    _mark_parts(axes, prediction.parts)
    return fig


def _curves(prediction: Prediction) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of the curve's corners, s, and the scores there, shape (n_times, n_dances + 1)."""
    middles = np.array(prediction.segment_times) + prediction.segment_seconds / 2
    scores = prediction.segment_scores.astype(np.float64)
    group = -(-len(middles) // MAX_CORNERS)  # neighbours drawn as one, by their mean
    if group > 1:
        firsts = np.arange(0, len(middles), group)
        sizes = np.diff(np.append(firsts, len(middles)))
        middles = np.add.reduceat(middles, firsts) / sizes
        scores = np.add.reduceat(scores, firsts) / sizes[:, None]
    stride = middles[1] - middles[0] if len(middles) > 1 else prediction.segment_seconds
    times = np.concatenate([[middles[0] - stride / 2], middles, [middles[-1] + stride / 2]])
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
    verdict = words.answer(prediction)
    if len(prediction.parts) > 1:
        verdict = f"{len(prediction.parts)} parts"
    elif prediction.verdict in ("not sure", "none", "two"):
        verdict += f", closest to {dance(prediction.best).name}"
    name = title if len(title) <= 60 else f"{title[:40]}…{title[-19:]}"
    # parse_math=False: a dollar sign in a file's name is no formula.
    axes.set_title(
        f"{name}: {verdict}" if name else verdict,
        loc="left",
        fontweight="bold",
        fontsize=12,
        parse_math=False,
        pad=20 if len(prediction.parts) > 1 else None,  # room for the names of parts
    )


def _mark_parts(axes: "Axes", parts: Sequence[Part]) -> None:
    """A line where a part begins, and above it the name of the part, where there is room."""
    if len(parts) < 2:
        return
    left, right = axes.get_xlim()
    room = axes.get_window_extent().width / _pixels_per_point(axes) / (right - left)  # points per second
    for part in parts:
        start = max(left, part.start)
        axes.axvline(start, color="black", linewidth=1.2)
        name = words.part_name(part)
        if _points_wide(name) <= room * (part.end - start):
            axes.text(
                start,
                1.015,
                f" {name}",
                transform=axes.get_xaxis_transform(),
                fontsize=LABEL_POINTS,
                fontweight="bold",
            )


def _pixels_per_point(axes: "Axes") -> float:
    dpi: float = axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return dpi / 72


def _points_wide(name: str) -> float:
    """About how wide a name is drawn, with a little room around it."""
    return 0.6 * LABEL_POINTS * len(name) + 4


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
    width = _points_wide(one.name) * _pixels_per_point(axes) / box.width  # of the axes
    height = 1.5 * LABEL_POINTS * _pixels_per_point(axes) / box.height
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
        color=ink_on(one.colour),
    )
