"""What has no beat gets none from the shipped network, and says so: sounds that the synthesis makes up."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.beat_activations import BeatModel
from runtime.beats import find_beats
from runtime.command.cli import main
from runtime.dances import OTHER
from runtime.mel import SAMPLE_RATE, melspectrogram
from training.synthesis import ambience

SECONDS = 16.0  # two stretches


@pytest.fixture(scope="module")
def model() -> BeatModel:
    return BeatModel.load()


@pytest.mark.parametrize("kind", ["speech", "applause", "crowd", "street"])
@pytest.mark.parametrize("told", [OTHER, "tango"])
def test_people_and_streets_have_no_beat(model: BeatModel, kind: str, told: str) -> None:
    """Also where they are taken for a dance; of three recordings at most one stretch is told."""
    rng = np.random.default_rng(11)
    seconds_told = 0.0
    for _ in range(3):
        frames = melspectrogram(ambience.record(rng, kind, SECONDS, SAMPLE_RATE))
        beats = find_beats(frames, {told: 1.0}, model=model)
        if beats.times:
            seconds_told += beats.times[-1] - beats.times[0]
    assert seconds_told <= 0.1 * 3 * SECONDS


def test_a_talk_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talk = ambience.record(np.random.default_rng(2), "speech", SECONDS, SAMPLE_RATE)
    soundfile.write(tmp_path / "talk.wav", talk, SAMPLE_RATE)
    assert main(["--beats", str(tmp_path / "talk.beats"), str(tmp_path / "talk.wav")]) == 1
    assert "has no beat that could be told" in capsys.readouterr().err
    assert not (tmp_path / "talk.beats").exists()
