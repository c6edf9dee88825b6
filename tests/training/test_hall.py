"""A hall: what physics says must come out of it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from runtime import mel
from runtime.errors import ParameterError
from training import hall
from training.hall import CONTEXT, Hall

ROOT = Path(__file__).parents[2]

FRAMES = 224


def click(n: int = 8) -> torch.Tensor:
    """dB of one loud frame in otherwise near silence."""
    db = torch.full((n, 1, 224, CONTEXT + FRAMES), -80.0)
    db[..., CONTEXT + 20] = 0.0
    return db


def test_off_by_default() -> None:
    db = torch.rand(3, 1, 224, FRAMES)
    assert Hall().context == 0
    assert Hall()(db) is db


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_is_a_probability(share: float) -> None:
    with pytest.raises(ParameterError, match="hall"):
        Hall(share)


def test_a_share_of_the_batch_changes() -> None:
    torch.manual_seed(0)
    db = -20 * torch.rand(400, 1, 224, CONTEXT + FRAMES)
    heard = Hall(0.25)(db)
    same = (heard == db[..., CONTEXT:]).all(dim=(1, 2, 3))
    assert heard.shape == (400, 1, 224, FRAMES)
    assert 0.68 < same.double().mean() < 0.82
    assert torch.isfinite(heard).all()


def test_drawn_from_the_seeded_generator() -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(Hall(1.0)(click()))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_power_decays_by_sixty_db_in_rt60_and_none_is_lost() -> None:
    """Schroeder integration of many rooms' responses to a click gives back the decay that was drawn."""
    torch.manual_seed(0)
    room = hall._Room(64)
    power = torch.zeros(64, 224, 2000)
    power[..., 1] = 1.0
    response = room.reverberate(power, (-6.0, -6.0)).double()
    late = response[..., 2:]
    band = 60
    seconds = -6 / (hall.FRAME_RATE * room.keep.double().log10()[:, band])
    energy = late[:, band]
    place = (energy * torch.arange(1, energy.shape[1] + 1)).sum(dim=1) / energy.sum(dim=1)  # 1 / (1 - keep)
    measured = -6 / (hall.FRAME_RATE * (1 - 1 / place).log10())
    found = late.sum(dim=(1, 2)) > 0  # the others are close to the loudspeaker
    assert (measured / seconds)[found].log().abs().median() < 0.3  # one noisy decay each
    assert float(seconds.min()) > 0.2
    assert float(seconds.max()) < 4
    total = response.sum(dim=2).mean()
    assert 0.9 < total < 1.1


def test_bass_rings_longer_than_treble() -> None:
    torch.manual_seed(0)
    keep = hall._Room(50).keep
    assert (keep[:, 5] >= keep[:, 220]).all()


def test_context_rings_into_the_segment() -> None:
    """A bang before the segment is heard in it, which without the frames before it would be lost."""
    torch.manual_seed(3)
    db = torch.full((64, 1, 224, CONTEXT + FRAMES), -80.0)
    db[..., CONTEXT - 4] = 0.0
    heard = Hall(1.0)(db)
    assert (heard[..., :20].mean(dim=(1, 2, 3)) > heard[..., -20:].mean(dim=(1, 2, 3))).double().mean() > 0.6


def test_people_come_in_all_kinds_and_at_equal_power() -> None:
    voices, others = hall._people()
    for bank in (voices, others):
        np.testing.assert_allclose(bank.mean(dim=(1, 2)), 1.0, rtol=1e-4)
        assert bank.shape[1] > CONTEXT + FRAMES


def test_random_fields_wander_and_never_come_twice() -> None:
    torch.manual_seed(0)
    fields = torch.stack([hall._field(FRAMES) for _ in range(24)])
    assert torch.isfinite(fields).all()
    assert (fields > 0).all()
    db = 10 * fields.log10()
    wander = db.reshape(24, 16, 14, FRAMES).mean(dim=2).std(dim=2)  # of 16 bands, over time
    assert 2 < wander.mean() < 8
    flat = (db - db.mean(dim=2, keepdim=True)).reshape(24, -1)  # spectra may be alike
    alike = torch.corrcoef(flat - flat.mean(dim=0)).fill_diagonal_(0).abs()
    assert alike.max() < 0.6


@pytest.mark.parametrize("db", [-5.0, 5.0])
def test_sounds_interfere_as_their_samples_do(db: float) -> None:
    """Noise and music added as samples before the front end, and as powers after it."""
    music, rate = soundfile.read(ROOT / "examples" / "rumba.ogg", dtype="float32")
    assert rate == mel.SAMPLE_RATE
    music = music[: 16 * rate]
    noise = np.random.default_rng(1).standard_normal(len(music)).astype(np.float32)
    noise *= np.sqrt(np.mean(music**2) / np.mean(noise**2)) * 10 ** (-db / 20)
    a, b, both = (
        torch.from_numpy(mel.melspectrogram(x).T.copy())[None, :, 4:-4] for x in (music, noise, music + noise)
    )
    torch.manual_seed(0)
    made = hall._interfere(a, b)
    assert (made >= 0).all()
    close = (a > 0.1 * b) & (a < 10 * b)  # where it matters
    true, ours = ((10 * (x / (a + b)).log10()) for x in (both, made))
    for low, high in ((0, 40), (40, 100), (100, 160), (160, 224)):
        there = close.clone()
        there[:, :low], there[:, high:] = False, False
        assert true[there].std() > 0.8  # dB; powers that only add up would give none
        assert abs(ours[there].std() / true[there].std() - 1) < 0.1
    for lag in (1, 2):  # and it wanders as fast
        alike = [
            torch.corrcoef(torch.stack([x[:, :60, lag:].ravel(), x[:, :60, :-lag].ravel()]))[0, 1]
            for x in (both / (a + b), made / (a + b))
        ]
        assert abs(alike[0] - alike[1]) < 0.08


def test_fields_flicker_as_noise_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall, "FIELDS", 1.0)
    torch.manual_seed(0)

    def flicker(power: torch.Tensor) -> torch.Tensor:
        db = 10 * power[:, :60].log10()
        return (db[..., 1:] - db[..., :-1]).std()

    assert flicker(hall._crowd(40, CONTEXT + FRAMES)) > 0.9 * flicker(hall._noise(40, CONTEXT + FRAMES))


def test_hands_clap_in_time_at_rates_of_hands() -> None:
    """The strongest period of each clapping, by the autocorrelation of its loudness."""
    torch.manual_seed(0)
    rates = []
    for _ in range(60):
        loudness = hall._clapping(600).mean(dim=0).double()
        assert loudness.min() >= 0
        spectrum = torch.fft.rfft(loudness - loudness.mean(), 2048).abs().square()
        alike = torch.fft.irfft(spectrum)[:200]
        peaks = torch.nonzero(alike[7:] > 0.7 * alike[7:].max())  # the first, not its multiples
        lag = int(peaks[0]) + 7
        if alike[lag] > 0.3 * alike[0]:
            rates.append(hall.FRAME_RATE / lag)
    assert len(rates) > 45
    assert 0.7 * hall.CLAPS[0] < min(rates) < 2
    assert 4 < max(rates) < 1.3 * hall.CLAPS[1]
