"""Slow: half an hour in ninety seconds, and a microphone that is none."""

import gc
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from mobile_app.core.history import History
from mobile_app.core.listener import Options
from mobile_app.core.session import RING_SECONDS, Session, State
from mobile_app.devices import desktop
from mobile_app.devices.desktop import DesktopSystem
from mobile_app.devices.file_source import FileSource
from mobile_app.ui.app import WhichDanceApp
from mobile_app.ui.drawings import RoundButton
from runtime import Model
from runtime.audio import read
from tests.mobile_app.conftest import Screen
from tests.mobile_app.driver import Driver
from tests.mobile_app.evening import medley

ROOT = Path(__file__).parents[2]
WALTZ = ROOT / "examples" / "viennese_waltz.ogg"

pytestmark = pytest.mark.slow


def shipped_model() -> Model:
    if not (ROOT / "runtime" / "models" / "models.toml").exists():
        pytest.skip("no model is shipped")
    return Model.load(threads=1)


@pytest.mark.timeout(300)
def test_half_an_hour_at_twenty_times_real_time(
    history: History, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays flat within 5 MB after the first minute, and no update is skipped."""
    # As many seconds by the clock to be late as there are at real time.
    monkeypatch.setattr("mobile_app.core.session.RING_SECONDS", 20 * RING_SECONDS)
    model = shipped_model()
    samples, rate = read(WALTZ)
    path = tmp_path / "half an hour.wav"
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(round(1800 * rate / len(samples))):
            file.write(samples)
    session = Session(
        lambda: FileSource(str(path), speed=20.0),
        lambda: model,
        history,
        Options(43),
        post=screen.post,
        on_change=screen.changed,
    )
    process, memory = psutil.Process(), []
    session.start()
    next_minute = 60.0
    while session.snapshot.state is not State.FINISHED:
        screen.run()
        time.sleep(0.01)
        if session.snapshot.elapsed >= next_minute:
            gc.collect()
            memory.append(process.memory_info().rss / 1e6)
            next_minute += 60
    print("MB by the minute:", *(f"{megabytes:.1f}" for megabytes in memory))
    assert session.snapshot.elapsed == pytest.approx(1800, abs=25)
    assert session.snapshot.skipped == 0
    assert len(memory) >= 29
    assert max(memory) - memory[0] < 5
    # Not one update is missing: a segment every 43 frames from the start to the end.
    times = session.timeline.times
    assert np.diff(times) == pytest.approx(43 * 512 / 22_050, abs=0.001)
    assert times[0] == 0
    assert times[-1] > 1790 - 25
    assert len(history.timeline(history.entries()[0].id)) == len(times)


@pytest.mark.timeout(120)
def test_the_command_plays_a_recording_as_if_it_were_the_microphone(tmp_path: Path) -> None:
    shipped_model()
    command = [sys.executable, "-m", "mobile_app.main", "--source", str(WALTZ), "--data", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT) as app:
        deadline, named = time.monotonic() + 90, None
        while named is None and time.monotonic() < deadline:
            time.sleep(0.5)
            assert app.poll() is None, "the app ended by itself"
            if (tmp_path / "history.sqlite").exists():
                with sqlite3.connect(tmp_path / "history.sqlite") as db:
                    try:
                        named = db.execute("SELECT source, dance FROM session, line").fetchone()
                    except sqlite3.OperationalError:
                        continue  # the tables are not there yet
                db.close()
        app.kill()
    assert named == ("microphone", "viennese_waltz")


@pytest.mark.timeout(180)
def test_through_a_virtual_microphone(loudspeaker: list[str], tmp_path: Path) -> None:
    """The real adapters from end to end: PortAudio hears what paplay plays."""
    model = shipped_model()
    pytest.importorskip("sounddevice")
    music = tmp_path / "waltz.wav"
    samples, rate = read(WALTZ)
    soundfile.write(music, 0.5 * np.tile(samples, 10), rate)
    system = DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=tmp_path)
    platform = desktop.platform(system)
    app = WhichDanceApp(platform, tmp_path / "data", animated=False)
    app.listening.models[""] = model
    driver = Driver(app)
    with subprocess.Popen([*loudspeaker, str(music)]) as player:
        time.sleep(1.0)
        driver.tap(driver.find(kind=RoundButton))
        driver.until(
            lambda: (
                app.listening.session is not None and app.listening.session.snapshot.state is State.LISTENING
            )
        )
        began = time.monotonic()
        driver.until(lambda: "Viennese Waltz" in driver.texts(), seconds=20)
        took = time.monotonic() - began
        driver.until(lambda: "Quite sure" in driver.texts(), seconds=40)
        assert "Good level" in driver.texts()
        player.terminate()
    print(f"named after {took:.1f} s")
    driver.tap(driver.find(kind=RoundButton))
    driver.until(lambda: app.shown.mode == "done")
    [entry] = app.history.entries()
    [line] = app.history.lines(entry.id)
    driver.close()
    assert line.dance == "viennese_waltz"
    assert entry.source == "microphone"


@pytest.mark.timeout(1500)
def test_four_hours_of_an_evening(history: History, screen: Screen, tmp_path: Path) -> None:
    """As fast as the listener takes it: memory stays flat after ten minutes, and every dance has its line."""
    model = shipped_model()
    music, rate = medley(["viennese_waltz", "rumba", "quickstep"], 100.0, 1)[:2]
    path = tmp_path / "four hours.wav"
    repeats = round(4 * 3600 * rate / len(music))
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(repeats):
            file.write(music)
    session = Session(
        lambda: FileSource(str(path)),
        lambda: model,
        history,
        Options(86),
        post=screen.post,
        on_change=screen.changed,
    )
    process, memory, next_sample = psutil.Process(), list[float](), 600.0
    session.start()
    while session.snapshot.state is not State.FINISHED:
        screen.run()
        time.sleep(0.01)
        if session.snapshot.elapsed >= next_sample:
            gc.collect()
            memory.append(process.memory_info().rss / 1e6)
            next_sample += 600
    print("MB every ten minutes:", *(f"{megabytes:.1f}" for megabytes in memory))
    assert session.snapshot.elapsed == pytest.approx(repeats * len(music) / rate, abs=1)
    assert len(memory) >= 20
    assert max(memory) - memory[0] < 8
    [entry] = history.entries()
    lines = history.lines(entry.id)
    assert len(lines) == pytest.approx(3 * repeats, abs=0.1 * 3 * repeats)
