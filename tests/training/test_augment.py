import pytest
import torch

from runtime.errors import ParameterError
from training.augment import Augmentation


@pytest.fixture
def db() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 20 * torch.rand(16, 1, 224, 100, generator=generator) - 40


def test_off_by_default(db: torch.Tensor) -> None:
    assert Augmentation()(db) is db


def test_tilt_is_a_gain_per_band(db: torch.Tensor) -> None:
    change = Augmentation(tilt=6.0)(db) - db
    assert change.std(dim=3).max() < 1e-4  # the same at all times
    assert change.std(dim=2).mean() > 3
    assert (change[:, 0, 1:, 0] - change[:, 0, :-1, 0]).abs().max() < 2  # slow over the bands


def test_noise_only_fills_up(db: torch.Tensor) -> None:
    quiet = db.clone()
    quiet[:, :, 100:] = -100.0
    noisy = Augmentation(noise=1.0)(quiet)
    assert (noisy - quiet).min() > -1e-4
    floor = noisy[:, 0, 150, 0] - quiet.amax(dim=(1, 2, 3))
    assert floor.min() > -70.5
    assert floor.max() < -9.5
    untouched = Augmentation(noise=1e-9)(quiet)
    assert torch.allclose(untouched, quiet, atol=1e-3)


def test_masks_hide_bands_and_frames(db: torch.Tensor) -> None:
    masked = Augmentation(mask=1.0)(db)
    changed = (masked != db)[:, 0]
    bands, frames = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert bands.min() >= 1
    assert bands.max() <= 24
    assert frames.min() >= 1
    assert frames.max() <= 24
    hidden = changed[0].all(dim=1).nonzero()[0, 0]
    assert torch.unique(masked[0, 0, hidden]).numel() <= 2  # the mean, also under the mask of frames


def test_seeded_by_torch(db: torch.Tensor) -> None:
    augment = Augmentation(tilt=3, noise=0.5, mask=0.5)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(db))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("options", [{"tilt": -1.0}, {"noise": 1.5}, {"mask": -0.1}])
def test_parameters_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(options))):
        Augmentation(**options)
