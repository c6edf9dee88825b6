"""Corrections on the device: what is remembered of music that plays, learnt, kept and forgotten."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime.codec import STORED
from runtime.corrections import Corrections, Memory, encoded
from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError
from runtime.live import LiveClassifier
from runtime.mel import SAMPLE_RATE, melspectrogram
from runtime.model import Model
from runtime.segments import windows

RUMBA = DANCE_KEYS.index("rumba") * 22


@pytest.fixture(scope="module")
def model(teachable: Path) -> Model:
    return Model.load(teachable)


def segments(samples: np.ndarray) -> np.ndarray:
    return encoded(windows(melspectrogram(samples, sample_rate=SAMPLE_RATE)))


def test_memory_holds_the_segments_of_a_part(model: Model, band_tone: Callable[..., np.ndarray]) -> None:
    """Independently: the segments at those times, cut from the whole spectrogram."""
    memory = Memory(model)
    live = LiveClassifier(SAMPLE_RATE, model=memory.model)
    samples = np.concatenate([band_tone(30, 12.0), band_tone(150, 12.0)])
    for block in np.array_split(samples, 50):
        if prediction := live.push(block):
            memory.stamp(prediction.segment_times)
    kept = memory.between(13.0, 24.0)
    assert kept.shape == (4, 1, 224, 224)
    assert kept.dtype == np.uint8
    loudest = kept.astype(int).mean(axis=(0, 1, 3)).argmax()
    assert loudest == 150
    every = encoded(windows(melspectrogram(samples, sample_rate=SAMPLE_RATE), stride=43))
    assert all(any((np.abs(row.astype(int) - other) <= 1).all() for other in every) for row in kept)
    assert len(memory.between(100.0, 110.0)) == 0
    memory.forget()
    assert len(memory.between(0.0, 100.0)) == 0


def test_one_byte_a_value_changes_no_answer(model: Model, band_tone: Callable[..., np.ndarray]) -> None:
    power = windows(melspectrogram(band_tone(60) + 0.01 * band_tone(200), sample_rate=SAMPLE_RATE))
    kept = STORED.decode(encoded(power))
    assert np.abs(model.embed(kept) - model.embed(power)).max() < 0.02


def test_corrections_teach_and_are_forgotten(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path / "corrections")
    assert len(corrections) == 0
    assert corrections.learn(model) is None
    assert corrections.model(model) is model
    for i in range(8):
        corrections.add("tango", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        corrections.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    assert len(Corrections(corrections.folder)) == 16
    assert not list(corrections.folder.glob("*.wav"))
    teaching = corrections.learn(model)
    assert teaching is not None
    assert teaching.better
    learnt = corrections.model(model)
    test = windows(melspectrogram(band_tone(RUMBA + 3.5, 8.0), sample_rate=SAMPLE_RATE))
    assert DANCE_KEYS[int(model.run(test)[0].argmax())] == "rumba"
    assert DANCE_KEYS[int(learnt.run(test)[0].argmax())] == "tango"
    corrections.forget()
    assert not corrections.folder.exists()
    assert corrections.model(model) is model


def test_what_was_learnt_on_another_model_is_not_used(
    model: Model, tiny_model: Path, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    for i in range(8):
        corrections.add("tango", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        corrections.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    corrections.learn(model)
    assert corrections.learnt.exists()
    updated = Model.load(tiny_model)
    assert corrections.model(updated) is updated


def test_damaged_corrections_are_left_out(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    corrections.add("tango", segments(band_tone(30, 8.0)))
    (tmp_path / "000002.npz").write_bytes(b"no numbers")
    np.savez(tmp_path / "000003.npz", dance=np.array([object()], dtype=object))
    assert [x.dance for x in corrections.lessons(model)] == ["tango"]
    assert len(corrections) == 3


@pytest.mark.parametrize("dance", ["", "a/b", "a b"])
def test_what_is_no_dance_is_refused(tmp_path: Path, dance: str) -> None:
    with pytest.raises(ParameterError, match="dance"):
        Corrections(tmp_path).add(dance, np.zeros((1, 1, 224, 224), np.uint8))
    with pytest.raises(ParameterError, match="at least one segment"):
        Corrections(tmp_path).add("tango", np.zeros((0, 1, 224, 224), np.uint8))
