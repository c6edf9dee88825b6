"""Pictures of every screen: light and dark, upright and lying, of a phone, and some of a tablet.

`python -m tests.mobile_app.screenshots` runs the real app with the shipped model, lets it hear
examples/*.ogg, and writes docs/app/*.png. Needs a model in runtime/models.
"""

import os

os.environ["KIVY_METRICS_DENSITY"] = "2"

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from mobile_app.core import session
from mobile_app.core.count import Pulse
from mobile_app.core.interfaces import Platform
from mobile_app.core.session import State
from mobile_app.devices.desktop import DesktopSystem
from mobile_app.devices.file_source import FileSource
from mobile_app.ui.app import WhichDanceApp
from runtime import Model
from runtime.audio import read
from tests.mobile_app.driver import Driver, Window
from tests.mobile_app.evening import medley

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "app"
EXAMPLES = ROOT / "examples"
SHAPES = {"upright": (822, 1732), "lying": (1732, 822), "tablet": (2560, 1600)}  # px at two px a dp
SPEED = 6.0  # times real time
COLOURS = 160  # of a picture's palette: a third of the size, and no difference to the eye


def party() -> tuple[np.ndarray, int]:
    """A room full of noise that falls silent as a waltz begins, and its sampling rate: ten minutes."""
    samples, rate = read(EXAMPLES / "viennese_waltz.ogg")
    music = np.tile(samples, 25)  # longer than all pictures of it take
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=len(music)))
    noise = np.fft.irfft(spectrum / np.sqrt(1 + np.arange(len(spectrum))), len(music))
    time = np.arange(len(music)) / rate
    mixed = music * np.clip(time / 6, 0, 1) + noise / noise.std() * music.std() * np.clip(1 - time / 12, 0, 1)
    return 0.5 * mixed / np.abs(mixed).max(), rate


