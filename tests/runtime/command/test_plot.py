"""The figure: areas in the right proportions, colours and names that tell dances apart."""

import os
import sys
import warnings
import xml.etree.ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from runtime.command import cli, plot
from runtime.dances import DANCE_KEYS, OTHER, TEN
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE
from runtime.prediction import Part, Prediction


def _prediction(n_segments: int = 40, stride: int = 43, none_of_the_ten: float = 0.0) -> Prediction:
    """Scores that wander at random from slow waltz to Viennese waltz."""
    logits = np.random.default_rng(3).normal(size=(n_segments, 10))
    logits[:, 9] += np.linspace(-2, 5, n_segments)
    logits[:, 7] += 2
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) * (1 - none_of_the_ten)
    scores = np.column_stack([scores, np.full(n_segments, none_of_the_ten)])
    mean = scores.mean(axis=0)
    best = DANCE_KEYS[int(mean[:-1].argmax())]
    return Prediction(
        dance=best,
        verdict="dance",
        confidence=float(mean[:-1].max()),
        best=best,
        scores=dict(zip((*DANCE_KEYS, OTHER), mean.tolist(), strict=True)),
        segment_times=tuple(i * stride / FRAME_RATE for i in range(n_segments)),
        segment_scores=scores.astype(np.float32),
        segment_seconds=224 / FRAME_RATE,
        duration=(n_segments * stride + 224) / FRAME_RATE,
    )


def _areas(prediction: Prediction) -> dict[str, float]:
    """Colour → share of the axes' area, measured on the drawn polygons."""
    axes = plot.figure(prediction).axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    shares = {}
    for collection in axes.collections:
        assert isinstance(collection, PolyCollection)
        x, y = collection.get_paths()[0].vertices.T
        area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        shares[to_hex(collection.get_facecolor()[0])] = area / ((right - left) * (top - bottom))
    return shares


@pytest.mark.parametrize("n_segments", [1, 2, 40])
def test_areas_are_the_mean_scores(n_segments):
    prediction = _prediction(n_segments)
    shares = _areas(prediction)
    for dance in TEN:
        assert shares[dance.colour.lower()] == pytest.approx(prediction.scores[dance.key], abs=1e-3)
    assert sum(shares.values()) == pytest.approx(1)


def test_what_is_left_for_none_of_the_ten_is_an_area_too():
    shares = _areas(_prediction(none_of_the_ten=0.3))
    assert shares[plot.NONE_COLOUR.lower()] == pytest.approx(0.3, abs=1e-3)
    axes = plot.figure(_prediction(none_of_the_ten=0.3)).axes[0]
    assert axes.collections[-1].get_hatch() == plot.NONE_HATCH


def test_parts_are_marked_and_named_where_there_is_room():
    parts = (
        Part(0.0, 60.0, "slow_waltz", "dance", 0.9),
        Part(60.0, 62.0, "tango", "dance", 0.9),  # too narrow for a name
        Part(62.0, 150.0, None, "not sure", 0.9),
        Part(150.0, 203.0, "viennese_waltz", "dance", 0.9),
    )
    axes = plot.figure(replace(_prediction(200, 43), parts=parts), title="ball.mp3").axes[0]
    lines = [float(line.get_xdata()[0]) for line in axes.lines]
    assert lines[1:] == [60.0, 62.0, 150.0]
    above = {
        text.get_text().strip(): text.get_position()[0] for text in axes.texts if text.get_position()[1] > 1
    }
    assert list(above) == ["Slow Waltz", "not sure", "Viennese Waltz"]
    assert above["Viennese Waltz"] == 150.0
    assert axes.get_title(loc="left") == "ball.mp3: 4 parts"


def test_one_part_is_not_marked():
    axes = plot.figure(replace(_prediction(), parts=(Part(0.0, 45.0, "jive", "dance", 0.9),))).axes[0]
    assert not axes.lines
    assert all(text.get_position()[1] < 1 for text in axes.texts)


def test_a_long_recording_is_drawn_with_as_many_corners_as_pixels():
    """Three hours at a stride of half a second; the areas are still the means."""
    prediction = _prediction(21_600, 20)
    shares = _areas(prediction)
    axes = plot.figure(prediction).axes[0]
    assert max(len(area.get_paths()[0].vertices) for area in axes.collections) < 2 * plot.MAX_CORNERS + 10
    means = dict(zip(prediction.scores, prediction.segment_scores.mean(axis=0), strict=True))
    for dance in TEN:
        assert shares[dance.colour.lower()] == pytest.approx(means[dance.key], abs=1e-3)
    figure = plot.figure(prediction)
    figure.draw_without_rendering()
    labels = [tick.label1.get_text() for tick in figure.axes[0].xaxis.get_major_ticks()]
    assert "2:00:00" in labels


