"""A stranger's phone: a slow connection that breaks, calls that interrupt, a tab that is hidden, updates."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from benchmarks import phone as benchmark
from benchmarks.network import SlowServer
from tests.web_app.conftest import EXAMPLES, FAKE, OFFLINE, PATIENCE, READY, launch, ready
from web_app.build import WORKER, Build
from web_app.definition import LZMA
from web_app.serve import Server

SLICE = 0.01  # s that a slowed device runs at a time
FAST = 40e6  # bit/s: slow enough to see the download, fast enough for a test


@contextmanager
def running(server: SlowServer) -> Iterator[SlowServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.cut_after = -1  # what is still being sent ends
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def hearing(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose microphone hears the beeps of a fake device."""
    browser = launch(playwright, *FAKE)
    yield browser
    browser.close()


@pytest.fixture
def phone(hearing: Browser) -> Iterator[BrowserContext]:
    context = hearing.new_context(
        viewport={"width": 360, "height": 720}, permissions=["microphone"], locale="en-GB"
    )
    yield context
    context.close()


def opened(context: BrowserContext, url: str) -> Page:
    """The page, not yet ready."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: pytest.fail(f"in the page: {error}"))
    page.goto(url)
    return page


def test_a_tap_during_the_first_download_listens_by_itself(phone: BrowserContext, built: Build) -> None:
    """The microphone is held, what is missing is said in MB and seconds, and then it starts."""
    with running(SlowServer(built.folder, 8e6)) as server:
        phone.add_init_script(INTERRUPTIBLE)
        page = opened(phone, server.url)
        page.click("#listen-button")
        hint = page.locator("#hint")
        expect(hint).to_contain_text(re.compile(r"in about \d+ s: \d\.\d of \d\.\d MB are still missing"))
        assert page.evaluate("streams.map((one) => one.active)") == [True]
        assert page.locator(READY).count() == 0
        expect(page.locator("#listen-word")).to_have_text("Stop")
        expect(page.locator("#elapsed")).to_have_text(re.compile("0:0[1-9]"), timeout=PATIENCE)
        expect(page.locator("#certainty")).to_have_text("Listening…")
        page.click("#listen-button")


@pytest.mark.slow
def test_a_tap_taken_back_during_the_download_does_not_listen(phone: BrowserContext, built: Build) -> None:
    with running(SlowServer(built.folder, 8e6)) as server:
        page = opened(phone, server.url)
        page.click("#listen-button")
        expect(page.locator("#hint")).to_contain_text("still missing")
        page.click("#listen-button")
        expect(page.locator("#listen-word")).to_have_text("Listen")
        page.wait_for_selector(READY)
        page.wait_for_timeout(500)
        expect(page.locator("#view-listen")).to_have_attribute("data-state", "idle")


def test_files_wait_for_the_download(phone: BrowserContext, built: Build) -> None:
    with running(SlowServer(built.folder, 8e6)) as server:
        page = opened(phone, server.url)
        page.click("#to-files")
        page.set_input_files("#file-input", [str(EXAMPLES / "rumba.ogg")])
        row = page.locator("#results-body tr")
        expect(row).to_contain_text("MB are still missing")
        expect(row).to_contain_text("Rumba", timeout=PATIENCE)


def test_the_bar_counts_bytes_and_moves_nothing(phone: BrowserContext, built: Build) -> None:
    """Many steps, none of them back, the large files first; and the layout of the page does not shift."""
    phone.add_init_script("""
      window.shift = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
    """)
    with running(SlowServer(built.folder, 16e6)) as server:
        page = opened(phone, server.url)
        shown = []
        while page.locator(READY).count() == 0:
            shown.append(float(page.get_attribute("#download-bar", "value") or 0))
            page.wait_for_timeout(50)
        assert len(set(shown)) >= 8
        assert shown == sorted(shown)
        page.wait_for_selector(OFFLINE)
        assert page.evaluate("window.shift") < 0.05
        # each byte once, but for what the page itself needs before the service worker is there
        assert server.sent < 1.05 * built.download + built.background
        assert [path for path in server.asked if f"{path}{LZMA}" in server.asked] == []
        kept = server.asked[server.asked.index(f"/{WORKER}") + 1 :]
        largest = sorted(set(built.sizes) - {*built.later, *built.wanted}, key=built.sizes.__getitem__)[-2:]
        # several at once, so that which of these is asked for first is the network's choice
        assert max(kept.index(f"/{name}") for name in largest) < len(kept) / 2, kept


@pytest.mark.parametrize("ranges", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_broken_connection_goes_on(phone: BrowserContext, built: Build, ranges: bool) -> None:
    """Cut in the middle: what has come stays, it goes on by itself, and is offline in the end.

    Within a file where the server gives the rest of one, else with the files that are missing.
    """
    with running(SlowServer(built.folder, FAST, ranges=ranges)) as server:
        server.cut_after = 4e6
        page = opened(phone, server.url)
        page.click("#listen-button")
        expect(page.locator("#hint")).to_contain_text("The connection is gone.", timeout=PATIENCE)
        expect(page.locator("#download-words")).to_have_text("The connection is gone; trying again")
        server.cut_after = float("inf")
        expect(page.locator("#elapsed")).to_have_text(re.compile("0:0[1-9]"), timeout=2 * PATIENCE)
        page.wait_for_selector(OFFLINE)
        again = 1e6 if ranges else 4e6  # what was on its way; at most two of the large files are begun anew
        assert server.sent < 1.1 * built.download + built.background + again


@pytest.mark.slow
def test_a_download_that_was_given_up_goes_on_after_a_tap(phone: BrowserContext, built: Build) -> None:
    """Where the retries of the service worker end: its patience is shortened for this test."""
    folder = built.folder
    with impatient(folder), running(SlowServer(folder, FAST)) as server:
        server.cut_after = cut = 0.6 * built.download  # the page is not ready before all of it has come
        page = opened(phone, server.url)
        expect(page.locator("#failure")).to_contain_text("What has come is kept", timeout=PATIENCE)
        before = server.sent
        server.cut_after = float("inf")
        page.click("#retry")
        page.wait_for_selector(OFFLINE)
        expect(page.locator("#failure")).to_be_hidden()
        # not from the beginning: what had come of files that were on their way is kept too
        assert server.sent - before < 1.1 * (built.download - cut) + built.background + 1e6


@contextmanager
def impatient(folder: Path) -> Iterator[None]:
    worker = folder / WORKER
    original = worker.read_text("utf-8")
    patient = "RETRY_SECONDS = [1, 2, 4, 8, 15, 30, 30]"
    assert patient in original
    worker.write_text(original.replace(patient, "RETRY_SECONDS = [1]"), "utf-8")
    yield
    worker.write_text(original, "utf-8")


INTERRUPTIBLE = """
  const Original = AudioContext;
  window.AudioContext = class extends Original {
    constructor(options) { super(options); window.context = this; }
  };
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    window.streams.push(stream);
    return stream;
  };
