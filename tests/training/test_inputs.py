import numpy as np
import pytest
import torch

from runtime.errors import ParameterError
from training.data.store import Stored, decode
from training.inputs import BandImage, DecibelImage, Decibels, PoolBands, input_image
from training.rhythmogram import LONGEST_LAG, RhythmNet, Rhythmogram, log_spaced_lags


@pytest.fixture(scope="module")
def power(stored: tuple[Stored, ...]) -> torch.Tensor:
    """Segments of mel power, shape (3, 1, 224, 224)."""
    return torch.from_numpy(np.stack([decode(s.codes())[:224].T[None] for s in stored[::5]]))


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
    with pytest.raises(ParameterError, match="branches"):
        RhythmNet(branches=("tempo",))


def direct_rhythmogram(power: np.ndarray) -> np.ndarray:
    """The rhythmogram of one segment by its definition, autocorrelations in the time domain."""
    db = 10 * np.log10(np.maximum(power[0].astype(np.float64), 1e-10))
    db = np.maximum(db, db.max() - 80)
    rise = np.maximum(np.diff(db, axis=1), 0).reshape(28, 8, -1).mean(axis=1)
    rise = np.concatenate([np.zeros((28, 1)), rise], axis=1)
    rise -= rise.mean(axis=1, keepdims=True)
    n = rise.shape[1]
    lags = np.arange(int(LONGEST_LAG) + 2)
    acf = np.array([[row[: n - lag] @ row[lag:] for lag in lags] for row in rise])
    scaled = acf / (acf[:, :1] + 0.1 * acf[:, :1].mean() + 1e-3) / np.maximum(1 - lags / n, 0.25)
    return 3 * np.array([np.interp(log_spaced_lags(), lags, row) for row in scaled])


def test_rhythmogram_is_its_definition(power: torch.Tensor) -> None:
    found = Rhythmogram()(power).numpy()
    assert found.shape == (3, 1, 28, 224)
    for segment, image in zip(power.numpy(), found, strict=True):
        assert np.abs(image[0] - direct_rhythmogram(segment)).max() < 2e-3


def test_rhythmogram_shows_the_tempo(power: torch.Tensor, stored: tuple[Stored, ...]) -> None:
    lags = log_spaced_lags()
    beat = {"rumba": 100, "quickstep": 200, "viennese_waltz": 175}
    for image, recording in zip(Rhythmogram()(power).numpy(), stored[::5], strict=True):
        profile = image[0].mean(axis=0)
        period = 60 / beat[recording.recording.dance] * 22_050 / 512
        near = (lags > 0.9 * period) & (lags < 1.1 * period)
        between = (lags > 0.4 * period) & (lags < 0.6 * period)
        assert profile[near].max() > 0.5
        assert profile[near].max() > 2 * profile[between].max()


@pytest.mark.parametrize("branches", [("acf",), ("mel",), ("acf", "mel")])
def test_rhythm_net(branches: tuple[str, ...], power: torch.Tensor) -> None:
    network = RhythmNet(classes=11, branches=branches, width=0.5).eval()
    with torch.no_grad():
        assert network(power).shape == (3, 11)
        assert torch.allclose(network(power), network(100 * power), atol=1e-3)  # the level is no dance
    assert len(network.description.split(";")) == len(branches)
    assert not any("cosines" in key for key in network.state_dict())  # what can be computed is not stored


def test_rhythm_net_is_small_enough_for_a_phone() -> None:
    for options in ({"branches": ("acf",)}, {"branches": ("acf", "mel"), "width": 0.75}):
        network = RhythmNet(classes=11, **options)
        assert 4 * sum(p.numel() for p in [*network.parameters(), *network.buffers()]) < 8e6