def test_time_is_in_minutes_and_seconds():
    figure = plot.figure(_prediction(200, 43))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    left, right = axes.get_xlim()
    labels = [
        tick.label1.get_text() for tick in axes.xaxis.get_major_ticks() if left <= tick.get_loc() <= right
    ]
    assert labels == ["0:30", "1:00", "1:30", "2:00", "2:30", "3:00"]


def test_dances_are_told_apart_without_colour():
    figure = plot.figure(_prediction())
    names = [text.get_text() for text in figure.axes[0].texts]
    assert "Viennese Waltz" in names
    assert "Slow Waltz" in names
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(legend) == 10
    assert all(any(label.startswith(dance.name) for label in legend) for dance in TEN)


def test_labels_lie_inside_their_areas():
    figure = plot.figure(_prediction())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    by_colour = {to_hex(area.get_facecolor()[0]): area.get_paths()[0] for area in axes.collections}
    colours = {dance.name: dance.colour.lower() for dance in TEN}
    assert len(axes.texts) >= 2
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        middle = (box.y0 + box.y1) / 2
        for x in (box.x0, box.x1):
            assert by_colour[colours[text.get_text()]].contains_point((x, middle))


def test_the_same_prediction_gives_a_picture_with_its_colours(tmp_path):
    plot.save_plot(_prediction(), tmp_path / "figure.png", title="A$AP $ong 東京.mp3")
    pixels = (image.imread(tmp_path / "figure.png")[:, :, :3] * 255).round().astype(np.uint8)
    assert pixels.shape == (704, 1600, 3)
    found = {"#" + bytes(pixel).hex() for pixel in pixels.reshape(-1, 3)[::3]}
    assert {dance.colour.lower() for dance in TEN} <= found


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_formats(tmp_path, suffix):
    path = tmp_path / f"figure{suffix}"
    plot.save_plot(_prediction(), path, title="x" * 200)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"figure\.bmp: a figure is saved as \.png, \.svg, \.pdf"):
        plot.save_plot(_prediction(), tmp_path / "figure.bmp")
    assert not list(tmp_path.iterdir())


def test_the_command_draws(tiny_model, sound, tmp_path, capsys):
    path = sound("song.wav", "tango", 12.0)
    assert cli.main(["--model", str(tiny_model), "--plot", str(tmp_path / "song.png"), str(path)]) == 0
    assert "Tango" in capsys.readouterr().out
    assert image.imread(tmp_path / "song.png").shape[2] in (3, 4)


def test_a_missing_folder_is_found_before_the_work(sound, tmp_path, capsys):
    status = cli.main(["--plot", str(tmp_path / "nowhere/song.png"), str(sound("song.wav", "tango"))])
    assert status == 1
    assert "nowhere/song.png: cannot be written (no such folder)" in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(WhichdanceError, match=r"--plot needs matplotlib: pip install 'whichdance\[plot\]'"):
        plot.check_plot_path("figure.png")


# Linear sRGB as eyes see it that lack one kind of cone: Machado, Oliveira, Fernandes, "A Physiologically
# based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, table 1, severity 1.0.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # from sRGB
WHITE = XYZ.sum(axis=1)  # D65


def _linear(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of linear sRGB."""
    x, y, z = (np.where(v > 0.008856, np.cbrt(v), 7.787 * v + 16 / 116) for v in (linear @ XYZ.T / WHITE).T)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("vision", VISION)
def test_colour_blind_people_can_tell_the_colours_apart(vision):
    seen = np.clip(np.stack([_linear(dance.colour) for dance in TEN]) @ np.transpose(VISION[vision]), 0, 1)
    lab = _lab(seen)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.diag([np.inf] * len(TEN))
    # About 2.3 is the smallest difference of adjacent areas that is seen at all (CIE76).
    assert distance.min() > 5 * 2.3


def test_no_warnings_reach_the_user(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plot.save_plot(_prediction(1), Path(tmp_path / "figure.png"), title="東京")
    assert not caught


def test_any_name_can_be_drawn(whichdance, sound, tmp_path):
    path = sound("a.wav", "tango").rename(tmp_path / os.fsdecode(b"caf\xe9 \x1b[31m<b>&\xe2\x80\xae.wav"))
    table = tmp_path / "table.txt"  # the terminal of a test takes UTF-8 alone
    assert whichdance("-o", table, "--plot", tmp_path / "a.svg", path)[0] == 0
    xml.etree.ElementTree.parse(tmp_path / "a.svg")
