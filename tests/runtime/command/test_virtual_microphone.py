"""Slow: `whichdance --live` through a virtual microphone."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.audio import read

ROOT = Path(__file__).parents[2]
SECONDS = 14  # a first answer after 5.2 s of music, and some to grow surer


@pytest.mark.slow
def test_live_names_what_is_played(loudspeaker: list[str], tmp_path: Path) -> None:
    samples, rate = read(ROOT / "examples" / "quickstep.ogg")
    music = tmp_path / "quickstep.wav"
    soundfile.write(music, 0.5 * np.tile(samples, 2), rate)
    command = [sys.executable, "-m", "runtime.command", "--live"]
    with (
        subprocess.Popen([*loudspeaker, str(music)]) as player,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as live,
    ):
        time.sleep(SECONDS)
        live.send_signal(signal.SIGINT)
        out, error = live.communicate(timeout=20)
        player.terminate()
    assert live.returncode == 0, error
    assert "Quickstep" in out
