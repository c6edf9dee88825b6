"""The beats written beside a recording are those that one hears in it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import find_peaks

from runtime import beat_files
from runtime.beats import Beats
from training.synthesis import arrangement, mixing, players, rendering
from training.synthesis.corpus import MANIFEST, CorpusSettings, make_corpus, read_rows
from training.synthesis.styles import DanceStyles, Feel, Style

RATE = 22050
# Nobody plays but a drum, on the one, and all of it is heard.
ONE = Style(
    dance="slow_waltz",
    name="one",
    metre="3/4",
    weight=(1, 1, 1),
    drums=({"kick": ("X.....",)},),
    bass=(("......",),),
    chords=(("none",),),
    instruments={"bass": ("double_bass",), "chords": ("piano",), "lead": ("flute",)},
    lead_notes=(0, 0),
    drums_share=1.0,
    feel=Feel(jitter_ms=(0, 0), spread=0, early=0, veil=0, plain=1, drift=0.01, rubato=0.5),
)


def onsets(y: np.ndarray) -> np.ndarray:
    """Times at which the level leaps highest within a bar: of lone drum strokes, not of music."""
    hop = 110
    level = np.sqrt(np.mean(y[: len(y) // hop * hop].reshape(-1, hop) ** 2, axis=1))
    leap = np.diff(level, prepend=0)
    peaks, _ = find_peaks(leap, height=0.3 * leap.max(), distance=int(1.2 * RATE / hop))
    return peaks * hop / RATE


@pytest.mark.parametrize("regime", ["strict", "loose"])
def test_the_one_is_where_the_drum_is(regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing, "master", lambda y, *_: y)  # no compressor makes a leap of a drum's decay
    monkeypatch.setattr(players, "FILLS", 0.0)  # they have strokes off the beat
    styles = DanceStyles("slow_waltz", ((87.0, 1.0),), (80, 95), (70, 100), (ONE,))
    errors: list[float] = []
    for seed in range(60):  # so many drummers, each early or late in a way of his own
        played = arrangement.arrange(styles, np.random.default_rng(seed), 20.0, regime=regime)
        if [track.role for track in played.tracks] != ["drums"]:
            continue  # a counter melody has onsets of its own
        stems, _ = rendering.stems(played, np.random.default_rng(seed), ("fluid",))
        y = mixing.mix(played, stems, np.random.default_rng(seed), "studio")
        ones = np.array(played.beats.downbeats)
        # the first stroke may be one that was cut
        errors += [float(np.abs(ones - time).min()) for time in onsets(y)[1:]]
    assert len(errors) > 200
    assert np.median(errors) < 0.008  # the drummer's own early or late is ± 6 ms
    assert max(errors) < 0.05  # a bar has 2 s


def test_positions_go_round_the_bar() -> None:
    styles = DanceStyles("slow_waltz", ((87.0, 1.0),), (80, 95), (70, 100), (ONE,))
    for seed in range(60):  # so many drummers, each early or late in a way of his own
        beats = arrangement.arrange(styles, np.random.default_rng(seed), 9.0).beats
        assert set(np.diff(beats.positions) % 3) == {1}
        assert set(beats.positions) == {1, 2, 3}
        assert 0 <= beats.times[0] < 0.9
        assert 8.1 < beats.times[-1] < 9


def test_every_recording_has_a_file_of_them(tmp_path: Path) -> None:
    settings = CorpusSettings(seed=7, seconds=6, soundfonts=("gmbank",))
    make_corpus(tmp_path, settings, [("samba", 0), *(("other", i) for i in range(6))])
    for row in read_rows(tmp_path / MANIFEST):
        beats = beat_files.read((tmp_path / row.path).with_suffix(".beats"))
        assert bool(beats.times) == bool(row.tempo_bpm)  # talk and applause have none
        if beats.times:
            tempo = 60 / np.diff(beats.times).mean()
            assert tempo == pytest.approx(row.tempo_bpm, rel=0.03)
            number, of = map(int, row.metre.split("/"))
            assert max(beats.positions) == (number // 3 if of == 8 else number)  # 12/8 has four beats
            assert beats.times[-1] < soundfile.info(tmp_path / row.path).duration


def test_files_say_again_what_was_written(tmp_path: Path) -> None:
    beats = Beats((0.25, 0.75, 1.5), (3, 1, 2))
    beat_files.write(tmp_path / "a.beats", beats)
    assert beat_files.read(tmp_path / "a.beats") == beats
    times = np.loadtxt(tmp_path / "a.beats")  # as others read it
    np.testing.assert_array_equal(times, [[0.25, 3], [0.75, 1], [1.5, 2]])
