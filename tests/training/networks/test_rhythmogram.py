"""The rhythmogram against its definition, and the small network that looks at it."""

import numpy as np
import pytest
import torch

from runtime.errors import ParameterError
from training.data.store import Stored
from training.networks.rhythmogram import LONGEST_LAG, RhythmNet, Rhythmogram, _Residual, log_spaced_lags


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


def test_parameters_are_checked() -> None:
    with pytest.raises(ParameterError, match="branches"):
        RhythmNet(branches=("tempo",))
    with pytest.raises(ParameterError, match="at least 160"):
        Rhythmogram(159)


@pytest.mark.parametrize("frames", [160, 224, 448])
def test_rhythmogram_of_segments_of_any_length_from_160(frames: int) -> None:
    rng = np.random.default_rng(0)
    power = rng.exponential(size=(1, 1, 224, frames)).astype(np.float32)
    for longest in {frames, 672}:
        image = Rhythmogram(longest)(torch.from_numpy(power)).numpy()
        assert np.abs(image[0, 0] - direct_rhythmogram(power[0])).max() < 2e-3


def test_the_perceptron_sees_the_lags_where_they_are() -> None:
    network = RhythmNet(branches=("mlp",)).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 1, 224, 224)).shape == (2, 10)


@pytest.mark.parametrize("branches", [("acf",), ("acf", "mel")])
def test_a_dense_trunk_takes_segments_of_several_lengths(branches: tuple[str, ...]) -> None:
    network = RhythmNet(classes=5, branches=branches, trunk="dense", width=0.5, segment_frames=672).eval()
    with torch.no_grad():
        for frames in (224, 448, 672):
            assert network(torch.rand(2, 1, 224, frames)).shape == (2, 5)
    with pytest.raises(ParameterError, match="trunk"):
        RhythmNet(trunk="oak")


def test_logits_are_the_mean_of_the_branches_apart() -> None:
    torch.manual_seed(0)
    network = RhythmNet(classes=5, branches=("acf", "mel"), trunk="dense", width=0.5).eval()
    power = torch.rand(3, 1, 224, 224)
    with torch.no_grad():
        apart = network.apart(network.features(*network.images(power)))
        assert apart.shape == (6, 5)
        torch.testing.assert_close(apart.reshape(2, 3, 5).mean(dim=0), network(power))


def test_a_branch_apart_learns_from_its_own_loss_alone() -> None:
    network = RhythmNet(classes=5, branches=("acf", "mel"), trunk="dense", width=0.25)
    network.apart(network.features(*network.images(torch.rand(4, 1, 224, 224))))[:4].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.trunks["acf"].parameters())
    assert all(p.grad is None or not p.grad.any() for p in network.trunks["mel"].parameters())


def test_narrow_trunks_learn_in_the_memory_format_of_training() -> None:
    network = RhythmNet(trunk="dense", width=0.25).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network(torch.rand(4, 1, 224, 224)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_shortcut_is_a_convolution_with_a_stride() -> None:
    block = _Residual(3, 5).eval()
    conv, normalise = block.shortcut
    x = torch.rand(2, 3, 7, 9)
    strided = torch.nn.functional.conv2d(x, conv.weight, stride=2)
    expected = (block.body(x) + normalise(strided)).relu()
    torch.testing.assert_close(block(x), expected)
