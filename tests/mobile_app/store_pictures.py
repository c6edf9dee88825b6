"""Pictures for Play and F-Droid: `python -m tests.mobile_app.store_pictures`.

The real app with the shipped model hears an evening of examples, and what it shows, in each of its languages,
is written into fastlane/metadata/android, where both stores look; and an icon and a banner, which are drawn.
Needs a model in runtime/models.
"""

import os

os.environ["KIVY_METRICS_DENSITY"] = "3"

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kivy.resources import resource_find
from PIL import Image, ImageDraw, ImageFont

from mobile_app.core.count import Pulse
from mobile_app.stage import WHITE, WINE, icon, png
from mobile_app.ui.listen import SetRow
from runtime import Model
from tests.mobile_app.conftest import HandSource
from tests.mobile_app.driver import Window
from tests.mobile_app.evening import medley
from tests.mobile_app.hand import Hand

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fastlane" / "metadata" / "android"
LANGUAGES = {"en": "en-US", "de": "de-DE", "cs": "cs-CZ", "es": "es-ES"}
SIZE = (1080, 1920)  # px, 360 × 640 dp; Play takes nothing longer than twice its width
BANNER = (1024, 500)  # px
ICON = 512  # px
DANCES = ("quickstep", "rumba", "viennese_waltz")
SECONDS = 40.0  # of each
COLOURS = 128  # of a picture: half the size, and no difference to the eye


class Shop:
    """The app, showing itself.

    Parameters
    ----------
    folder : Path
        For history and settings.
    """

    def __init__(self, folder: Path) -> None:
        self.hand = Hand(folder, Model.load(threads=1), SIZE)
        self.app = self.hand.app
        self.samples, self.rate, _ = medley(list(DANCES), SECONDS, 1)
        self.hand.next = lambda: HandSource(self.rate)

    def everywhere(self, name: str, theme: str = "light", prepare: Callable[[], None] = lambda: None) -> None:
        """What is on the screen now, in all languages."""
        for language, place in LANGUAGES.items():
            self.app.change_settings(language=language, theme=theme)
            self.hand.frames(3)
            prepare()
            self.hand.frames(3)
            path = FOLDER / place / "images" / "phoneScreenshots" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.open(self.hand.picture(path)).convert("RGB")
            few = picture.quantize(COLOURS, dither=Image.Dither.NONE).convert(
                "RGB"
            )  # Play takes 24 bits only
            few.save(path, optimize=True)
            print(path.relative_to(ROOT), Window.size)

    def hold_the_one(self) -> None:
        """Count, and stay on the one: faster than real time there is nothing to count."""
        session, pulse = self.app.listening.session, Pulse(time.monotonic() - 1, 10_000.0, 1, 3)
        # The newest sound may still be on its way, and have no beat.
        self.hand.until(lambda: session.snapshot.pulse is pulse or session._show(pulse=pulse), pause=0.2)

    def run(self) -> None:
        """All pictures, in the order in which the stores show them."""
        app, hand = self.app, self.hand
        app.change_settings(language="en")
        hand.press()
        music = self.samples[: -round(5 * self.rate)]  # without the pause at its end
        for first in range(0, len(music), 2 * self.rate):
            hand.hear(music[first : first + 2 * self.rate])
        assert len(hand.widgets(SetRow)) == len(DANCES)
        self.everywhere("1_recognised", prepare=self.hold_the_one)
        hand.press()
        hand.until(lambda: app.shown.mode == "done")
        session = app.listening.session.snapshot.saved
        app.history.rename(session, "Gala")
        app.show_evening(session)
        self.everywhere("2_evening")
        app.show_dance("viennese_waltz")
        self.everywhere("3_dance")
        app.go("dances")
        self.everywhere("4_dances", theme="dark")
        hand.close()


def draw() -> None:
    """Icon and banner: the app's microphone on its wine red. The other languages take them from English."""
    folder = FOLDER / "en-US" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "icon.png").write_bytes(png(icon(ICON, 0.62, WINE)))
    banner = Image.new("RGB", BANNER, WINE)
    side = BANNER[1] // 2
    banner.paste(Image.fromarray(icon(side, 1.0, WINE)).convert("RGB"), (side // 3, side // 2))
    font = ImageFont.truetype(resource_find("data/fonts/Roboto-Regular.ttf"), 2 * side // 5)
    middle = (side // 3 + side, BANNER[1] // 2)
    ImageDraw.Draw(banner).text(middle, "whichdance", WHITE, font, anchor="lm")
    banner.save(folder / "featureGraphic.png", optimize=True)


def main() -> int:
    """Write all pictures."""
    draw()
    with tempfile.TemporaryDirectory() as folder:
        Shop(Path(folder)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
