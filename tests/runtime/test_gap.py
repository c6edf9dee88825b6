"""Sound that is missing: what was heard still counts, and no segment spans the gap."""

from pathlib import Path

import pytest

from runtime import LiveClassifier
from runtime.mel import FRAME_RATE
from tests.conftest import ToneMaker

SEGMENT = 224 / FRAME_RATE


def test_no_segment_spans_a_gap(tiny_model: Path, tone: ToneMaker) -> None:
    live = LiveClassifier(22_050, model=tiny_model, stride=43)
    first = live.push(tone("jive", 7.0))
    live.gap(10.0)
    prediction = live.push(tone("tango", 7.0))
    assert first is not None
    assert prediction is not None
    assert max(first.segment_times) + SEGMENT <= 7.1
    assert min(prediction.segment_times) == pytest.approx(17.0, abs=0.05)
    assert prediction.duration == pytest.approx(24.0, abs=0.01)
    # Every segment heard one tone only: had one spanned the gap, it would be undecided.
    assert prediction.segment_scores.max(axis=1).min() > 0.9


def test_another_microphone_takes_over(tiny_model: Path, tone: ToneMaker) -> None:
    live = LiveClassifier(44_100, model=tiny_model, stride=43)
    first = live.push(tone("samba", 8.0, 44_100))
    live.gap(sample_rate=48_000)
    second = live.push(tone("samba", 8.0, 48_000))
    assert first is not None
    assert second is not None
    assert second.best == "samba"
    assert len(second.segment_times) == len(first.segment_times)
    assert second.duration == pytest.approx(16.0, abs=0.01)
