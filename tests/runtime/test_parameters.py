"""Whatever is given that is no number, no sound or no place: an error in words, of our own family."""

import datetime
import decimal
import json

import numpy as np
import pytest
import torch

from runtime import AudioError, Classifier, LiveClassifier, ParameterError


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return Classifier(tiny_model)


@pytest.mark.parametrize("rate", [np.float32(22_050), np.int32(22_050), 22_050.0, decimal.Decimal(22_050)])
def test_a_rate_of_any_numeric_type_gives_plain_numbers(classifier, tone, rate):
    content = classifier.classify_samples(tone("tango", 7.0), rate).to_dict()
    assert json.loads(json.dumps(content))["duration"] == 7.0
    assert type(content["duration"]) is float


@pytest.mark.parametrize("rate", [None, "22050", b"22050", True, [22_050], 22_050.5, np.nan, np.inf, 1j])
def test_what_is_no_rate(classifier, tiny_model, rate):
    live = LiveClassifier(22_050, model=tiny_model)
    for attempt in (
        lambda: classifier.classify_samples(np.zeros(200_000), rate),
        lambda: LiveClassifier(rate, model=tiny_model),
        *([lambda: live.gap(1, sample_rate=rate)] if rate is not None else []),
    ):
        with pytest.raises(ParameterError, match="sample_rate must be a"):
            attempt()


@pytest.mark.parametrize(
    "samples",
    [
        ["1", "2"],
        [0.5, "0.5"],
        np.zeros(9, "datetime64[s]"),
        [datetime.datetime(2026, 1, 1)] * 3,
        np.zeros(9, complex),
        "0101",
        [[0.0], [0.0, 1.0]],
        torch.zeros(9, requires_grad=True),
        {"a": 1},
        None,
    ],
    ids=lambda samples: type(samples).__name__,
)
def test_what_are_no_samples(classifier, tiny_model, samples):
    with pytest.raises(ParameterError, match="samples must be"):
        classifier.classify_samples(samples, 22_050)
    with pytest.raises(ParameterError, match="samples must be"):
        LiveClassifier(22_050, model=tiny_model).push(samples)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": np.nan}, {"stride": "200"}, {"stride": None}, {"stride": 1.5},
        {"threads": "two"}, {"threads": 0}, {"min_confidence": "0.5"}, {"min_confidence": np.nan},
        {"excerpt": ("0:20", None)}, {"excerpt": (0, np.nan)}, {"excerpt": None}, {"excerpt": (0, 9, 9)},
    ],
    ids=str,
)  # fmt: skip
def test_what_are_no_options(tiny_model, options):
    (name,) = options
    with pytest.raises(ParameterError, match=name):
        Classifier(tiny_model, **options)


@pytest.mark.parametrize("seconds", [-5, np.nan, np.inf, "5", None])
def test_a_gap_takes_time(tiny_model, seconds):
    live = LiveClassifier(22_050, model=tiny_model)
    with pytest.raises(ParameterError, match="seconds must be"):
        live.gap(seconds)
    assert live.seconds == 0


def test_what_is_no_recording(tmp_path, classifier):
    (tmp_path / "a.wav").write_bytes(bytes(range(256)))
    with open(tmp_path / "a.wav") as text, pytest.raises(AudioError, match="in binary mode"):
        classifier.classify(text)
    for source in ("", None, 7, ["a.wav"], np.zeros(9)):
        with pytest.raises(AudioError, match="a recording is"):
            classifier.classify(source)
    closed = open(tmp_path / "a.wav", "rb")  # noqa: SIM115
    closed.close()
    with pytest.raises(AudioError, match="cannot be read"):
        classifier.classify(closed)
