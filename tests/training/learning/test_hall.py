"""A hall: what physics says must come out of it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from runtime import mel
from runtime.errors import ParameterError
from training.learning import hall
from training.learning.hall import CONTEXT, Hall

ROOT = Path(__file__).parents[3]

FRAMES = 224
CPU = torch.device("cpu")


def draw(n: int) -> hall._Draw:
    return hall._Draw(n, CPU)


def click(n: int = 8) -> torch.Tensor:
    """Power of one loud frame in otherwise near silence."""
    power = torch.full((n, CONTEXT + FRAMES, 224), 1e-8)
    power[:, CONTEXT + 20] = 1.0
    return power


def test_off_by_default() -> None:
    power = torch.rand(3, FRAMES, 224)
    assert Hall().context == 0
    assert Hall()(power) is power


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_is_a_probability(share: float) -> None:
    with pytest.raises(ParameterError, match="hall"):
        Hall(share)


def test_a_share_of_the_batch_changes() -> None:
    torch.manual_seed(0)
    power = 10 ** (-2 * torch.rand(400, CONTEXT + FRAMES, 224))
    heard = Hall(0.25)(power)
    same = (heard == power[:, CONTEXT:]).all(dim=(1, 2))
    assert heard.shape == (400, FRAMES, 224)
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
    room = hall._Room(draw(64))
    power = torch.zeros(64, 2000, 224)
    power[:, 1] = 1.0
    response = room.reverberate(power, (-6.0, -6.0)).double().transpose(1, 2)
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
    keep = hall._Room(draw(50)).keep
    assert (keep[:, 5] >= keep[:, 220]).all()


def test_context_rings_into_the_segment() -> None:
    """A bang before the segment is heard in it, which without the frames before it would be lost."""
    torch.manual_seed(3)
    power = torch.full((64, CONTEXT + FRAMES, 224), 1e-8)
    power[:, CONTEXT - 4] = 1.0
    heard = Hall(1.0)(power).log10()
    assert (heard[:, :20].mean(dim=(1, 2)) > heard[:, -20:].mean(dim=(1, 2))).double().mean() > 0.6


def test_people_come_in_all_kinds_and_at_equal_power() -> None:
    voices, others = hall._people(CPU)
    for bank in (voices, others):
        np.testing.assert_allclose(bank.mean(dim=(1, 2)), 1.0, rtol=1e-4)
        assert bank.shape[1] > CONTEXT + 3 * FRAMES


def test_random_fields_wander_and_never_come_twice() -> None:
    torch.manual_seed(0)
    fields = torch.cat([hall._field(draw(4), FRAMES) for _ in range(6)]).transpose(1, 2)
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
    a, b, both = (torch.from_numpy(mel.melspectrogram(x))[None, 4:-4] for x in (music, noise, music + noise))
    torch.manual_seed(0)
    made = hall._interfere(a, b)
    assert (made >= 0).all()
    close = (a > 0.1 * b) & (a < 10 * b)  # where it matters
    a, b, both, made, close = (x.transpose(1, 2) for x in (a, b, both, made, close))
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
        db = 10 * power[..., :60].log10()
        return (db[:, 1:] - db[:, :-1]).std()

    noise = hall._noise(40, CONTEXT + FRAMES, CPU)
    assert flicker(hall._crowd(draw(40), CONTEXT + FRAMES)) > 0.9 * flicker(noise)


def test_hands_clap_in_time_at_rates_of_hands() -> None:
    """The strongest period of each clapping, by the autocorrelation of its loudness."""
    torch.manual_seed(0)
    rates = []
    for loudness in hall._clapping(draw(60), 600).mean(dim=2).double():
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


def test_the_device_of_the_batch() -> None:
    """On the meta device, where no number exists, every tensor that was made elsewhere is an error."""
    for frames in (224, 672):
        heard = Hall(1.0)(torch.ones(20, CONTEXT + frames, 224, device="meta"))
        assert heard.device.type == "meta"
        assert heard.shape == (20, frames, 224)


def test_clatter_is_short_and_in_some_of_the_bands() -> None:
    torch.manual_seed(0)
    clatter = hall._clatter(draw(60), 600)
    assert torch.isfinite(clatter).all()
    assert (clatter >= 0).all()
    assert 0.3 < (clatter.sum(dim=(1, 2)) > 0).double().mean() <= 1
    assert (clatter[..., :40] == 0).all()
    loud = (clatter > 0.5).double().mean(dim=(1, 2))
    assert 0.001 < loud.mean() < 0.3


def test_a_recursion_is_that_of_scipy() -> None:
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    values = rng.random((3, 50, 4)).astype(np.float32)
    keep = rng.random((3, 4)).astype(np.float32)
    found = hall._smoothed(torch.from_numpy(values), torch.from_numpy(keep), torch.zeros(3, 4)).numpy()
    for i in range(3):
        for band in range(4):
            k = float(keep[i, band])
            expected = lfilter([1 - k], [1, -k], values[i, :, band].astype(np.float64))
            np.testing.assert_allclose(found[i, :, band], expected, rtol=1e-4)


def test_a_batch_of_which_nothing_is_in_the_hall() -> None:
    """Half of the segments: once in 256 batches of eight it is none of them."""
    power = torch.rand(1, CONTEXT + 20, mel.N_MELS)
    heard = 0
    for seed in range(12):
        torch.manual_seed(seed)
        result = Hall(0.3)(power)
        assert result.shape == (1, 20, mel.N_MELS)
        heard += not torch.equal(result, power[:, CONTEXT:])
    assert 0 < heard < 12
