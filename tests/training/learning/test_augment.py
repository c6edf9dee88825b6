import pytest
import torch

from runtime.errors import ParameterError
from training.learning.augment import Augmentation


@pytest.fixture
def power() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 10 ** (2 * torch.rand(16, 100, 224, generator=generator) - 4)


def test_off_by_default(power: torch.Tensor) -> None:
    assert Augmentation()(power) is power


def test_tilt_is_a_gain_per_band(power: torch.Tensor) -> None:
    change = 10 * (Augmentation(tilt=6.0)(power) / power).log10()
    assert change.std(dim=1).max() < 1e-4  # the same at all times
    assert change.std(dim=2).mean() > 3
    assert (change[:, 0, 1:] - change[:, 0, :-1]).abs().max() < 2  # slow over the bands


def test_noise_only_fills_up(power: torch.Tensor) -> None:
    quiet = power.clone()
    quiet[..., 100:] = 1e-10
    noisy = Augmentation(noise=1.0)(quiet)
    assert (noisy >= quiet).all()
    floor = 10 * (noisy[:, 0, 150] / quiet.amax(dim=(1, 2))).log10()
    assert floor.min() > -70.5
    assert floor.max() < -9.5
    untouched = Augmentation(noise=1e-9)(quiet)
    assert torch.equal(untouched, quiet)


def test_masks_hide_bands_and_frames(power: torch.Tensor) -> None:
    masked = Augmentation(mask=1.0)(power)
    changed = masked != power
    bands, frames = changed.all(dim=1).sum(dim=1), changed.all(dim=2).sum(dim=1)
    assert bands.min() >= 1
    assert bands.max() <= 24
    assert frames.min() >= 1
    assert frames.max() <= 24
    hidden = changed[0].all(dim=0).nonzero()[0, 0]
    level = power[0, :, hidden].mean()
    torch.testing.assert_close(masked[0, :, hidden], level.expand(100))  # also under the mask of frames


def test_the_device_of_the_batch() -> None:
    made = Augmentation(tilt=3, noise=0.5, mask=0.5)(torch.ones(4, 224, 224, device="meta"))
    assert made.device.type == "meta"


def test_seeded_by_torch(power: torch.Tensor) -> None:
    augment = Augmentation(tilt=3, noise=0.5, mask=0.5)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(power))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("options", [{"tilt": -1.0}, {"noise": 1.5}, {"mask": -0.1}])
def test_parameters_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(options))):
        Augmentation(**options)
