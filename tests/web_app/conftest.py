"""A built page, served, in a real browser."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from runtime.audio import read
from web_app.build import NODE_MODULES, Build, build
from web_app.serve import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
READY = "html[data-ready=yes]"
OFFLINE = "html[data-offline=yes]"
PATIENCE = 60_000  # ms: machines that test are busy

OpenPage = Callable[..., Page]
Float32 = NDArray[np.float32]


@pytest.fixture(scope="session")
def npm_packages() -> None:
    """Skips where what comes from npm is not there; `.ci/run` installs it."""
    if not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("needs `npm ci --ignore-scripts --prefix web_app`")


@pytest.fixture(scope="session")
def built(npm_packages: None, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The page with the shipped model."""
    return build(tmp_path_factory.mktemp("web") / "page")


@pytest.fixture(scope="session")
def server(built: Build) -> Iterator[Server]:
    """That page, served."""
    with serving(built.folder) as running:
        yield running


class serving:
    """Serve a folder while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._server = Server(folder, 0)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Debian's Chromium; skips where there is none."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Without a microphone."""
    running = launch(playwright)
    yield running
    running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that was never here before, on a phone."""
    fresh = browser.new_context(viewport={"width": 360, "height": 720}, locale="en-GB")
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    """The page, ready; whatever goes wrong in it fails the test."""
    return ready(context, server.url)


def ready(context: BrowserContext, url: str, wait_for: str = READY) -> Page:
    """Open a page and wait until its model is loaded."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: pytest.fail(f"in the page: {error}"))
    page.goto(url)
    page.wait_for_selector(wait_for)
    return page


def classified(page: Page, *files: Any) -> None:
    """Give files to the page and wait until all are read."""
    page.click("#to-files")
    page.set_input_files("#file-input", list(files))
    page.wait_for_selector("#files-clear:not([hidden])")


@pytest.fixture(scope="session")
def medley() -> tuple[Float32, int]:
    """Samples of three dances, one after the other, and their sampling rate."""
    parts = [read(EXAMPLES / f"{name}.ogg") for name in ("quickstep", "rumba", "viennese_waltz")]
    return np.concatenate([samples for samples, _ in parts]), parts[0][1]
