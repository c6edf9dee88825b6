"""librosa does the same work as ours: else a comparison of times would be worth nothing."""

import numpy as np

from benchmarks import frontend, sounds
from runtime import mel


def test_librosa_computes_the_same_spectrogram() -> None:
    samples = sounds.music(6, 22_050)[:, 0].copy()
    ours = mel.melspectrogram(samples)
    theirs = frontend.librosa_mel(samples, 22_050).T
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * theirs.max())


def test_literal_lengths_are_those_of_the_thesis() -> None:
    assert frontend.literal_lengths(22_050) == (2048, 512)
    assert frontend.literal_lengths(48_000) == (4458, 1115)