"""


@pytest.fixture
def listening(phone: BrowserContext, server: Server) -> Page:
    """The page, listening, with ways to interrupt it."""
    phone.add_init_script(INTERRUPTIBLE)
    page = ready(phone, server.url)
    page.click("#listen-button")
    expect(page.locator("#elapsed")).to_have_text(re.compile(r"0:0[3-9]|0:[1-5]\d"), timeout=PATIENCE)
    return page


def elapsed(page: Page) -> int:
    minutes, seconds = page.inner_text("#elapsed").split(":")
    return 60 * int(minutes) + int(seconds)


def test_a_suspended_context_waits_and_goes_on_in_the_same_evening(listening: Page) -> None:
    """As a call does it: text and button say the same, and the gap counts as time."""
    page = listening
    before = elapsed(page)
    page.evaluate("context.suspend()")
    expect(page.locator("#view-listen")).to_have_attribute("data-state", "paused")
    expect(page.get_by_role("alert")).to_contain_text("tap “Go on”")
    expect(page.locator("#listen-word")).to_have_text("Go on")
    assert page.get_attribute("#listen-button", "aria-pressed") is None  # its name says what it does
    page.wait_for_timeout(4000)
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Stop")
    expect(page.locator("#trouble")).to_be_hidden()
    page.wait_for_timeout(1500)
    assert elapsed(page) >= before + 5  # those of the gap too
    assert page.evaluate("streams.length") == 1


def test_a_context_that_comes_back_needs_no_tap(listening: Page) -> None:
    page = listening
    page.evaluate("context.suspend()")
    expect(page.locator("#listen-word")).to_have_text("Go on")
    page.evaluate("context.resume()")
    expect(page.locator("#listen-word")).to_have_text("Stop")


HIDE = """(hidden) => {
  const value = hidden ? 'hidden' : 'visible';
  Object.defineProperty(document, 'visibilityState', { configurable: true, value });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_hidden_tab_draws_nothing_and_goes_on_when_seen(listening: Page) -> None:
    page = listening
    page.evaluate(HIDE, True)
    page.evaluate("""() => {
      window.changes = 0;
      const count = () => (window.changes += 1);
      new MutationObserver(count).observe(document.getElementById('main'),
        { subtree: true, childList: true, attributes: true, characterData: true });
    }""")
    page.evaluate("context.suspend()")
    page.wait_for_timeout(1500)
    page.evaluate("window.changes = 0")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.changes") == 0
    page.evaluate(HIDE, False)
    expect(page.locator("#listen-word")).to_have_text("Stop")
    now = elapsed(page)
    expect(page.locator("#elapsed")).not_to_have_text(f"0:{now:02}", timeout=PATIENCE)


def test_a_hidden_tab_that_listens_draws_nothing(listening: Page) -> None:
    page = listening
    page.evaluate(HIDE, True)
    shown = page.inner_text("#elapsed")
    page.wait_for_timeout(2500)
    assert page.inner_text("#elapsed") == shown
    page.evaluate(HIDE, False)
    expect(page.locator("#elapsed")).not_to_have_text(shown)


def test_listening_draws_little_and_animates_nothing(listening: Page) -> None:
    """It once laid the page out 12 times a second, and had an animation without an end."""
    page = listening
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def layouts() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in found if one["name"] == "LayoutCount")

    before = layouts()
    page.wait_for_timeout(4000)
    assert layouts() - before <= 4 * 4
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.slow
def test_listening_takes_little_of_a_core(
    playwright: Playwright, built: Build, evening: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice what is aimed at, for machines that test are busy; it once was three times that."""
    browser = launch(playwright, *FAKE, f"--use-file-for-fake-audio-capture={evening}")
    monkeypatch.setattr(benchmark, "WARM_UP", 30)
    shares, _ = benchmark._listening(browser, built.folder, 20)
    browser.close()
    assert 0 < sum(shares.values()) < 2 * benchmark.SHARE_AIM


@pytest.mark.parametrize("by", ["a tap", "plugging in", "looking"])
def test_a_microphone_that_ended_is_opened_again(listening: Page, by: str) -> None:
    page = listening
    page.evaluate("""() => {
      const [track] = streams[0].getAudioTracks();
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }""")
    expect(page.get_by_role("alert")).to_contain_text("The microphone is gone")
    expect(page.locator("#listen-word")).to_have_text("Go on")
    shown = page.inner_text("#elapsed")
    if by == "a tap":
        page.click("#listen-button")
    elif by == "plugging in":
        page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    else:
        page.evaluate(HIDE, True)
        page.evaluate(HIDE, False)
    expect(page.locator("#listen-word")).to_have_text("Stop")
    expect(page.locator("#elapsed")).not_to_have_text(shown)
    assert page.evaluate("streams.length") == 2
    assert elapsed(page) >= 3  # not from the beginning


@pytest.mark.slow
def test_a_long_pause_ends_the_evening(listening: Page) -> None:
    page = listening
    page.evaluate("context.suspend()")
    expect(page.locator("#listen-word")).to_have_text("Go on")
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 16 * 60_000; }")
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Stop")
    expect(page.locator("#elapsed")).to_have_text(re.compile("0:0[0-2]"), timeout=PATIENCE)


def test_a_graph_that_can_not_be_built_lets_go_of_the_microphone(
    phone: BrowserContext, server: Server
) -> None:
    phone.add_init_script(INTERRUPTIBLE)
    phone.add_init_script(
        "AudioContext.prototype.createMediaStreamSource = () => { throw new DOMException(''); };"
    )
    page = ready(phone, server.url)
    page.click("#listen-button")
    expect(page.get_by_role("alert")).to_contain_text("Something unexpected happened")
    expect(page.locator("#listen-word")).to_have_text("Listen")
    assert page.evaluate("streams[0].getAudioTracks()[0].readyState") == "ended"


def test_an_update_arrives_from_behind_max_age(hearing: Browser, built: Build, tmp_path: Path) -> None:
    """Browsers may keep files for ten minutes, as GitHub's hosts tell them: the next visit finds it."""
    folder = tmp_path / "page"
    shutil.copytree(built.folder, folder)
    context = hearing.new_context()
    with running(SlowServer(folder, 400e6, latency=0, max_age=600)) as server:
        page = ready(context, server.url, OFFLINE)
        worker = folder / WORKER
        worker.write_text(worker.read_text("utf-8").replace(built.version, "e" * 16), "utf-8")
        page.goto("about:blank")
        page = ready(context, server.url)
        page.wait_for_selector("#renew:not([hidden])", timeout=PATIENCE)
    context.close()


@contextmanager
def slowed(browser: Browser, page: Page, times: int) -> Iterator[None]:
    """A device so many times as slow: all threads of the page's processes, by stopping them again and again.

    Chromium itself throttles a page's main thread alone (`Emulation.setCPUThrottlingRate`): that as well.
    """
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": times})
    control = browser.new_browser_cdp_session()
    kinds = control.send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [one["id"] for one in kinds if one["type"] == "renderer"]
    ended = threading.Event()

    def brake() -> None:
        while not ended.wait(SLICE):
            for which, seconds in ((signal.SIGSTOP, (times - 1) * SLICE), (signal.SIGCONT, 0)):
                for process in renderers:
                    with suppress(ProcessLookupError):
                        os.kill(process, which)
                time.sleep(seconds)

    thread = threading.Thread(target=brake, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_a_phone_that_is_three_times_as_slow_names_the_dance(hall: BrowserContext, server: Server) -> None:
    page = ready(hall, server.url)
    assert hall.browser
    with slowed(hall.browser, page, 3):
        page.click("#listen-button")
        expect(page.locator("#set-list .part-name")).to_have_text(["Quickstep"], timeout=2 * PATIENCE)
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Listen again")


@pytest.mark.slow
def test_asks_to_be_kept_once_there_is_something_to_keep(hall: Any, server: Server) -> None:
    hall.add_init_script(
        "window.asked = 0; navigator.storage.persist = async () => { window.asked += 1; return true; };"
    )
    page = ready(hall, server.url)
    assert page.evaluate("asked") == 0
    page.click("#listen-button")
    expect(page.locator("#set-list .part-name")).to_have_text(["Quickstep"], timeout=PATIENCE)
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Listen again")
    assert page.evaluate("asked") == 1


@pytest.mark.parametrize(("standalone", "shown"), [("undefined", False), ("true", False), ("false", True)])
def test_a_hint_where_safari_forgets(browser: Browser, server: Server, standalone: str, shown: bool) -> None:
    context = browser.new_context(service_workers="block", locale="en-GB")
    context.add_init_script(f"Object.defineProperty(navigator, 'standalone', {{ value: {standalone} }});")
    page = ready(context, server.url)
    page.click("#to-evening")
    expect(page.locator("#ios-hint")).to_be_visible(visible=shown)
    context.close()


@pytest.mark.slow
def test_what_is_deleted_while_it_goes_on_stays_deleted(hall: BrowserContext, server: Server) -> None:
    """The evening that goes on begins anew: what was before does not come back with the next save."""
    page = ready(hall, server.url)
    page.click("#listen-button")
    expect(page.locator("#set-list .part-name")).to_have_text(["Quickstep"], timeout=PATIENCE)
    page.click("#to-evening")
    expect(page.locator("#evening-list article")).to_have_count(1)
    before = page.inner_text("#evening-list .part-details")
    page.click("#delete-all")
    page.click("#confirm [value=delete]")
    expect(page.locator("#evening-list article")).to_have_count(0)
    page.click("#to-listen")
    expect(page.locator("#set-list .part-name")).to_have_text(
        ["Viennese Waltz", "Quickstep"], timeout=2 * PATIENCE
    )
    page.click("#listen-button")
    page.click("#to-evening")
    parts = page.locator("#evening-list .part-details").all_inner_texts()
    assert len(parts) == 2
    assert parts[0] != before
