import re

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import binomtest

from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from training.data.collections import COLLECTED
from training.evaluation.calibrate import calibrate, log_prior, shares_of, threshold_for
from training.evaluation.metrics import expected_calibration_error
from training.evaluation.scoring import calibrated_runner, network_runner
from training.networks.models import build


def overconfident(n=3_000, sharpness=3.0, seed=0):
    """Scores whose true posterior is softmax(z), stated as softmax(sharpness·z): the fit must find it."""
    rng = np.random.default_rng(seed)
    z = 3 * rng.standard_normal((n, 11))
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
    assert 0.03 < 1 - right[accepted].mean() < 0.1
    dances = np.array([t in DANCE_KEYS for t in truth])
    assert calibration.coverage == pytest.approx(accepted[dances].mean())


def test_a_network_of_ten_classes_takes_other_music_for_errors():
    scores, truth = overconfident()
    ten = [s[:, :10] / s[:, :10].sum() for s in scores]
    assert calibrate(ten, truth).reject_threshold > calibrate(scores, truth).reject_threshold


def test_threshold_by_hand():
    """36 right answers bound the error by 1 - 0.025^(1/36) = 9.7 %, 35 by 10.0006 %."""
    confidence = np.linspace(0.9, 0.5, 160)
    right = np.arange(160) < 44
    assert threshold_for(confidence[:36], np.full(36, True), 0.1) == confidence[35]
    # A quarter of 160 is 40. With one wrong at place 45, Clopper and Pearson need more than 50.
    assert threshold_for(confidence, right, 0.1) == confidence[43]
    one_wrong = [binomtest(1, n).proportion_ci(0.95).high for n in (45, 53, 54)]  # 2.5 % on either side
    assert one_wrong[0] > one_wrong[1] > 0.1 > one_wrong[2]
    late = np.arange(160) != 44
    late[60:] = False  # one wrong: the chains from a quarter and below stop there, though 54 would do
    assert threshold_for(confidence, late, 0.1) == confidence[43]
    early = np.arange(160) != 0
    early[82:] = False  # the half's chain begins where one wrong is few enough
    limits = [binomtest(n - 81, n).proportion_ci(0.95).high for n in (83, 84)]
    assert limits[0] < 0.1 < limits[1]
    assert threshold_for(confidence, early, 0.1) == confidence[82]


def test_equal_confidences_are_accepted_together():
    confidence = np.repeat([0.9, 0.8], [40, 40])
    right = np.repeat([True, False], [40, 40])
    assert threshold_for(confidence, right, 0.1) == 0.9
    with pytest.raises(
        WhichdanceError, match="80 recordings, 40 of them right, are too often wrong; give more"
    ):
        threshold_for(np.full(80, 0.9), right, 0.1)


@pytest.mark.parametrize("n", [1, 35])
def test_too_few_recordings_are_refused_with_words(n):
    with pytest.raises(WhichdanceError, match=rf"{n} recordings, {n} of them right.* at least 36"):
        threshold_for(np.linspace(0.9, 0.8, n), np.full(n, True), 0.1)


def test_bound_holds_with_the_stated_probability():
    """Of 300 calibrations on 200 recordings each, at most a tenth let more than the bound through."""
    rng = np.random.default_rng(1)
    broken = chosen = 0
    for _ in range(300):
        confidence = rng.uniform(0.2, 1, 200)
        right = rng.random(200) < confidence
        try:
            threshold = threshold_for(confidence, right, 0.15)
        except WhichdanceError:  # no threshold, no error
            continue
        chosen += 1
        broken += (1 - threshold) / 2 > 0.15  # mean error above the threshold, confidence being even
    assert broken / 300 <= 0.1
    assert chosen > 50


def test_few_recordings_have_a_temperature_but_no_threshold():
    """The temperature is that of the same scores where a threshold can be proved."""
    scores, truth = overconfident(n=30)
    found = calibrate(scores, truth)
    assert found.reject_threshold is None
    assert "30 recordings" in found.unproved
    assert found.coverage == 1.0
    assert found.temperature == calibrate(scores, truth, max_error=0.9).temperature
    assert calibrate(*overconfident()).unproved == ""


