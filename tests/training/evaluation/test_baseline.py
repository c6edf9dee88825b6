from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from training.data.manifest import Recording, of_split, read_manifest
from training.evaluation import baseline

RATE = 22_050
NAMES = list(baseline.FEATURE_NAMES)


def test_seventy_two_features_in_the_thesiss_numbers() -> None:
    assert len(NAMES) == len(set(NAMES)) == 72
    for part, n in {
        "zero crossing": 2,
        "chroma": 24,
        "centroid": 2,
        "bandwidth": 2,
        "roll-off": 2,
        "MFCC": 40,
    }.items():
        assert sum(part in name for name in NAMES) == n


def test_features_of_a_tone_are_what_they_are_called() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    found = dict(zip(NAMES, baseline.features(tone, RATE), strict=True))
    assert found["zero crossing rate mean"] == pytest.approx(2 * 440 / RATE, rel=0.05)
    assert found["spectral centroid mean"] == pytest.approx(440, rel=0.1)
    assert found["spectral roll-off mean"] == pytest.approx(440, rel=0.1)
    chroma = {name: value for name, value in found.items() if name.startswith("chroma") and "mean" in name}
    assert max(chroma, key=chroma.__getitem__) == "chroma A mean"
    resampled = dict(zip(NAMES, baseline.features(np.repeat(tone, 2), 2 * RATE), strict=True))
    assert resampled["spectral centroid mean"] == pytest.approx(440, rel=0.1)


def test_learns_separable_recordings(manifest: Path) -> None:
    recordings = read_manifest(manifest)
    train, table, failures = baseline.feature_table(of_split(recordings, "train"))
    assert (len(train), table.shape, failures) == (9, (9, 72), [])
    model = baseline.train(table, [r.dance for r in train])
    test, table, _ = baseline.feature_table(of_split(recordings, "test"))
    scores = baseline.scores(model, table, DANCE_KEYS)
    assert scores.shape == (3, 10)
    assert [DANCE_KEYS[k] for k in scores.argmax(axis=1)] == [r.dance for r in test]
    untrained = [i for i, key in enumerate(DANCE_KEYS) if key not in model.classes_]
    assert scores[:, untrained].max() < scores[:, [DANCE_KEYS.index(c) for c in model.classes_]].min()


def test_two_classes_are_enough_and_one_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.normal(0, 1, (5, 72)), rng.normal(4, 1, (5, 72))])
    model = baseline.train(table, ["tango"] * 5 + ["jive"] * 5)
    scores = baseline.scores(model, table, DANCE_KEYS)
    assert [DANCE_KEYS[k] for k in scores.argmax(axis=1)] == ["tango"] * 5 + ["jive"] * 5
    with pytest.raises(WhichdanceError, match="two dances"):
        baseline.train(table[:5], ["tango"] * 5)


def test_unreadable_recordings_are_reported(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no music")
    read, table, failures = baseline.feature_table([Recording(tmp_path / "x.wav", "jive")])
    assert (read, table.shape) == ([], (0, 72))
    assert "x.wav" in failures[0]


def test_one_strange_file_aborts_nothing(tmp_path: Path, manifest: Path) -> None:
    recordings = read_manifest(manifest)[:2]
    samples = np.zeros(3 * RATE, np.float32)
    for name, changed in (("silent", samples), ("nan", samples + np.float32(np.nan)), ("one", samples[:1])):
        soundfile.write(tmp_path / f"{name}.wav", changed, RATE, subtype="FLOAT")
    strange = [Recording(tmp_path / f"{name}.wav", "jive") for name in ("silent", "nan", "one", "gone")]
    read, table, failures = baseline.feature_table([*strange, *recordings])
    assert set(recordings) <= set(read)
    assert np.isfinite(table).all()
    assert len(read) + len(failures) == 6
    assert {"nan.wav", "gone.wav"} <= {f.split(":")[0].rsplit("/")[-1] for f in failures}
