"""What networks see: images of mel power."""

import numpy as np
import pytest
import torch

from runtime.errors import ParameterError
from training.networks.inputs import BandImage, DecibelImage, Decibels, PoolBands, input_image
from training.networks.rhythmogram import Rhythmogram


def test_decibels_as_librosa_clips_them(power: torch.Tensor) -> None:
    librosa = pytest.importorskip("librosa")
    for segment, db in zip(power.numpy(), Decibels()(power).numpy(), strict=True):
        assert np.allclose(db, librosa.power_to_db(segment, top_db=80), atol=1e-4)


def test_thesis_image_has_unit_range_and_ignores_gain(power: torch.Tensor) -> None:
    image = DecibelImage(224)(power)
    assert image.amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1, 1])
    assert image.min() >= -1
    assert torch.allclose(DecibelImage(224)(power * 1000), image, atol=1e-4)


def test_band_image_cancels_any_equaliser(power: torch.Tensor) -> None:
    flat = power.clamp(min=float(power.max()) * 1e-5)  # the clipping at -80 dB is not linear
    gains = 10 ** torch.linspace(0, 2, 224)[None, None, :, None]
    assert torch.allclose(BandImage(56)(flat), BandImage(56)(flat * gains), atol=1e-3)
    image = BandImage(56)(power)
    assert image.shape == (3, 1, 56, 224)
    assert image.mean(dim=3).abs().max() < 1e-4
    assert image.std(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=0.01)


def test_silence_gives_finite_images() -> None:
    silence = torch.zeros(1, 1, 224, 224)
    for module in (DecibelImage(224), BandImage(28), Rhythmogram()):
        assert torch.isfinite(module(silence)).all()


@pytest.mark.parametrize("bands", [224, 112, 56, 28])
def test_pooling_is_the_mean_of_neighbours(bands: int) -> None:
    db = torch.randn(1, 1, 224, 5)
    pooled = PoolBands(bands)(db)
    assert torch.allclose(pooled[0, 0, 0], db[0, 0, : 224 // bands].mean(dim=0), atol=1e-6)
    assert pooled.shape == (1, 1, bands, 5)


def test_names_and_bands_are_checked() -> None:
    with pytest.raises(ParameterError, match="normalisation"):
        input_image("pcen", 224)
    with pytest.raises(ParameterError, match="bands"):
        input_image("db", 100)
