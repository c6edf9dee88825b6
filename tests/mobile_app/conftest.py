"""Fixtures of the app's tests: a model that answers to tones, sources made by hand, Java stubs."""

from importlib.util import find_spec

if find_spec("kivy"):  # the core needs none, and is tested where there is none
    from tests.mobile_app import headless  # isort: skip  # noqa: F401

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mobile_app.core.history import History
from mobile_app.core.problems import SourceError
from mobile_app.core.ring import RingBuffer
from runtime import Model
from tests.conftest import ToneMaker

RATE = 22_050
JAVA = Path(__file__).with_name("devices") / "java"
OWN_JAVA = Path(__file__).parents[2] / "mobile_app" / "android" / "java"
OWN_PROCESS = "WHICHDANCE_TEST_JAVA"  # set where a Java machine may be started


class HandSource:
    """A microphone in the hands of a test: it hears what `hear` is given."""

    def __init__(self, sample_rate: int = RATE, *, fails: SourceError | None = None) -> None:
        self.sample_rate = sample_rate
        self.fails = fails
        self.stopped = 0
        self.ring: RingBuffer | None = None
        self.on_end: Callable[[SourceError | None], None] | None = None

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        if self.fails:
            raise self.fails
        self.ring, self.on_end = ring(self.sample_rate), on_end

    def hear(self, samples: NDArray[np.float32], *, wait: bool = True) -> None:
        """Write samples; with `wait`, no faster than they are read."""
        assert self.ring is not None
        give_up = time.monotonic() + 60
        for first in range(0, len(samples), RATE):
            part = samples[first : first + RATE]
            if wait:
                while len(self.ring) + len(part) > self.ring.capacity:
                    assert time.monotonic() < give_up, "nobody listens any more"
                    time.sleep(0.001)
            self.ring.write(part)

    def end(self, error: SourceError | None = None) -> None:
        """The recording is over, or the microphone is gone."""
        assert self.on_end is not None
        self.on_end(error)

    def stop(self) -> None:
        self.stopped += 1

    def progress(self) -> float | None:
        return None


class Screen:
    """Stands for the screen's thread: what is posted runs when the test says so."""

    def __init__(self) -> None:
        self._posted: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self.changes = 0

    def post(self, function: Callable[[], None]) -> None:
        with self._lock:
            self._posted.append(function)

    def changed(self) -> None:
        self.changes += 1

    def run(self) -> None:
        """Do all that was posted."""
        with self._lock:
            posted, self._posted = self._posted, []
        for function in posted:
            function()

    def until(self, condition: Callable[[], object], *, seconds: float = 20.0) -> None:
        """Run what is posted until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.run()
            time.sleep(0.002)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "data")
    yield history
    history.close()


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> Model:
    """Answers with the dance whose tone it hears."""
    return Model.load(tiny_model, threads=1)


@pytest.fixture
def tone_file(tone: ToneMaker, tmp_path: Path) -> Callable[..., Path]:
    """`tone_file(key, seconds)`: a WAV file that the tiny model takes for that dance."""

    def make(key: str, seconds: float = 12.0, sample_rate: int = RATE) -> Path:
        path = tmp_path / f"{key}.wav"
        soundfile.write(path, tone(key, seconds, sample_rate), sample_rate, subtype="PCM_16")
        return path

    return make


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], object]:
    """Android's classes as stubs, compiled and loaded; `java(name)` is one of them.

    Only in a process of its own, which `test_android_adapters` starts: a Java machine takes over signals,
    and the tests of other folders after it crash.
    """
    if os.environ.get(OWN_PROCESS) is None:
        pytest.skip("runs in a process of its own, by test_android_adapters")
    if shutil.which("javac") is None:
        pytest.skip("javac is not installed (Debian: default-jdk-headless)")
    jnius_config = pytest.importorskip("jnius_config", reason="pyjnius is not installed")
    loader, classes = tmp_path_factory.mktemp("loader"), tmp_path_factory.mktemp("classes")
    sources = sorted(str(path) for folder in (JAVA, OWN_JAVA) for path in folder.rglob("*.java"))
    subprocess.run(["javac", "-encoding", "UTF-8", "-Werror", "-d", classes, *sources], check=True)
    # The app's classes lie where only the loader of the main thread looks: see MainThreadLoader.java.
    (classes / "MainThreadLoader.class").rename(loader / "MainThreadLoader.class")
    system = tmp_path_factory.mktemp("system")
    (classes / "android").rename(system / "android")
    jnius_config.set_classpath(str(loader))
    jnius_config.add_options(
        f"-Xbootclasspath/a:{system}",
        f"-Dwhichdance.classes={classes}",
        "-Djava.system.class.loader=MainThreadLoader",
    )
    from jnius import autoclass

    from mobile_app.devices import android

    android.resolve_classes()  # as `android.platform` does when the app starts
    return autoclass
