"""What is played: tempo and metre measured back, every style heard, nothing silent or clipped."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from runtime.dances import DANCE_KEYS, OTHER, TEN
from runtime.mel import FRAME_RATE, SAMPLE_RATE, melspectrogram
from training.synthesis import ambience, arrangement, form, mixing, rendering
from training.synthesis.audition import onset_curve
from training.synthesis.corpus import CorpusSettings, generators, record
from training.synthesis.instruments import PERCUSSION
from training.synthesis.styles import LABELS, Carpet, DanceStyles, Feel, Style, StyleError, load_all

SOCIAL_METRES = dict.fromkeys(set(LABELS[:-1]) - {d.key for d in TEN}, "4/4") | {
    "polka": "2/4",
    "cumbia": "2/4",
    "milonga": "2/4",
    "vals": "3/4",
}
ALL_STYLES = [(label, s.name) for label in LABELS for s in load_all()[label].styles]


def strength_at(curve: np.ndarray, cycles_per_second: float) -> float:
    """Amplitude of an onset curve at a frequency."""
    time = np.arange(len(curve)) / FRAME_RATE
    window = np.hanning(len(curve))
    return float(
        np.abs(np.sum((curve - curve.mean()) * window * np.exp(-2j * np.pi * cycles_per_second * time)))
    )


@pytest.mark.parametrize(
    "label",
    [key if key in DANCE_KEYS else pytest.param(key, marks=pytest.mark.slow) for key in LABELS[:-1]],
)
def test_tempo_and_metre_measured_back(label: str) -> None:
    """The onset curve repeats at the stated beat and bar, more than at neighbouring tempi."""
    settings = CorpusSettings(seed=5, seconds=20, tempo="strict")
    metre = ({d.key: d.metre for d in TEN} | SOCIAL_METRES)[label]
    hits = []
    for index in range(6):
        samples, row, _ = record(settings, label, index)
        assert row.metre == metre
        curve = onset_curve(melspectrogram(samples))
        beats = int(row.metre[0])

        def score(bpm: float, curve: np.ndarray = curve, beats: int = beats) -> float:
            return sum(strength_at(curve, k * bpm / 60 / beats) for k in (1, beats, 2 * beats, 3 * beats))

        candidates = row.tempo_bpm * np.array([0.85, 0.9, 0.94, 1.0, 1.06, 1.1, 1.15])
        hits.append(np.argmax([score(c) for c in candidates]) == 3)
    assert sum(hits) >= 5


@pytest.mark.parametrize(("label", "other_beats"), [("slow_waltz", 4), ("viennese_waltz", 4), ("tango", 3)])
def test_bar_length_measured_back(label: str, other_beats: int) -> None:
    """A whole band repeats itself a bar later more than after a bar of another metre."""
    settings = CorpusSettings(seed=6, seconds=20, tempo="strict")
    difference = 0.0
    for index in range(8):
        samples, row, _ = record(settings, label, index)
        curve = onset_curve(melspectrogram(samples))
        curve = curve - curve.mean()
        correlation = np.correlate(curve, curve, "full")[len(curve) - 1 :] / np.dot(curve, curve)
        beat = 60 / row.tempo_bpm * FRAME_RATE
        for bars in (1, 2):
            own, foreign = round(bars * int(row.metre[0]) * beat), round(bars * other_beats * beat)
            difference += correlation[own - 1 : own + 2].max() - correlation[foreign - 1 : foreign + 2].max()
    assert difference > 0


@pytest.mark.parametrize(("label", "name"), ALL_STYLES)
def test_every_style_renders(label: str, name: str) -> None:
    samples, row, performance = record(CorpusSettings(seed=1, seconds=6), label, 0, style=name)
    assert row.style == name
    assert performance is not None
    assert len(samples) == 6 * SAMPLE_RATE
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert 0.25 < np.abs(samples).max() <= 0.98  # neither silent nor clipped
    assert np.sqrt(np.mean(samples**2)) > 0.003


@pytest.mark.parametrize("kind", list(ambience.AMBIENCES))
def test_ambience(kind: str) -> None:
    samples = ambience.record(np.random.default_rng(0), kind, 5.0, SAMPLE_RATE)
    assert len(samples) == 5 * SAMPLE_RATE
    assert np.isfinite(samples).all()
    assert 0 < np.abs(samples).max() <= 0.97
    if kind == "silence":
        assert np.abs(samples).max() < 0.002


@pytest.mark.parametrize("name", list(mixing.MIXES))
def test_every_mix_is_sound(name: str) -> None:
    settings = CorpusSettings(seed=2, seconds=5, mixes=(name,))
    for index in range(3):
        samples, row, _ = record(settings, "samba", index)
        assert row.mix == name
        assert np.isfinite(samples).all()
        assert 0.25 < np.abs(samples).max() <= 0.98


def test_silent_stems_give_no_noise_burst() -> None:
    """A mix of nothing stays finite."""
    performance = arrangement.arrange(load_all()["rumba"], np.random.default_rng(0), 5.0)
    samples = mixing.mix(performance, [], np.random.default_rng(0), "studio")
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 0.98


def test_same_seed_same_samples() -> None:
    """Also after other recordings have passed through the same synthesizers."""
    settings = CorpusSettings(seed=3, seconds=6)
    first, row, _ = record(settings, "tango", 4)
    record(settings, "samba", 1)
    record(settings, "slow_waltz", 2)
    again, row_again, _ = record(settings, "tango", 4)
    assert row == row_again
    np.testing.assert_array_equal(first, again)
    for different in (record(settings, "tango", 5), record(CorpusSettings(seed=4, seconds=6), "tango", 4)):
        assert not np.array_equal(first, different[0])


def test_somebody_plays_in_every_recording() -> None:
    """However short: players rest by chance, and now and then all of them would."""
    styles = load_all()["west_coast_swing"]
    for seed in range(600):
        assert arrangement.arrange(styles, np.random.default_rng([3, seed]), 5.0).tracks


def test_players_that_only_rest_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a search without end."""
    monkeypatch.setattr(arrangement, "_parts", lambda *_: [])
    with pytest.raises(StyleError, match=r"jive, style .*: nobody plays a note in 5 s"):
        arrangement.arrange(load_all()["jive"], np.random.default_rng(0), 5.0)


