"""The ensemble with the tempo: what the evidence says of a metronome, and that the parts are a product."""

import numpy as np
import pytest
import torch

from runtime.dances import DANCE_KEYS, dance
from runtime.errors import ParameterError
from runtime.mel import SAMPLE_RATE, melspectrogram
from training.networks.ensemble import TempoEnsemble, TempoEvidence, tempi
from training.networks.models import architectures, build, load_checkpoint, save_checkpoint


def clicks(bpm: float, seconds: float = 5.2, seed: int = 0) -> torch.Tensor:
    """Mel power (1, 1, 224, 224) of bursts of noise at a tempo."""
    rng = np.random.default_rng(seed)
    time = np.arange(int((seconds + 0.1) * SAMPLE_RATE)) / SAMPLE_RATE
    samples = np.exp(-30 * (time % (60 / bpm))) * rng.normal(size=len(time))
    return torch.from_numpy(melspectrogram(samples)[:224].T[None, None].copy())


def bpm_of(key: str) -> float:
    facts = dance(key)
    assert facts.mpm_min
    assert facts.mpm_max
    assert facts.beats_per_bar
    return (facts.mpm_min + facts.mpm_max) / 2 * facts.beats_per_bar


@pytest.mark.parametrize("key", DANCE_KEYS)
def test_untrained_the_evidence_of_a_dances_tempo_is_for_dances_of_that_tempo(key: str) -> None:
    evidence = TempoEvidence(DANCE_KEYS).eval()
    with torch.inference_mode():
        logits = evidence(clicks(bpm_of(key)))[0].numpy()
    order = [DANCE_KEYS[i] for i in np.argsort(-logits)]
    best = bpm_of(order[0]) / bpm_of(key)
    # a metronome also repeats after two of its beats
    assert min(abs(np.log2(best)), abs(np.log2(best) + 1)) < 0.15, order
    assert key in order[:5]


def test_tempi_span_all_dances() -> None:
    assert tempi().min() < min(bpm_of(k) for k in DANCE_KEYS)
    assert tempi().max() > max(bpm_of(k) for k in DANCE_KEYS)


def test_labels_without_a_known_tempo_take_all_tempi_alike() -> None:
    evidence = TempoEvidence(("tango", "other"))
    assert not evidence.log_shares[1].any()
    assert evidence.log_shares[0].any()


def test_opinions_are_multiplied() -> None:
    torch.manual_seed(0)
    ensemble = build("tempo+squeezenet1_1", classes=11).eval()
    assert isinstance(ensemble, TempoEnsemble)
    power = clicks(100)
    with torch.inference_mode():
        both = ensemble(power).softmax(dim=1)
        product = ensemble.network(power).softmax(dim=1) * ensemble.evidence(power).exp()
    torch.testing.assert_close(both, product / product.sum(), atol=1e-5, rtol=1e-4)


def test_both_parts_learn() -> None:
    torch.manual_seed(0)
    ensemble = build("tempo+rhythmogram", branches=("mlp",))
    power = torch.cat([clicks(90), clicks(180)])
    loss = torch.nn.functional.cross_entropy(ensemble(power), torch.tensor([7, 9]))
    loss.backward()  # type: ignore[no-untyped-call]
    for name in ("evidence.log_shares", "evidence.sharpness", "weight", "network.head.1.weight"):
        gradient = ensemble.get_parameter(name).grad
        assert gradient is not None
        assert gradient.abs().sum() > 0, name


def test_an_ensemble_starts_from_a_trained_network_or_from_an_ensemble(tmp_path) -> None:
    torch.manual_seed(0)
    alone = build("squeezenet1_1")
    save_checkpoint(tmp_path / "alone.pt", alone, "squeezenet1_1", {})
    ensemble = build("tempo+squeezenet1_1", weights=tmp_path / "alone.pt")
    for name, value in alone.state_dict().items():
        assert torch.equal(value, ensemble.state_dict()[f"network.{name}"])
    with torch.no_grad():
        ensemble.get_parameter("weight").fill_(0.3)
    save_checkpoint(tmp_path / "both.pt", ensemble, "tempo+squeezenet1_1", {})
    again = build("tempo+squeezenet1_1", weights=tmp_path / "both.pt")
    assert again.get_parameter("weight").item() == pytest.approx(0.3)
    loaded, _ = load_checkpoint(tmp_path / "both.pt")
    assert loaded.get_parameter("weight").item() == pytest.approx(0.3)


def test_names() -> None:
    assert "tempo+rhythmogram" in architectures()
    with pytest.raises(ParameterError, match="samples"):
        build("tempo+waveform")
    with pytest.raises(ParameterError, match="unknown architecture 'lenet'"):
        build("tempo+lenet")
