"""The fixtures keep their promises, so that tests which rely on them mean something."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.dances import DANCE_KEYS


@pytest.mark.parametrize("key", DANCE_KEYS)
def test_tiny_model_hears_the_tone_of_each_dance(tiny_model, tone, key):
    for sample_rate in (22_050, 48_000):
        prediction = runtime.Classifier(tiny_model).classify_samples(tone(key, 6.0, sample_rate), sample_rate)
        assert prediction.dance == key
        assert prediction.confidence > 0.8  # of six seconds; the scores themselves are surer
        assert max(prediction.segment_scores[0]) > 0.9
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-5)


def test_tiny_model_knows_nothing_in_silence(tiny_model):
    prediction = runtime.Classifier(tiny_model).classify_samples(np.zeros(6 * 22_050, np.float32), 22_050)
    assert prediction.verdict == "silence"
    model = runtime.Model.load(tiny_model)
    scores = model.run(np.zeros((1, 1, 224, 224), np.float32))[0]
    assert scores == pytest.approx([0.1] * 10 + [0.0], abs=1e-6)


def test_variants_abstain_and_leave_room_for_none_of_the_ten(make_tiny_model, tone):
    unsure = runtime.Classifier(make_tiny_model(reject_threshold="0.999"), aggregation="mean")
    prediction = unsure.classify_samples(tone("rumba"), 22_050)
    assert (prediction.dance, prediction.best) == (None, "rumba")
    eleven = runtime.Classifier(make_tiny_model(none_of_the_ten=True), aggregation="mean")
    assert eleven.classify_samples(tone("rumba"), 22_050).scores["other"] > 0.05


def test_tiny_model_as_the_shipped_one(shipped_tiny_model):
    assert isinstance(shipped_tiny_model, Path)
    assert runtime.Model.load().info.name == "tiny"
