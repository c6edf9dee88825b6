"""Slow: `whichdance --live` through a virtual microphone, from one dance to the next."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.audio import read

ROOT = Path(__file__).parents[3]
PLAYED = ("quickstep", "rumba")
PATIENCE = 60  # s; the two are 48 s long


@pytest.mark.slow
def test_live_names_what_is_played_and_when_it_changes(loudspeaker: list[str], tmp_path: Path) -> None:
    pieces = [read(ROOT / "examples" / f"{name}.ogg") for name in PLAYED]
    music, log = tmp_path / "music.wav", tmp_path / "evening.txt"
    soundfile.write(music, 0.5 * np.concatenate([samples for samples, _ in pieces]), pieces[0][1])
    command = [sys.executable, "-m", "runtime.command", "--live", "--log", str(log)]
    with (
        subprocess.Popen([*loudspeaker, str(music)]) as player,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as live,
    ):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") == 2):
            time.sleep(0.2)
        live.send_signal(signal.SIGINT)
        out, error = live.communicate(timeout=20)
        player.terminate()
    assert live.returncode == 0, error
    lines = log.read_text().splitlines()
    assert [line.split()[2].lower() for line in lines] == list(PLAYED)
    without = [re.sub(r"^\S+ (\S+?)[+-]\d\d:\d\d ", r"\1 ", line) for line in lines]  # date and time zone
    assert out.splitlines()[:2] == without