def test_generators_are_independent_of_each_other() -> None:
    draws = [g.random() for g in generators(CorpusSettings(), "jive", 0)]
    assert len(set(draws)) == 4


def test_arrangement_does_not_depend_on_the_mix() -> None:
    one = record(CorpusSettings(seconds=6, mixes=("studio",)), "jive", 0)[2]
    two = record(CorpusSettings(seconds=6, mixes=("hall",)), "jive", 0)[2]
    assert one is not None
    assert two is not None
    assert all(np.array_equal(a.notes, b.notes) for a, b in zip(one.tracks, two.tracks, strict=True))


def test_strict_tempi_are_held() -> None:
    """No drift: the beats of a strict-tempo recording lie on a grid to within a few milliseconds."""
    for index in range(5):
        rng = np.random.default_rng(index)
        played = arrangement.arrange(load_all()["quickstep"], rng, 30.0, regime="strict")
        numbers = np.arange(len(played.beat_times))
        slope, offset = np.polyfit(numbers, played.beat_times, 1)
        assert np.abs(played.beat_times - (slope * numbers + offset)).max() < 0.03
        assert 60 / slope == pytest.approx(played.tempo_bpm, rel=0.003)


def test_tempo_regimes() -> None:
    styles = load_all()["cha_cha_cha"]
    rng = np.random.default_rng(0)
    tempi = {
        regime: [arrangement.arrange(styles, rng, 5.0, regime=regime).tempo_bpm for _ in range(40)]
        for regime in ("strict", "wide")
    }
    assert np.std(tempi["strict"]) < np.std(tempi["wide"])
    assert styles.wide[0] <= min(tempi["wide"])
    assert max(tempi["wide"]) <= styles.wide[1]


