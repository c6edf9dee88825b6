"""`--beats` and `--click`."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime import beat_files

EXAMPLE = Path(__file__).parents[3] / "examples" / "quickstep.ogg"


def test_beats_and_clicks_of_a_recording(whichdance, tmp_path):
    status, _, err = whichdance("--beats", tmp_path / "q.beats", "--click", tmp_path / "q.wav", EXAMPLE)
    assert status == 0, err
    beats = beat_files.read(tmp_path / "q.beats")
    tempo = 60 / np.median(np.diff(beats.times))  # the small model here may take it for another dance
    assert min(abs(tempo / 203 - 1), abs(tempo / 101.5 - 1)) < 0.03
    assert soundfile.info(tmp_path / "q.wav").duration == pytest.approx(soundfile.info(EXAMPLE).duration)


def test_times_of_an_excerpt_are_the_recordings(whichdance, tmp_path):
    status, _, err = whichdance(
        "--from", "8", "--to", "20", "--beats", tmp_path / "q.csv", "--click", tmp_path / "q.wav", EXAMPLE
    )
    assert status == 0, err
    times = np.loadtxt(tmp_path / "q.csv", delimiter=",", skiprows=1)[:, 0]
    assert 8 <= times[0] < 9
    assert 19 < times[-1] <= 20
    assert soundfile.info(tmp_path / "q.wav").duration == pytest.approx(12, abs=0.01)


def test_no_beat_is_said(whichdance, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "hiss.wav", rng.normal(0, 0.1, 22050 * 10), 22050)
    status, _, err = whichdance("--beats", tmp_path / "h.beats", tmp_path / "hiss.wav")
    assert status == 1
    assert "has no beat that could be told" in err
    assert not (tmp_path / "h.beats").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beats", "a.mid"], "ends in one of these"),
        (["--click", "a.mp3"], "--click writes WAV"),
        (["--beats", "a.csv", "-o", "a.csv"], "would write the same file"),
        (["--click", "a.wav", "--live"], "does not go with --click"),
    ],
)
def test_nonsense_is_refused(whichdance, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    files = [] if "--live" in options else [EXAMPLE]
    status, _, err = whichdance(*options, *files)
    assert status == 2
    assert message in err
