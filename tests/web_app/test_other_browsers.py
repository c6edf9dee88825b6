"""The page in Firefox and WebKit, as Debian has them: offline, files, microphone, broken lines, updates."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.network import SlowServer
from tests.web_app.conftest import EXAMPLES, serving
from tests.web_app.drivers import Driver, firefox, webkit
from tests.web_app.test_phone import running
from web_app.build import WORKER, Build
from web_app.serve import Server

pytestmark = pytest.mark.slow

COMPILED = 240  # s: WebKit compiles all of the WebAssembly first, on a busy machine for minutes
DATA = "document.documentElement.dataset"
ROWS = (
    "[...document.querySelectorAll('#results-body tr')].map((row) => row.innerText.split(/\\s+/).join(' '))"
)


@pytest.fixture(params=["firefox", "webkit"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    open_browser = {"firefox": firefox, "webkit": webkit}[request.param]
    with open_browser(tmp_path) as found:
        yield found


def ready(driver: Driver, url: str, *, offline: bool = False) -> None:
    driver.open(url)
    driver.wait(f"{DATA}.ready === 'yes'", COMPILED)
    if offline:
        driver.wait(f"{DATA}.offline === 'yes'")


def read(driver: Driver, *paths: Path) -> list[str]:
    driver.run("location.hash = 'files'")
    for path in paths:
        driver.run("document.getElementById('file-input').hidden = false")  # drivers type into what is seen
        driver.give("#file-input", path)
    driver.wait(
        "!document.getElementById('files-clear').hidden && !!document.querySelector('#results-body td')"
    )
    rows: list[str] = driver.run(f"return {ROWS}")
    return rows


def test_names_recordings_and_works_without_a_network(driver: Driver, built: Build) -> None:
    with serving(built.folder) as server:
        ready(driver, server.url, offline=True)
        (row,) = read(driver, EXAMPLES / "rumba.ogg")
        assert "Rumba" in row
    driver.open("about:blank")
    driver.open(server.url)  # nobody is there any more
    driver.wait(f"{DATA}.ready === 'yes'")
    (row,) = read(driver, EXAMPLES / "quickstep.ogg")
    assert "Quickstep" in row


def test_a_long_recording_as_far_as_the_browser_can(
    driver: Driver, server: Server, medley: tuple[Any, int], tmp_path: Path
) -> None:
    """Packet by packet, or at once, or in words: never a page that ends."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    samples, rate = medley
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 4), rate)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(tmp_path / "long.wav"), "-b:a", "128k"]
    subprocess.run([*command, str(tmp_path / "long.m4a")], check=True)
    ready(driver, server.url)
    (row,) = read(driver, tmp_path / "long.m4a")
    assert "Quickstep, Rumba, Viennese Waltz" in row or "can't be read as music" in row


def test_a_broken_download_goes_on(driver: Driver, built: Build) -> None:
    with running(SlowServer(built.folder, 40e6)) as server:
        server.cut_after = 4e6
        driver.open(server.url)
        driver.wait("/The connection is gone/.test(document.getElementById('download-words').textContent)")
        server.cut_after = float("inf")
        driver.wait(f"{DATA}.offline === 'yes'", 90)
        assert server.sent < 1.2 * built.download + built.background + 2e6


def test_an_update_arrives_from_behind_max_age(driver: Driver, built: Build, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(built.folder, folder)
    with running(SlowServer(folder, 400e6, latency=0, max_age=600)) as server:
        ready(driver, server.url, offline=True)
        worker = folder / WORKER
        worker.write_text(worker.read_text("utf-8").replace(built.version, "e" * 16), "utf-8")
        driver.open("about:blank")
        ready(driver, server.url)
        driver.wait("!document.getElementById('renew').hidden")


def elapsed(driver: Driver) -> int:
    found = re.fullmatch(r"(\d+):(\d\d)", driver.text("#elapsed"))
    return 60 * int(found[1]) + int(found[2]) if found else 0


def test_hears_the_room(tmp_path: Path, server: Server, loudspeaker: list[str], evening: Path) -> None:
    """Firefox, by pulseaudio: an evening of two dances, an interruption in it, and a tab that is hidden."""
    with firefox(tmp_path) as driver, subprocess.Popen([*loudspeaker, str(evening)]) as player:
        ready(driver, server.url)
        driver.click("#listen-button")
        driver.wait("/Quickstep/.test(document.getElementById('set-list').textContent)")
        driver.run(
            "Object.defineProperty(document, 'visibilityState', { configurable: true, value: 'hidden' });"
            "document.dispatchEvent(new Event('visibilitychange'));"
        )
        shown = elapsed(driver)
        driver.run("await new Promise((resolve) => setTimeout(resolve, 2500))")
        assert elapsed(driver) == shown  # nothing is drawn
        driver.run("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
        driver.wait("/Viennese Waltz/.test(document.getElementById('set-list').textContent)")
        assert elapsed(driver) > shown
        driver.click("#listen-button")
        player.terminate()


def test_a_microphone_of_webkits_own(tmp_path: Path, server: Server) -> None:
    """Its mock device beeps: the page listens, stops, and lets go of it."""
    with webkit(tmp_path) as driver:
        ready(driver, server.url)
        if not driver.run("return !!navigator.mediaDevices?.getUserMedia"):
            pytest.skip("this WebKit has no microphone")
        driver.click("#listen-button")
        driver.wait("document.getElementById('view-listen').dataset.state !== 'starting'")
        state = driver.run("return document.getElementById('view-listen').dataset.state")
        assert state == "listening", driver.text("#trouble")
        driver.wait("/0:0[2-9]/.test(document.getElementById('elapsed').textContent)")
        driver.click("#listen-button")
        driver.wait("document.getElementById('view-listen').dataset.state !== 'listening'")