class Studio:
    """The app with examples for a microphone.

    Parameters
    ----------
    folder : Path
        For history and settings.
    """

    def __init__(self, folder: Path) -> None:
        session.RING_SECONDS *= SPEED  # as many seconds by the clock to be late as at real time
        self.party = folder / "party.wav"
        self.speed = SPEED
        soundfile.write(self.party, *party())
        system = DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=folder)
        # Several times as fast, there is nothing to count: the pictures hold a one.
        platform = Platform(
            system,
            self.microphone,
            FileSource,
            lambda name: Model.load(name or None, threads=1),
            lambda: None,
        )
        self.driver = Driver(WhichDanceApp(platform, folder / "data", animated=False), SHAPES["upright"])
        self.app = self.driver.app
        self.app.change_settings(language="en")

    def microphone(self) -> FileSource:
        """What the phone hears."""
        return FileSource(str(self.party), speed=self.speed)

    def everywhere(self, name: str, prepare: Callable[[], None] = lambda: None) -> None:
        """A screen in both themes and both positions."""
        for theme in ("light", "dark"):
            self.app.change_settings(theme=theme)
            for shape in ("upright", "lying"):
                self.driver.resize(*SHAPES[shape])
                prepare()
                self.shoot(f"{name}-{theme}-{shape}")

    def shoot(self, name: str) -> None:
        """One picture."""
        self.driver.until(lambda: self.app.screen("listen").ids.holder.children[0].opacity == 1)
        self.driver.frames(6)
        path = self.driver.picture(FOLDER / f"{name}.png")
        picture = Image.open(path).convert("RGB")
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path.relative_to(ROOT), Window.size)

    def heard(self, seconds: float) -> None:
        """Wait until so much has been listened to."""
        self.driver.until(lambda: self.app.listening.session.snapshot.elapsed >= seconds, seconds=120)

    def finished(self) -> None:
        """Wait until a recording has been read."""
        self.driver.until(lambda: self.app.listening.session.snapshot.state is State.FINISHED, seconds=120)

    def run(self) -> None:
        """All pictures."""
        app, driver = self.app, self.driver
        self.everywhere("welcome")
        driver.resize(*SHAPES["upright"])
        app.go("history")
        self.shoot("history-empty-dark-upright")
        for example in ("quickstep", "rumba"):
            app.open_file(str(EXAMPLES / f"{example}.ogg"))
            self.finished()
        first = app.history.entries()[0].id
        app.history.correct(app.history.lines(first)[0].id, "rumba")
        app.history.rename(first, "Slow one at the club")
        self.speed = 1.0
        app.listening.listen()
        self.heard(2.0)
        self.shoot("listening-dark-upright")
        self.heard(5.4)
        self.shoot("not-sure-dark-upright")
        app.listening.cancel()
        self.speed = SPEED
        app.listening.listen()
        self.heard(62)
        self.everywhere("recognised", self.hold_the_one)
        driver.resize(*SHAPES["tablet"])
        self.shoot("recognised-dark-tablet")
        assert app.shown.mode == "running", "shot too late: the music was over"
        app.change_settings(theme="light")
        app.listening.stop()
        self.everywhere("result")
        self.everywhere("correct", self.sheet)
        self.close_sheets()
        app.show_line(app.history.lines(app.history.entries()[0].id)[0].id)
        self.everywhere("session")
        self.evening()
        app.go("dances")
        self.everywhere("dances")
        app.show_dance("viennese_waltz")
        count = app.screen("dance").ids.counting
        self.everywhere("dance", lambda: setattr(count, "active", 0))
        app.go("settings")
        self.everywhere("settings")
        app.go("about")
        app.change_settings(theme="light")
        driver.resize(*SHAPES["upright"])
        self.shoot("about-light-upright")
        app.go("listen")
        driver.resize(*SHAPES["upright"])
        app.change_settings(theme="light")
        for language in ("de", "cs", "es"):
            app.change_settings(language=language)
            self.shoot(f"result-{language}-light-upright")
        app.change_settings(language="en", text_size="huge")
        self.shoot("result-huge-light-upright")
        driver.resize(*SHAPES["lying"])
        self.shoot("result-huge-light-lying")
        driver.resize(*SHAPES["upright"])
        app.go("settings")
        self.shoot("settings-huge-light-upright")
        driver.close()

    def evening(self) -> None:
        """A set list, while it goes on and afterwards."""
        app, driver = self.app, self.driver
        keys = ["slow_waltz", "tango", "viennese_waltz", "rumba", "samba", "jive", "quickstep"]
        samples, rate, _ = medley([key for key in keys if (EXAMPLES / f"{key}.ogg").exists()], 40.0, 1)
        soundfile.write(self.party, samples, rate)
        app.change_settings(theme="light", count=False)
        driver.resize(*SHAPES["upright"])
        app.go("listen")
        app.listening.listen()
        self.heard(0.7 * len(samples) / rate)
        self.shoot("set-list-light-upright")
        assert app.shown.mode == "running", "the set list was shot too late: the evening was over"
        self.finished()
        app.change_settings(count=True)
        session = app.listening.session.snapshot.saved
        app.history.rename(session, "Ball at the club")
        app.show_evening(session)
        self.everywhere("evening")
        app.go("history")
        self.everywhere("history")
        app.change_settings(theme="light")
        driver.resize(*SHAPES["upright"])

    def hold_the_one(self) -> None:
        """Count, and stay on the one."""
        self.app.listening.session._show(pulse=Pulse(time.monotonic() - 1, 10_000.0, 1, 3))
        time.sleep(0.05)

    def sheet(self) -> None:
        """Ask which dance it was, once."""
        self.close_sheets()
        self.app.screen("listen").correct()

    def close_sheets(self) -> None:
        """Close whatever lies over the screen."""
        for widget in list(Window.children):
            if widget is not self.app.root:
                widget.dismiss(animation=False)


def main() -> int:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Studio(Path(folder)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
