"""A built page, served, in a real browser."""

import functools
import lzma
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from runtime.audio import read
from runtime.model import resolve
from web_app.build import Build, build, missing_packages
from web_app.definition import LZMA
from web_app.serve import Handler, Server

EXAMPLES = Path(__file__).parents[2] / "examples"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--js-flags=--no-wasm-tier-up",  # a second compilation: hardly any test gains by it
)
READY = "html[data-ready=yes]"
OFFLINE = "html[data-offline=yes]"
PATIENCE = 20_000  # ms: machines that test are busy

FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
SECONDS_EACH = 14  # of a dance: enough to be let go of the one before
RATE = 44_100

Float32 = NDArray[np.float32]


@pytest.fixture(scope="session")
def npm_packages() -> None:
    """Skips where what comes from npm is not there; `.ci/run` installs it."""
    if missing_packages():
        pytest.skip("needs `npm ci --ignore-scripts --prefix web_app`")


@pytest.fixture(scope="session")
def built(npm_packages: None, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The page with the model that it chooses."""
    return build(tmp_path_factory.mktemp("web") / "page")


@pytest.fixture(scope="session")
def exact(npm_packages: None, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The page with the default model in float, which computes what Python's does."""
    return build(tmp_path_factory.mktemp("exact") / "page", model=resolve())


@pytest.fixture(scope="session")
def server(built: Build) -> Iterator[Server]:
    """That page, served."""
    with serving(built.folder) as running:
        yield running


class _Unpacking(Handler):
    """Answers as the service worker does that has kept everything: what is packed in LZMA is unpacked."""

    def end_headers(self) -> None:
        if self.path.endswith(LZMA):
            self.send_header("X-Unpacked", "yes")
        super().end_headers()


@pytest.fixture(scope="session")
def unpacked_server(built: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """That page, served so that no test has to unpack it again."""
    folder = tmp_path_factory.mktemp("unpacked") / "page"
    shutil.copytree(built.folder, folder)
    for path in folder.rglob(f"*{LZMA}"):
        path.write_bytes(lzma.decompress(path.read_bytes()))
    with serving(folder) as running:
        running.RequestHandlerClass = functools.partial(_Unpacking, directory=str(folder))
        yield running


class _Closing(Server):
    """Ends its connections with itself: a browser keeps them open, and threads would go on to serve them."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)


class serving:
    """Serve a folder while the context lasts; afterwards there is nobody at its address."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._server = _Closing(folder, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")  # ended with its file: other files of the same process start their own
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Debian's Chromium; skips where there is none."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])


@pytest.fixture(scope="module")
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
def page(browser: Browser, unpacked_server: Server) -> Iterator[Page]:
    """The page on a phone, ready; without its service worker, whose first download takes a moment."""
    fresh = browser.new_context(
        viewport={"width": 360, "height": 720}, locale="en-GB", service_workers="block"
    )
    yield ready(fresh, unpacked_server.url)
    fresh.close()


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


@pytest.fixture(scope="module")
def evening(medley: tuple[Float32, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dances, one after the other, as a microphone would hear them."""
    samples, rate = medley
    dances = [samples[24 * n * rate :][: SECONDS_EACH * rate] for n in (0, 2)]
    path = tmp_path_factory.mktemp("sound") / "evening.wav"
    stereo = np.repeat(np.repeat(np.concatenate(dances), 2)[:, None], 2, axis=1)
    soundfile.write(path, 0.5 * stereo, RATE)
    return path


@pytest.fixture
def hall(playwright: Playwright, evening: Path) -> Iterator[BrowserContext]:
    """A phone whose microphone hears that evening."""
    browser = launch(playwright, *FAKE, f"--use-file-for-fake-audio-capture={evening}%noloop")
    yield browser.new_context(
        viewport={"width": 360, "height": 720}, permissions=["microphone"], locale="en-GB"
    )
    browser.close()
