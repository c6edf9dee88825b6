"""Segments of manifests and of stored spectrograms."""

from pathlib import Path

import numpy as np
import pytest

from export import segments
from runtime import audio, mel
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError


def test_segments_of_a_manifest_are_the_runtimes(corpus: Path) -> None:
    found = segments.read(str(corpus), split="test", n_wanted=22, segment_frames=224)
    assert found.mel.shape == (22, 1, 224, 224)
    assert found.mel.dtype == np.float32
    assert sorted(found.labels.tolist()) == sorted([*range(-1, 10)] * 2)
    samples, sample_rate = audio.read(corpus.parent / f"{11 + 3}.wav")
    frames = mel.melspectrogram(samples, sample_rate=sample_rate)
    ours = found.mel[list(found.labels).index(3), 0].T
    assert any(np.array_equal(frames[i : i + 224], ours) for i in range(len(frames) - 223))


def test_splits_can_be_named(corpus: Path) -> None:
    n = {
        suffix: len(segments.read(f"{corpus}{suffix}", split="test", n_wanted=100, segment_frames=300))
        for suffix in ("", "@test", "@validation", "@all")
    }
    assert n[""] == n["@test"] == n["@validation"] == n["@all"] / 2
    few = segments.read(f"{corpus}@all", split="test", n_wanted=4, segment_frames=224)
    assert len(set(few.labels.tolist())) == len(few) == 4
    with pytest.raises(WhichdanceError, match="@all"):
        segments.read(f"{corpus}@train", split="test", n_wanted=4, segment_frames=224)


def test_stored_spectrograms(tmp_path: Path) -> None:
    mel_db = np.full((2, 3, 224, 230), 160, np.uint8)  # -20 dB
    path = tmp_path / "real.npz"
    np.savez(path, mel_db=mel_db, labels=["tango", "other:salsa"])
    found = segments.read(str(path), split="test", n_wanted=13, segment_frames=224)
    assert found.labels.tolist() == [DANCE_KEYS.index("tango")] * 3 + [-1] * 3
    np.testing.assert_allclose(found.mel, 0.01, rtol=1e-5)


def test_other_music_does_not_crowd_out_the_dances(tmp_path: Path) -> None:
    """`python -m training corpus` makes corpora of twice as many dances as the thesis's model has."""
    mel_db = np.full((26, 1, 224, 2240), 160, np.uint8)
    path = tmp_path / "corpus.npz"
    np.savez(path, mel_db=mel_db, labels=["tango", "jive"] * 3 + ["salsa", "bachata"] * 10)
    found = segments.read(str(path), split="test", n_wanted=130, segment_frames=224)
    assert 100 <= found.labelled.sum() <= 106
    assert 30 <= (~found.labelled).sum() <= 40
    social = (*DANCE_KEYS, "salsa", "bachata")
    named = segments.read(str(path), split="test", n_wanted=130, segment_frames=224, dances=social)
    assert named.labelled.all()
    assert np.bincount(named.labels).tolist() == [0, 15, *[0] * 6, 15, 0, 50, 50]
    alone = segments.read(f"{path}", split="test", n_wanted=26, segment_frames=224, dances=["polka"])
    assert len(alone) == 26
    assert not alone.labelled.any()


@pytest.mark.parametrize("shape", [(2, 3, 128, 300), (2, 3, 224, 100), (2, 224, 300)])
def test_stored_spectrograms_of_a_wrong_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "real.npz"
    np.savez(path, mel_db=np.zeros(shape, np.uint8), labels=["tango", "jive"])
    with pytest.raises(WhichdanceError, match=r"real\.npz"):
        segments.read(str(path), split="test", n_wanted=6, segment_frames=224)


def test_recordings_that_are_too_short(corpus: Path) -> None:
    with pytest.raises(WhichdanceError, match="as long as a segment"):
        segments.read(str(corpus), split="test", n_wanted=6, segment_frames=2000)


def test_reports_name_no_folders_of_this_machine(tmp_path: Path) -> None:
    assert segments.brief(str(tmp_path / "a" / "b.csv")) == "a/b.csv"
    assert segments.brief("corpora/a/b.csv") == "corpora/a/b.csv"
    assert segments.brief("--int8") == "--int8"
