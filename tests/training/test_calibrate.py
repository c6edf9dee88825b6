import numpy as np
import pytest
import torch
from scipy.special import softmax

from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from training.calibrate import calibrate, fold_prior, threshold_for
from training.data.collections import COLLECTED
from training.models import build


def overconfident(n=3_000, sharpness=3.0, seed=0):
    """Scores whose true posterior is softmax(z), stated as softmax(sharpness·z): the fit must find it."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.standard_normal((n, 11))
    posterior = softmax(z, axis=1)
    truth = [(*DANCE_KEYS, "other")[rng.choice(11, p=p)] for p in posterior]
    return [s[None] for s in softmax(sharpness * z, axis=1)], truth


def test_finds_the_temperature_that_was_put_in():
    scores, truth = overconfident(sharpness=3.0)
    calibration = calibrate(scores, truth)
    assert calibration.temperature == pytest.approx(3.0, rel=0.1)
    assert calibration.calibration_error < 0.03 < calibration.calibration_error_before


def test_threshold_keeps_the_error_among_accepted():
    scores, truth = overconfident()
    calibration = calibrate(scores, truth, max_error=0.1)
    mean = np.stack([softmax(np.log(s[0]) / calibration.temperature) for s in scores])[:, :10]
    accepted = mean.max(axis=1) >= calibration.reject_threshold
    right = np.array([DANCE_KEYS[i] == t for i, t in zip(mean.argmax(axis=1), truth, strict=True)])
    assert 0.08 < 1 - right[accepted].mean() <= 0.1 + 1e-9
    dances = np.array([t in DANCE_KEYS for t in truth])
    assert calibration.coverage == pytest.approx(accepted[dances].mean())


def test_a_network_of_ten_classes_takes_other_music_for_errors():
    scores, truth = overconfident()
    ten = [s[:, :10] / s[:, :10].sum() for s in scores]
    assert calibrate(ten, truth).reject_threshold > calibrate(scores, truth).reject_threshold


def test_threshold():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    assert threshold_for(confidence, np.array([True, True, True, False]), 0.2) == 0.7
    assert threshold_for(confidence, np.array([True, False, True, True]), 0.25) == 0.6
    assert threshold_for(confidence, np.array([False, True, True, True]), 0.1) == 1.0


def test_prior_is_bayes_rule():
    torch.manual_seed(0)
    network = build("rhythmogram", classes=11, branches=("mlp",)).eval()
    power = torch.rand(4, 1, 224, 224)
    with torch.inference_mode():
        uniform = network(power).softmax(dim=1)
        fold_prior(network, "collected")
        shifted = network(power).softmax(dim=1)
    expected = uniform * torch.tensor([*(np.array(COLLECTED) / np.mean(COLLECTED)), 1.0], dtype=torch.float32)
    torch.testing.assert_close(shifted, expected / expected.sum(dim=1, keepdim=True), atol=1e-6, rtol=1e-4)


def test_collections_are_those_of_the_thesis():
    assert sum(COLLECTED) == 4_658 + 4_110  # the rows of table 4.1; its own total says 4 655
    assert COLLECTED[DANCE_KEYS.index("paso_doble")] == min(COLLECTED)


def test_prior_that_cannot_be():
    with pytest.raises(ParameterError, match="prior must be one of"):
        fold_prior(build("rhythmogram", branches=("mlp",)), "mine")
    with pytest.raises(ParameterError, match="last layer"):
        fold_prior(build("squeezenet1_1"), "collected")


def test_nothing_to_calibrate_on():
    with pytest.raises(WhichdanceError, match="ten dances"):
        calibrate([np.ones((1, 10)) / 10], ["other"])
    with pytest.raises(ParameterError, match="max_error"):
        calibrate(*overconfident(5), max_error=0)
