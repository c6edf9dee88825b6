import json
import math
from pathlib import Path

import numpy as np
import pytest

from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from runtime.mel import Float32
from training.data.store import Stored
from training.evaluation.evaluate import (
    Dataset,
    array_dataset,
    evaluate,
    load_runner,
    rejection_line,
    social_lines,
    statistics,
    stored_dataset,
)
from training.networks import models

BANDS_PER_DANCE = 22  # of the model in tests/conftest.py, which answers with the loudest bands


def scores(*rows: int, sure: float = 0.8) -> Float32:
    """Segment scores that are highest for the given classes."""
    result = np.full((len(rows), 10), (1 - sure) / 9, np.float32)
    result[np.arange(len(rows)), rows] = sure
    return result


def test_statistics_of_segments_and_recordings() -> None:
    labels = ("cha_cha_cha", "jive", "other:salsa")
    report = statistics("x", labels, [scores(0, 0, 1), scores(2, 2, 1), scores(5, sure=0.3)], threshold=0.5)
    assert (report.top1.right, report.top1.total) == (1, 2)
    assert report.top2.right == 2
    assert (report.segment_top1.right, report.segment_top1.total) == (3, 6)
    assert report.counts == {"cha_cha_cha": 1, "jive": 1, "other": 1}
    assert report.confusion[1, 2] == 1
    assert report.segment_confusion[0, :2] == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(report.confusion[2]).all()
    assert report.others_auc == 1.0
    assert report.others_rejected.value == 1.0
    assert report.coverage.value == 1.0
    assert report.accepted_top1.value == 0.5
    assert "50.0 % of them rightly; 100.0 % of other music is rejected" in rejection_line(report)


LABELS = ("rumba", "bachata", "discofox", "jive", "other")


def answers(*names: str, sure: float = 0.8) -> Float32:
    """Segment scores over `LABELS` that are highest for the given dances."""
    result = np.full((len(names), len(LABELS)), (1 - sure) / (len(LABELS) - 1), np.float32)
    result[np.arange(len(names)), [LABELS.index(name) for name in names]] = sure
    return result


def test_a_model_of_other_dances() -> None:
    """The ten are found wherever their columns are; collections' names are translated."""
    truth = ("jive", "rumba", "other:bachata", "other:hustle", "other:salsa", "quickstep")
    scored = [answers(a) for a in ("jive", "bachata", "bachata", "rumba", "other", "jive")]
    scored[1][0, 0] += 0.01  # rumba, next to bachata
    report = statistics("x", truth, scored, columns=LABELS, threshold=0.5)
    assert report.dances == LABELS[:-1]
    assert (report.top1.right, report.top1.total) == (2, 2)  # rumba is still the best of the ten there
    assert (report.all_top1.right, report.all_top1.total) == (2, 4)
    assert (report.social_first.right, report.social_first.total) == (1, 2)
    assert (report.others_as_ten.right, report.others_as_ten.total) == (1, 3)
    assert report.all_confusion["discofox"] == {"rumba": 1}
    assert report.all_confusion["other"] == {"jive": 1, "other": 1}
    assert any("discofox → rumba 1" in line for line in social_lines(report))
    unsure = statistics("x", truth, [answers(*["rumba"], sure=0.4)] * 6, columns=LABELS, threshold=0.5)
    assert unsure.others_as_ten.right == 0
    json.dumps(report.to_dict(), allow_nan=False)


def test_without_threshold_everything_is_accepted() -> None:
    report = statistics("x", ("jive",), [scores(1)])
    assert report.macro_recall.value == 1.0
    assert report.coverage.value == 1.0
    assert rejection_line(report) == ""
    assert math.isnan(report.others_auc)
    assert report.to_dict()["others_auc"] is None
    json.dumps(report.to_dict(), allow_nan=False)


def test_an_eleventh_class_lowers_confidence_only() -> None:
    class Run:
        def __call__(self, batch: Float32) -> Float32:
            return np.tile(np.array([[0.1, 0.3] + [0.0] * 8 + [0.6]], np.float32), (len(batch), 1))

    dataset = Dataset("x", ("jive", "other"), np.zeros((2, 1, 224, 224), np.uint8))
    report = evaluate(Run(), dataset, threshold=0.5)
    assert report.top1.value == 1.0
    assert report.coverage.value == 0.0
    assert report.others_rejected.value == 1.0


def arrays(path: Path, labels: list[str]) -> None:
    """Spectrograms in the format of `array_dataset` whose loudest bands are those of their dance."""
    mel_db = np.zeros((len(labels), 2, 224, 300), np.uint8)
    for i, label in enumerate(labels):
        k = DANCE_KEYS.index(label.removeprefix("other:"))
        mel_db[i, :, k * BANDS_PER_DANCE : (k + 1) * BANDS_PER_DANCE] = 200
    np.savez(path, mel_db=mel_db, labels=np.array(labels))


def test_arrays_and_onnx(tmp_path: Path, tiny_model: Path) -> None:
    arrays(tmp_path / "a.npz", ["jive", "tango", "rumba", "other:samba"])
    dataset = array_dataset("a", tmp_path / "a.npz")
    windows = list(dataset.windows(stride=50))
    assert windows[0].shape == (4, 1, 224, 224)  # two starts in each of two excerpts
    assert windows[0].max() == pytest.approx(1.0)  # 200 / 2 - 100 dB
    assert windows[0].min() == pytest.approx(1e-10)
    run, threshold = load_runner(tiny_model)
    report = evaluate(run, dataset)
    assert threshold is None
    assert report.top1.value == 1.0
    assert report.top1.total == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mel_db": np.zeros((1, 1, 224, 300))}, "is no .npz"),
        ({"mel_db": np.zeros((1, 1, 224, 300)), "labels": np.array(["jive"])}, "must be uint8"),
        ({"mel_db": np.zeros((1, 1, 224, 100), np.uint8), "labels": np.array(["jive"])}, "at least 224"),
        ({"mel_db": np.zeros((1, 1, 224, 300), np.uint8), "labels": np.array([])}, "0 labels for 1"),
    ],
)
def test_arrays_are_checked(tmp_path: Path, content: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(WhichdanceError, match=message):
        array_dataset("a", tmp_path / "a.npz")


def test_stored_recordings(stored: tuple[Stored, ...], tiny_model: Path) -> None:
    run, _ = load_runner(tiny_model)
    dataset = stored_dataset("clicks of three", stored)
    report = evaluate(run, dataset)
    assert report.counts == {"quickstep": 5, "rumba": 5, "viennese_waltz": 5}


def test_checkpoint_with_calibration(tmp_path: Path) -> None:
    network = models.build("rhythmogram", width=0.25)
    path = tmp_path / "c.pt"
    segment = np.random.default_rng(0).random((1, 1, 224, 224), np.float32)
    models.save_checkpoint(path, network, "rhythmogram", {"width": 0.25})
    plain, threshold = load_runner(path)
    assert threshold is None
    models.save_checkpoint(
        path,
        network,
        "rhythmogram",
        {"width": 0.25},
        calibration={"temperature": 2.0, "reject_threshold": 0.4},
    )
    calibrated, threshold = load_runner(path)
    assert threshold == 0.4
    logits, cooled = np.log(plain(segment)), np.log(calibrated(segment))
    assert np.allclose(np.diff(logits) / 2, np.diff(cooled), atol=1e-4)


def test_empty_dataset() -> None:
    with pytest.raises(WhichdanceError, match="no recordings"):
        evaluate(lambda batch: batch, Dataset("x", (), []))
