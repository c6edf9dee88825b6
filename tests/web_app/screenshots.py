"""Pictures of the page: `python -m tests.web_app.screenshots [FOLDER]`; by default those of docs/.

The real page with the shipped model in Chromium, whose microphone hears `examples/*.ogg` one after the other.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from playwright.sync_api import BrowserContext, expect, sync_playwright

from runtime.audio import read
from tests.web_app.conftest import EXAMPLES, OFFLINE, PATIENCE, classified, launch, ready, serving
from web_app.build import build

DOCS = Path(__file__).parents[2] / "docs"
PHONE, TABLET = {"width": 360, "height": 720}, {"width": 1024, "height": 768}
DANCES = ("quickstep", "rumba", "viennese_waltz")
PLAYED = 18  # s of each


def write(folder: Path) -> None:
    """Write all pictures; `web_phone.png` is the one of the README."""
    recordings = [read(EXAMPLES / f"{name}.ogg") for name in DANCES]
    rate = recordings[0][1]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        evening = Path(temporary) / "evening.wav"
        samples = np.concatenate([sound[: PLAYED * rate] for sound, _ in recordings])
        soundfile.write(evening, np.repeat(samples[:, None], 2, axis=1), rate)
        medley = Path(temporary) / "medley.flac"
        soundfile.write(medley, np.concatenate([sound for sound, _ in recordings]), rate)
        browser = launch(
            playwright,
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={evening}%noloop",
        )
        with serving(build(Path(temporary) / "page").folder) as server:
            for device, size in (("phone", PHONE), ("tablet", TABLET)):
                for look in ("light", "dark"):
                    context = browser.new_context(
                        viewport=size,  # type: ignore[arg-type]
                        device_scale_factor=2 if device == "phone" else 1,
                        color_scheme=look,  # type: ignore[arg-type]
                        permissions=["microphone"],
                        locale="en-GB",
                    )
                    _take(context, server.url, medley, folder / "web", f"{device}-{look}")
                    context.close()
        browser.close()
    for path in (folder / "web").glob("*.png"):
        with Image.open(path) as picture:  # few colours: a third of the bytes
            few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "web_phone.png").write_bytes((folder / "web/listening-phone-light.png").read_bytes())


def _take(context: BrowserContext, url: str, medley: Path, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page = ready(context, url, OFFLINE)
    page.screenshot(path=folder / f"ready-{name}.png")
    page.click("#listen-button")
    expect(page.locator("#answer")).to_have_text("Viennese Waltz", timeout=3 * PLAYED * 1000 + PATIENCE)
    expect(page.locator("#certainty")).to_have_text("Quite sure", timeout=PATIENCE)
    page.screenshot(path=folder / f"listening-{name}.png")
    page.click("#listen-button")
    page.click("#to-evening")
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"evening-{name}.png")
    classified(page, medley, *(EXAMPLES / f"{dance}.ogg" for dance in DANCES))
    page.screenshot(path=folder / f"files-{name}.png")
    page.locator("#details").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('details').scrollIntoView()")
    page.screenshot(path=folder / f"parts-{name}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
