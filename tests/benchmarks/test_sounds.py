"""What is listened to."""

from pathlib import Path

import numpy as np
import soundfile

from benchmarks import sounds


def test_music_is_music(tmp_path: Path) -> None:
    samples = sounds.music(20, 22_050)
    assert samples.shape == (20 * 22_050, 2)
    assert samples.dtype == np.float32
    assert 0.3 < np.abs(samples).max() < 1
    assert np.array_equal(samples, sounds.music(20, 22_050))
    assert not np.array_equal(samples, sounds.music(20, 22_050, seed=1))
    info = soundfile.info(sounds.write_music(tmp_path / "music.mp3", 3, 44_100))
    assert (info.samplerate, info.channels) == (44_100, 2)
