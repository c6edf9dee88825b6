"""A microphone's hour, shortened."""

from pathlib import Path

import numpy as np

from benchmarks import listening, sounds


def test_an_update_a_second_and_the_sound_to_its_end(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "sound.npy", sounds.music(8, listening.SAMPLE_RATE)[:, 0])
    found = listening.listen(str(tiny_model), str(tmp_path / "sound.npy"), 10.0, 1)
    assert [round(60 * minutes) for minutes, _ in found["memory"]] == [8, 16]  # whole repetitions
    assert found["updates"] in (11, 12)  # the first after a segment of 5.2 s
    assert 0 < found["p50"] <= found["p99"] <= found["worst"]
    assert found["network"] > 0
    assert found["cpu_share"] > 0