def plain(swing: float) -> Style:
    """A style whose every hit can be predicted."""
    return Style(
        dance="jive",
        name="plain",
        metre="4/4",
        weight=(1, 1, 1),
        drums=({"hat": ("xxxxxxxx",)},),
        bass=(("r.......",),),
        chords=(("none",),),
        instruments={"bass": ("double_bass",), "chords": ("piano",), "lead": ("flute",)},
        swing=(swing, swing),
        drums_share=1.0,
        feel=Feel(jitter_ms=(0, 0), spread=0.0, drift=0.0, plain=0.0),
    )


@pytest.mark.parametrize("swing", [0.5, 2 / 3])
def test_swing_places_the_off_beats(swing: float) -> None:
    """Nearly all hits of a hi-hat in eighths lie on the beats or at the swing ratio between them."""
    styles = DanceStyles("jive", ((120.0, 1.0),), (120, 120), (120, 120), (plain(swing),))
    bands = (arrangement.arrange(styles, np.random.default_rng(s), 20.0, regime="strict") for s in range(20))
    played = next(p for p in bands if any(t.role == "drums" and len(t.notes) > 50 for t in p.tracks))
    drums = next(t for t in played.tracks if t.role == "drums")
    hats = drums.notes[drums.notes[:, 2] == PERCUSSION["hat"], 0]
    beat = 60 / played.tempo_bpm
    phase = ((hats - played.beat_times[0]) / beat + 0.25) % 1 - 0.25
    off = phase[phase > 0.3]
    assert len(off) > 15
    shift = np.median(phase[phase <= 0.3])  # the player as a whole is a little early or late
    assert np.median(off) - shift == pytest.approx(swing, abs=0.03)


def carpets(style: Style, *layers: Carpet, seeds: int = 8) -> list[arrangement.Performance]:
    """Recordings of a style with these carpets alone, played by bands that stray."""
    style = replace(
        style, carpets=layers, feel=replace(style.feel, plain=0.0, jitter_ms=(0.0, 0.0), spread=0.0)
    )
    styles = DanceStyles(style.dance, ((120.0, 1.0),), (118, 122), (110, 130), (style,))
    return [arrangement.arrange(styles, np.random.default_rng(seed), 12.0) for seed in range(seeds)]


def test_basses_play_the_low_pulse_others_chords() -> None:
    """A carpet of a bass: one low note at a time, eight a bar; of a piano: chords above it."""
    style = next(s for s in load_all()["rumba"].styles if s.name == "bolero")
    played = {}
    for player in ("electric_bass", "piano"):
        for performance in carpets(style, Carpet(1.0, (player,), (("88888888",),))):
            for track in (t for t in performance.tracks if t.role == "carpet"):
                starts, counts = np.unique(np.round(track.notes[:, 0], 3), return_counts=True)
                gaps = np.diff(starts) / (30 / performance.tempo_bpm)
                assert abs(np.median(gaps) - 1) < 0.1  # an eighth
                played.setdefault(player, []).append((track.notes[:, 2], np.median(counts)))
    low, high = played["electric_bass"], played["piano"]
    assert min(len(low), len(high)) >= 6
    assert all(pitches.max() < 43 and pitches.min() >= 31 and count == 1 for pitches, count in low)
    assert all(pitches.min() >= 52 and count >= 3 for pitches, count in high)


