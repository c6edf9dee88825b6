import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from runtime import Classifier, mel
from training.cli import main
from training.evaluation import plots
from training.evaluation.evaluate import statistics
from training.evaluation.metrics import Accuracy

EXAMPLES = Path(__file__).parents[3] / "examples"
HISTORY = [
    {"epoch": e, "loss": 2 / e, "accuracy": 1 - 1 / e}
    | ({"validation": {"loss": 1 / e, "accuracy": 0.5, "aggregated_accuracy": 0.6}} if e % 2 == 0 else {})
    for e in range(1, 9)
]


def lines(figure: Figure, axes: int) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_ydata() for line in figure.axes[axes].get_lines()}


def test_training_curves_show_every_split_that_was_evaluated() -> None:
    figure = plots.training_curves(HISTORY)
    loss, accuracy = lines(figure, 0), lines(figure, 1)
    assert loss["validation"].tolist() == [1 / e for e in (2, 4, 6, 8)]
    assert "test" not in loss
    assert accuracy["validation, aggregated"].tolist() == [0.6] * 4
    assert loss["training"].tolist() == pytest.approx([2 / e for e in range(1, 9)])


def test_confusion_matrices_print_shares_and_leave_absent_classes_empty() -> None:
    scores = np.eye(10, dtype=np.float32)[[[0, 1], [1, 1]]]
    figure = plots.confusion_matrices(statistics("x", ("cha_cha_cha", "jive"), list(scores)))
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == ["0.50", "0.50", "1.00"]
    assert figure.axes[0].get_title(loc="left") == "x, with aggregation"


def test_risk_falls_with_coverage_where_confidence_is_right(tmp_path: Path) -> None:
    scores = np.zeros((4, 1, 10), np.float32)  # three sure and right, one unsure and wrong
    scores[:3, 0, 0] = 0.9, 0.8, 0.7
    scores[3, 0, :2] = 0.2, 0.3
    report = statistics("x", ("cha_cha_cha",) * 4, list(scores), threshold=0.5)
    figure = plots.risk_coverage([report.to_dict()])
    curve, threshold = figure.axes[0].get_lines()
    assert curve.get_xdata().tolist() == [25, 50, 75, 100]
    assert curve.get_ydata().tolist() == [0, 0, 0, 25]
    assert (threshold.get_xdata().tolist(), threshold.get_ydata().tolist()) == ([75], [0])

    path = tmp_path / "report.json"
    path.write_text(json.dumps({"datasets": [report.to_dict()]}))
    assert main(["plot", "risk", str(path), "-o", str(tmp_path / "risk.svg")]) == 0
    assert "75" in (tmp_path / "risk.svg").read_text()


def test_no_report_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    path.write_text("[]")
    assert main(["plot", "risk", str(path), "-o", str(tmp_path / "risk.svg")]) == 1
    assert "report.json: no report.json of" in capsys.readouterr().err
    assert not (tmp_path / "risk.svg").exists()


def test_accuracy_against_noise() -> None:
    points = [
        {"alpha": a, "top1": Accuracy(10 - i, 10), "top2": Accuracy(10, 10), "segment_top1": Accuracy(5, 10)}
        for i, a in enumerate((0.0, 0.5, 1.0))
    ]
    found = lines(plots.accuracy_against_noise({"": points}), 0)
    assert found["top-1"].tolist() == [1.0, 0.9, 0.8]


def test_spectrogram_stands_above_the_scores(tiny_model: Path, tone: object, tmp_path: Path) -> None:
    samples = tone("tango", 12.0)  # type: ignore[operator]
    prediction = Classifier(tiny_model, stride=20).classify_samples(samples, mel.SAMPLE_RATE)
    figure = plots.spectrogram_and_scores(mel.melspectrogram(samples), prediction, title="a $ tango")
    scores, spectrogram = figure.axes[:2]
    assert spectrogram.get_position().y0 > scores.get_position().y1
    assert spectrogram.get_position().x0 == pytest.approx(scores.get_position().x0)
    image = spectrogram.get_images()[0].get_array()
    assert image.shape == (224, len(mel.melspectrogram(samples)))
    assert abs(int(image.mean(axis=1).argmax()) - (8 * 22 + 11)) <= 2  # the tone of the fixture
    plots.save(figure, tmp_path / "new" / "f.svg")
    assert (tmp_path / "new" / "f.svg").read_text().startswith("<?xml")


def test_spectrograms_show_a_tone_where_it_is(tmp_path: Path) -> None:
    """Figure 3.1: a tone at 2 kHz in the second half stands at 2 kHz there, linear and mel."""
    time = np.arange(4 * 22_050) / 22_050
    samples = np.where(time >= 2, np.sin(2 * np.pi * 2_000 * time), 0).astype(np.float32)
    figure = plots.spectrograms(samples, 22_050)
    linear, mel_axes = figure.axes
    (image,) = linear.get_images()
    left, right, low, high = image.get_extent()
    db = np.asarray(image.get_array())
    row, column = np.unravel_index(db.argmax(), db.shape)
    assert low + (row + 0.5) / len(db) * (high - low) == pytest.approx(2_000, abs=20)
    assert left + column / db.shape[1] * (right - left) > 1.9
    (image,) = mel_axes.get_images()
    db = np.asarray(image.get_array())
    row = int(np.unravel_index(db.argmax(), db.shape)[0])
    assert row == pytest.approx(mel.hz_to_mel(2_000) / mel.hz_to_mel(mel.FMAX) * 224, abs=2)
    assert linear.get_xlim() == (0, 4)


def test_figure_of_mixing_shows_the_three(tmp_path: Path) -> None:
    """Figure 4.8: what is drawn of the mixture is the mean of what is drawn of the two."""
    rng = np.random.default_rng(0)
    signal, noise = (rng.normal(size=n).astype(np.float32) for n in (22_050, 10_000))
    figure = plots.mixing(signal, noise, 0.5, 22_050)
    one, two, both = (figure.axes[i].get_lines()[0].get_ydata() for i in (0, 2, 4))
    np.testing.assert_allclose(both, (np.asarray(one) + np.asarray(two)) / 2, atol=1e-6)
    assert np.abs(one).max() == pytest.approx(1)
    assert figure.axes[4].get_title(loc="left") == "mixed, α = 0.5"


def test_commands_of_both_figures(tmp_path: Path) -> None:
    song, crowd = EXAMPLES / "rumba.ogg", EXAMPLES / "quickstep.ogg"
    part = ["--from", "0:02", "--to", "0:05"]
    assert main(["plot", "spectrogram", str(song), "-o", str(tmp_path / "a.png"), *part]) == 0
    assert (
        main(["plot", "noise", str(song), "--crowd", str(crowd), "-o", str(tmp_path / "b.png"), *part]) == 0
    )
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert (tmp_path / "b.png").stat().st_size > 10_000
    assert main(["plot", "spectrogram", str(song), "-o", str(tmp_path / "c.txt")]) == 2
