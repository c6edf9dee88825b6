from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from runtime.errors import ParameterError, WhichdanceError
from training.data.manifest import Recording
from training.data.store import Store, Stored
from training.learning.sampler import Batches, resample, shares_of

LABELS = ("rumba", "quickstep", "viennese_waltz")


def test_classes_are_uniform_whatever_their_size(splits: dict[str, list[Stored]]) -> None:
    unbalanced = [s for s in splits["train"] if s.recording.dance != "rumba"] + splits["train"][:1]
    assert Counter(s.recording.dance for s in unbalanced)["rumba"] == 1
    batches = Batches(unbalanced, LABELS, batch_size=100)
    counts = np.bincount(torch.cat([batches[i][1] for i in range(6)]).numpy())
    assert counts.sum() == 600
    assert np.abs(counts - 200).max() < 5 * np.sqrt(600 * 2 / 9)


def test_shares_are_kept_and_told(splits: dict[str, list[Stored]]) -> None:
    batches = Batches(splits["train"], ("tango", *LABELS), batch_size=100, shares="quickstep=0.7")
    counts = np.bincount(torch.cat([batches[i][1] for i in range(10)]).numpy(), minlength=4)
    share = np.array([0, 0.15, 0.7, 0.15])  # of tango there is no recording
    assert np.abs(counts - 1000 * share).max() < 5 * np.sqrt(1000 * 0.7 * 0.3)
    # Bayes: what the posterior of equal shares times these is in proportion to
    np.testing.assert_allclose(batches.log_shares[1:].exp() / 3, share[1:], rtol=1e-6)
    assert not Batches(splits["train"], LABELS).log_shares.any()


def test_shares_of_groups_and_of_what_is_left() -> None:
    labels = ("rumba", "tango", "salsa", "bachata", "other")
    share = shares_of("standard=0.3, latin=0.2,other=0.4", labels)
    np.testing.assert_allclose(share, [0.2, 0.3, 0.05, 0.05, 0.4])
    np.testing.assert_allclose(shares_of("social=0.3,ten=0.4,other=.3", labels), [0.2, 0.2, 0.15, 0.15, 0.3])
    np.testing.assert_allclose(shares_of("", labels), 0.2)
    for text, problem in {
        "ten=0.5,rumba=0.1": "'rumba' is given twice",
        "waltz=0.5": "'waltz' is none of the classes rumba",
        "other=1.5": "at most 1",
        "other=": "above 0",
        "other=nan": "above 0",
        "ten=0.6,other=0.4": "leaves 0 for salsa, bachata",
        "ten=0.5,social=0.2,other=0.2": "does not sum to 1",
    }.items():
        with pytest.raises(ParameterError, match=problem):
            shares_of(text, labels)


def test_segments_come_from_recordings_of_the_class(splits: dict[str, list[Stored]]) -> None:
    images, targets = Batches(splits["train"], LABELS, batch_size=16, seed=3)[0]
    assert images.shape == (16, 224, 224)
    assert images.dtype == torch.uint8
    for image, target in zip(images.numpy(), targets.tolist(), strict=True):
        candidates = [s.codes() for s in splits["train"] if s.recording.dance == LABELS[target]]
        windows = (np.lib.stride_tricks.sliding_window_view(c, 224, axis=0) for c in candidates)
        assert any((w == image.T).all(axis=(1, 2)).any() for w in windows)


def test_every_start_can_be_drawn(splits: dict[str, list[Stored]]) -> None:
    one = [s for s in splits["train"] if s.recording.dance == "rumba"][:1]
    trimmed = Stored(one[0].recording, one[0].file, 0, 226)  # segments can start at 0, 1 and 2
    images, _ = Batches([trimmed], LABELS, batch_size=64)[0]
    starts = {
        start
        for image in images.numpy()
        for start in range(3)
        if (trimmed.codes()[start : start + 224] == image).all()
    }
    assert starts == {0, 1, 2}


def test_batches_depend_on_seed_rank_and_number_alone(splits: dict[str, list[Stored]]) -> None:
    def batch(number: int, **options: int) -> bytes:
        return Batches(splits["train"], LABELS, **options)[number][0].numpy().tobytes()

    assert batch(5) == batch(5)
    assert len({batch(5), batch(6), batch(5, seed=1), batch(5, rank=1)}) == 4


def test_number_of_workers_changes_nothing(splits: dict[str, list[Stored]]) -> None:
    batches = Batches(splits["train"], LABELS, stretch=0.05)
    alone = list(DataLoader(batches, batch_size=None, sampler=range(3, 9), num_workers=0))
    two = list(DataLoader(batches, batch_size=None, sampler=range(3, 9), num_workers=2))
    assert len(alone) == 6
    for (a, b), (c, d) in zip(alone, two, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_labels_that_the_network_does_not_know_are_left_out(splits: dict[str, list[Stored]]) -> None:
    _, targets = Batches(splits["train"], ("rumba", "tango"), batch_size=50)[0]
    assert set(targets.tolist()) == {0}
    with pytest.raises(WhichdanceError, match="no recording"):
        Batches(splits["train"], ("tango",))


def test_resampling_keeps_ends_and_levels() -> None:
    codes = np.repeat(np.linspace(10, 200, 230).round().astype(np.uint8)[:, None], 224, axis=1)
    stretched = resample(codes, 224)
    assert stretched.shape == (224, 224)
    assert (stretched[0], stretched[-1]) == (pytest.approx(codes[0]), pytest.approx(codes[-1]))
    assert (np.diff(stretched[:, 0].astype(int)) >= 0).all()


def test_parameters_are_checked(splits: dict[str, list[Stored]]) -> None:
    with pytest.raises(ParameterError, match="batch_size"):
        Batches(splits["train"], LABELS, batch_size=0)
    with pytest.raises(ParameterError, match="stretch"):
        Batches(splits["train"], LABELS, stretch=0.9)


def test_digital_silence_is_not_trained_on(tmp_path: Path, write_clicks: Callable[..., None]) -> None:
    write_clicks(tmp_path / "a.wav", "rumba", seconds=12)
    samples, rate = soundfile.read(tmp_path / "a.wav")
    samples[: 8 * rate] = 0
    soundfile.write(tmp_path / "late.wav", samples, rate)
    soundfile.write(tmp_path / "silent.wav", 0 * samples, rate)
    recordings = [Recording(tmp_path / f"{name}.wav", "rumba") for name in ("late", "silent")]
    collection = Store(tmp_path / "store").collect(recordings)
    [late], [silent] = collection.stored, collection.silent
    images, _ = Batches([late, silent], LABELS, batch_size=64)[0]
    assert images.flatten(1).any(dim=1).all()
    with pytest.raises(WhichdanceError, match=r"all digital silence.*silent\.wav"):
        Batches([silent], LABELS)[0]
