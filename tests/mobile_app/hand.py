"""The app with a phone and microphones in a test's hands."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mobile_app.core.interfaces import Permission, Platform
from mobile_app.core.session import State
from mobile_app.devices.desktop import DesktopSystem
from mobile_app.devices.file_source import FileSource
from mobile_app.ui.app import WhichDanceApp
from mobile_app.ui.drawings import RoundButton
from runtime import Model
from tests.mobile_app.conftest import HandSource
from tests.mobile_app.driver import Driver

SIZES = {"phone": (411, 866), "phone lying": (866, 411), "small phone": (360, 640), "tablet": (1280, 800)}


class Phone(DesktopSystem):
    """A system that notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.shared: list[str] = []
        self.awake: list[bool] = []
        self.buzzed: list[tuple[int, ...]] = []
        self.spoken: list[tuple[str, str]] = []
        self.notified: list[str] = []
        self.may_go_on = False
        self.tile = False
        self.runs = True  # does the service in the background?
        self.asked_to_notify = 0
        self.tiles: list[bool] = []
        self.permission = Permission.GRANTED
        self.answer = Permission.GRANTED
        self.dark = False
        self.calm = False
        self.opened_settings = 0
        self.backup: Path | None = None  # that is picked; None: the app's own list is to serve
        self.bars = (0.0, 0.0, 0.0, 0.0)
        super().__init__(
            copy=self.shared.append, allow_sleep=lambda allow: self.awake.append(not allow), folder=folder
        )

    def microphone_permission(self) -> Permission:
        return self.permission

    def request_microphone(self, on_answer: Callable[[Permission], None]) -> None:
        self.permission = self.answer
        on_answer(self.answer)

    def open_permission_settings(self) -> bool:
        self.opened_settings += 1
        return True

    def vibrate(self, pattern: Sequence[int]) -> None:
        self.buzzed.append(tuple(pattern))

    def speak(self, text: str, language: str) -> None:
        self.spoken.append((text, language))

    def start_background(self, title: str, text: str, stop: str, on_stop: Callable[[], None]) -> bool:
        self.on_stop = on_stop
        self.notified.append(text)
        return self.may_go_on

    def background_runs(self) -> bool:
        return self.runs

    def ask_to_notify(self) -> None:
        self.asked_to_notify += 1

    def show_listening(self, on: bool) -> None:
        self.tiles.append(on)

    def tell_background(self, title: str, text: str) -> None:
        self.notified.append(text)

    def stop_background(self) -> None:
        self.notified.append("")

    def wants_to_listen(self) -> bool:
        wanted, self.tile = self.tile, False
        return wanted

    def reduced_motion(self) -> bool:
        return self.calm

    def prefers_dark(self) -> bool:
        return self.dark

    def pick_document(self, beside: Path, on_picked: Callable[[Path | None], None]) -> bool:
        if self.backup is None:
            return False
        on_picked(Path(shutil.copyfile(self.backup, beside)))
        return True

    def insets(self) -> tuple[float, float, float, float]:
        return self.bars

    def language(self) -> str:
        return "en_GB"


class Hand(Driver):
    """The app with a phone and microphones in the test's hands."""

    def __init__(self, folder: Path, model: Model, size: tuple[int, int] = SIZES["phone"]) -> None:
        self.phone = Phone(folder)
        self.sources: list[HandSource] = []
        self.next: Callable[[], HandSource] = HandSource

        def microphone() -> HandSource:
            self.sources.append(self.next())
            return self.sources[-1]

        platform = Platform(self.phone, microphone, FileSource, lambda _: model, lambda: None)
        super().__init__(WhichDanceApp(platform, folder / "data", animated=False), size)

    @property
    def listen(self):
        return self.app.screen("listen")

    def press(self) -> None:
        """Tap the round button."""
        self.tap(self.find(kind=RoundButton))

    def hear(self, samples: np.ndarray) -> None:
        """Let the microphone hear something, and wait until the app has."""
        self.until(lambda: self.app.listening.session.snapshot.state is State.LISTENING)
        until = self.app.listening.session.snapshot.elapsed + len(samples) / self.sources[-1].sample_rate
        self.sources[-1].hear(samples)
        self.until(lambda: self.app.listening.session.snapshot.elapsed >= until - 0.15)

    def recognise(self, samples: np.ndarray) -> None:
        """A whole session: press, hear, press."""
        self.press()
        self.hear(samples)
        self.press()
        self.until(lambda: self.app.shown.mode == "done")

    def reads(self, text: str) -> bool:
        """Is a text to be read somewhere?"""
        return any(text in found for found in self.texts())