def test_carpets_are_as_loud_as_the_style_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve decibels more of a layer are twelve decibels more in the mix before mastering."""
    heard = []

    def overheard(y: np.ndarray, *rest: object) -> np.ndarray:
        heard.append(y)
        return y

    monkeypatch.setattr(mixing, "master", overheard)
    style = next(s for s in load_all()["rumba"].styles if s.name == "bolero")
    for level_db in (0.0, 12.0):
        (performance,) = carpets(style, Carpet(1.0, ("kick",), (("8888",),), level_db=level_db), seeds=1)
        (track,) = (t for t in performance.tracks if t.role == "carpet")
        alone = replace(performance, tracks=(track,))
        stems, _ = rendering.stems(alone, np.random.default_rng(0), ("gmbank",))
        mixing.mix(alone, stems, np.random.default_rng(1), "studio")
    assert 20 * np.log10(np.std(heard[1]) / np.std(heard[0])) == pytest.approx(12, abs=0.01)


def test_so_many_recordings_are_played_by_a_computer() -> None:
    """As the style says, less at strict tempi and where bands breathe; its chords are one in three times."""
    style = load_all()["tango"].styles[0]
    for rubato in (0.0, 0.5):
        feel = replace(style.feel, machine=0.6, rubato=rubato)
        for regime, share in form.MACHINES_AT.items():
            drawn = [
                form.draw_form(
                    replace(style, feel=feel), regime, 128.0, 10.0, np.random.default_rng([7, seed])
                )
                for seed in range(600)
            ]
            computers = [d.machines for d in drawn if d.machines]
            assert abs(len(computers) / 600 - 0.6 * (1 - rubato) * share) < 0.07
            assert 0.15 < np.mean(["chords" in c for c in computers]) < 0.5
            assert all("bass" in c and "lead" not in c for c in computers)


def by_band_or_computer(machine: float) -> tuple[float, float, float]:
    """Widest spread of the beats' lengths, strokes about them in s, how often a bar is the one before."""
    discofox = load_all()["discofox"]
    styles = tuple(replace(s, feel=replace(s.feel, machine=machine, drift=0.004)) for s in discofox.styles)
    spread, early, alike = [], [], []
    for seed in range(30):
        rng = np.random.default_rng([3, seed])
        played = arrangement.arrange(replace(discofox, styles=styles), rng, 20.0, regime="wide")
        times = played.beat_times + played.lead_in
        spread.append(np.std(np.diff(times)) * played.tempo_bpm / 60)
        for track in (t for t in played.tracks if t.role == "drums"):
            heard = track.notes[(track.notes[:, 0] > times[0]) & (track.notes[:, 0] < times[-1])]
            beat = np.interp(heard[:, 0], times, np.arange(len(times)))
            near = (beat - np.round(beat))[np.abs(beat - np.round(beat)) < 0.1]
            early.append(np.std(near) * 60 / played.tempo_bpm)
            strokes = [
                (int(b // 4), round(b % 4 * 4), int(n)) for b, n in zip(beat, heard[:, 2], strict=True)
            ]
            bars = [{s[1:] for s in strokes if s[0] == bar} for bar in range(int(beat.max()) // 4)]
            alike += [one == next_one for one, next_one in pairwise(bars)]
    return float(np.max(spread)), float(np.median(early)), float(np.mean(alike))


def test_a_computer_is_on_time_and_repeats_its_bars() -> None:
    (drift, early, alike), (band_drift, band_early, band_alike) = map(by_band_or_computer, (1.0, 0.0))
    assert drift < 0.002 < 0.004 < band_drift
    assert early < 0.001 < 0.003 < band_early  # s
    assert alike > 2 * band_alike


def test_missing_soundfont_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "FOLDERS", ())
    monkeypatch.delenv(rendering.FOLDER_VARIABLE, raising=False)
    with pytest.raises(rendering.SoundfontError, match="apt-get install fluid-soundfont-gm"):
        rendering.find_soundfont("fluid")
    with pytest.raises(rendering.SoundfontError, match="known are fluid"):
        rendering.find_soundfont("steinway")


def test_only_the_allowed_soundfonts_are_heard() -> None:
    settings = CorpusSettings(seconds=5, soundfonts=("gmbank",))
    assert {record(settings, "quickstep", i)[1].soundfonts for i in range(3)} == {"gmbank"}


def test_other_has_music_and_ambience() -> None:
    styles = {record(CorpusSettings(seconds=5), OTHER, i)[1].style for i in range(25)}
    assert styles & set(ambience.AMBIENCES)
    assert styles & {s.name for s in load_all()[OTHER].styles}