@pytest.mark.parametrize("n", [12, 24, 60])
def test_what_is_said_of_recordings_was_not_fitted_to_them(n):
    """Independently: each recording is judged at the temperature of a fit without it, by brute force."""
    scores, truth = overconfident(n=n, sharpness=4.0, seed=n)
    calibration = calibrate(scores, truth)
    target = np.array([(*DANCE_KEYS, "other").index(t) for t in truth])
    places = np.empty(n, int)
    places[np.argsort(target, kind="stable")] = np.arange(n) % 5
    confidence, right = np.empty(n), np.empty(n, bool)
    for part in range(5):
        rest = [i for i in range(n) if places[i] != part]
        without = calibrate([scores[i] for i in rest], [truth[i] for i in rest]).temperature
        for i in np.flatnonzero(places == part):
            ten = softmax(np.log(scores[i][0]) / without)[:10]
            confidence[i], right[i] = ten.max(), ten.argmax() == target[i]
    assert calibration.calibration_error == pytest.approx(
        expected_calibration_error(confidence, right), abs=1e-3
    )


@pytest.mark.parametrize("n", [5, 20, 35, 36, 39, 100])
def test_who_gave_enough_is_not_asked_for_fewer(n):
    rng = np.random.default_rng(n)
    with pytest.raises(WhichdanceError) as caught:
        threshold_for(rng.random(n), np.arange(n) % 3 > 0)  # every third is wrong
    asked = re.search(r"give at least (\d+)", str(caught.value))
    assert asked is None or int(asked[1]) > n
    assert (asked is not None) == (n < 36)


def test_other_classes_than_the_ten():
    labels = ("samba", "bachata", "other")
    scores = [np.full((2, 3), 0.01) + np.eye(3)[i % 3] * 0.97 for i in range(90)]
    truth = [("samba", "bachata", "zouk")[i % 3] for i in range(90)]
    calibration = calibrate(scores, truth, labels=labels)
    assert calibration.recordings == 90
    assert calibration.coverage == 1.0
    assert calibration.reject_threshold > 0.5  # where only 'other' is sure, no dance is


def test_prior_of_a_network_without_all_of_the_ten():
    shares = shares_of("collected", ("tango", "bachata", "other"))
    assert shares[1:] == (1, 1)
    assert shares[0] == pytest.approx(COLLECTED[8] / np.mean(COLLECTED))
    assert shares_of("uniform", DANCE_KEYS) == (1,) * 10


def test_at_a_ballroom_party_two_of_three_are_of_the_ten():
    named = (*DANCE_KEYS, *(f"social_{i}" for i in range(10)))
    shares = np.array(shares_of("ballroom", (*named, "other")))
    assert shares[:10].sum() / shares[:20].sum() == pytest.approx(2 / 3)
    assert shares[-1] == 1


@pytest.mark.parametrize("architecture", ["squeezenet1_1", "mobilenet_v3_small", "tempo+rhythmogram"])
def test_prior_is_bayes_rule_for_every_architecture(architecture):
    torch.manual_seed(0)
    network = build(architecture, classes=11).eval()
    power = np.random.default_rng(0).random((4, 1, 224, 224)).astype(np.float32)
    shares = shares_of("collected", (*DANCE_KEYS, "other"))
    calibration = {"temperature": 1.6, "log_prior": log_prior(shares, 1.6)}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    uniform = network_runner(network, temperature=1.6)(power)
    shifted = calibrated_runner(network, calibration)(power)
    expected = uniform * np.array(
        [*(np.array(COLLECTED) / np.mean(COLLECTED)), 1.0]
    )  # 'other' keeps its share
    np.testing.assert_allclose(shifted, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_prior_changes_the_threshold_and_not_the_temperature():
    rng = np.random.default_rng(3)
    truth = np.repeat(np.arange(3), 120)
    logits = rng.normal(0, 1.5, (360, 4, 3)) + 2 * np.eye(3)[truth][:, None]
    scores = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    labels = ("samba", "bachata", "other")
    plain, weighed = (
        calibrate(list(scores), [labels[t] for t in truth], labels=labels, shares=shares)
        for shares in (None, (2.0, 1.0, 1.0))
    )
    assert plain.temperature == weighed.temperature
    assert plain.reject_threshold != weighed.reject_threshold


def test_collections_are_those_of_the_thesis():
    assert sum(COLLECTED) == 4_658 + 4_110  # the rows of table 4.1; its own total says 4 655
    assert COLLECTED[DANCE_KEYS.index("paso_doble")] == min(COLLECTED)


def test_prior_that_cannot_be():
    with pytest.raises(ParameterError, match="prior must be one of"):
        shares_of("mine", DANCE_KEYS)


def test_nothing_to_calibrate_on():
    with pytest.raises(WhichdanceError, match="model's dances"):
        calibrate([np.ones((1, 10)) / 10], ["other"])
    with pytest.raises(ParameterError, match="max_error"):
        calibrate(*overconfident(5), max_error=0)
