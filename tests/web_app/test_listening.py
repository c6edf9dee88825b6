"""The microphone: what a real browser hears, and what the page says where it hears nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.web_app.conftest import PATIENCE, SECONDS_EACH, ready
from tests.web_app.test_page import download
from web_app.serve import Server


def test_names_each_dance_of_an_evening_and_keeps_the_set_list(hall: BrowserContext, server: Server) -> None:
    page = ready(hall, server.url)
    page.click("#listen-button")
    expect(page.locator("#certainty")).to_have_text("Listening…", timeout=PATIENCE)
    answer = page.locator("#answer")
    expect(answer).to_have_text("Quickstep", timeout=PATIENCE)
    # about six seconds of music; the clock beside it counts sound, not time
    minutes, seconds = page.inner_text("#elapsed").split(":")
    assert 60 * int(minutes) + int(seconds) <= 9
    expect(page.locator("#announcer")).to_contain_text("Quickstep")
    assert page.locator("#live-chart polygon").count() >= 1
    expect(answer).to_have_text("Viennese Waltz", timeout=SECONDS_EACH * 1000 + PATIENCE)
    expect(page.locator("#set-list .part-name")).to_have_text(["Viennese Waltz", "Quickstep"])
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Listen again")

    page.reload()  # the set list is on the disk
    page.click("#to-evening")
    expect(page.locator("#evening-list .part-name")).to_have_text(["Quickstep", "Viennese Waltz"])
    (record,) = json.loads(download(page, "#evenings-json"))
    assert [part["dance"] for part in record["parts"]] == ["quickstep", "viennese_waltz"]
    change = record["parts"][1]["start"]
    assert change == pytest.approx(SECONDS_EACH, abs=3)
    assert download(page, "#evenings-csv").count("\r\n") <= 3
    page.click("#evening-list .danger")
    page.click("#confirm [value='']")
    expect(page.locator("#evening-list article")).to_have_count(1)
    page.click("#delete-all")
    page.click("#confirm [value=delete]")
    expect(page.locator("#evening-list article")).to_have_count(0)
    page.reload()
    page.wait_for_selector("#evening-empty:not([hidden])")


def test_a_killed_page_keeps_the_set_list(hall: BrowserContext, server: Server) -> None:
    page = ready(hall, server.url)
    page.click("#listen-button")
    expect(page.locator("#set-list .part-name")).to_have_text(["Quickstep"], timeout=PATIENCE)
    page.goto("about:blank")
    page.goto(f"{server.url}#evening")
    expect(page.locator("#evening-list .part-name")).to_have_text(["Quickstep"])


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 360, "height": 720}, locale="en-GB")
    yield context
    context.close()


# What getUserMedia may answer, by the names that the standard (Media Capture and Streams, 10.2) gives.
REFUSALS = {
    "NotAllowedError": "may not use the microphone. Allow it",
    "NotFoundError": "No microphone was found",
    "NotReadableError": "Another app is using the microphone",
    "TypeError": "Something unexpected happened",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_says_why_there_is_no_sound_and_can_be_asked_again(
    phone: BrowserContext, server: Server, name: str
) -> None:
    error = "new TypeError()" if name == "TypeError" else f"new DOMException('', '{name}')"
    phone.add_init_script(f"navigator.mediaDevices.getUserMedia = () => Promise.reject({error});")
    page = ready(phone, server.url)
    for _ in range(2):
        page.click("#listen-button")
        expect(page.get_by_role("alert")).to_contain_text(REFUSALS[name])
        expect(page.locator("#listen-word")).to_have_text("Listen")


def test_the_browsers_own_refusal(phone: BrowserContext, server: Server) -> None:
    """Nobody grants it here: what Chromium itself answers without a permission."""
    page = ready(phone, server.url)
    page.click("#listen-button")
    expect(page.get_by_role("alert")).to_contain_text("open a file instead", timeout=PATIENCE)


def test_an_insecure_page_says_so(phone: BrowserContext, server: Server) -> None:
    phone.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false });")
    page = ready(phone, server.url)
    page.click("#listen-button")
    expect(page.get_by_role("alert")).to_contain_text("https://")


@pytest.mark.slow
def test_a_muted_and_an_unplugged_microphone(hall: BrowserContext, server: Server) -> None:
    hall.add_init_script(
        """
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          window.wanted = wanted;
          window.stream = await ask(wanted);
          return window.stream;
        };
        """
    )
    page = ready(hall, server.url)
    page.click("#listen-button")
    expect(page.locator("#elapsed")).to_contain_text("0:02", timeout=PATIENCE)
    for wish in ("echoCancellation", "noiseSuppression", "autoGainControl"):
        assert page.evaluate(f"wanted.audio.{wish}") is False
    page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('mute'))")
    expect(page.get_by_role("alert")).to_contain_text("microphone is muted")
    page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('unmute'))")
    expect(page.locator("#trouble")).to_be_hidden()
    page.evaluate("stream.getAudioTracks()[0].enabled = false")  # gives zeros, as a muted one does
    expect(page.get_by_role("alert")).to_contain_text("hears nothing at all", timeout=PATIENCE)
    page.evaluate("stream.getAudioTracks()[0].enabled = true")
    expect(page.locator("#trouble")).to_be_hidden(timeout=PATIENCE)
    page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.get_by_role("alert")).to_contain_text("The microphone is gone")


WAKE_LOCK = """
  window.locks = [];
  navigator.wakeLock.request = async (what) => {
    const lock = new EventTarget();
    lock.released = false;
    lock.release = async () => { lock.released = true; lock.dispatchEvent(new Event('release')); };
    window.locks.push([what, lock]);
    return lock;
  };
"""


def test_keeps_the_screen_on_while_listening(hall: BrowserContext, server: Server) -> None:
    hall.add_init_script(WAKE_LOCK)
    page: Page = ready(hall, server.url)
    state: Any = "locks.map(([what, lock]) => [what, lock.released])"
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Stop", timeout=PATIENCE)
    assert settled(page, state, [["screen", False]])
    page.click("#listen-button")
    expect(page.locator("#listen-word")).to_have_text("Listen")
    assert settled(page, state, [["screen", True]])


def settled(page: Page, expression: str, wanted: object) -> bool:
    """Whether an expression comes to a value soon: the button says 'Stop' before all has begun."""
    for _ in range(50):
        if page.evaluate(expression) == wanted:
            return True
        page.wait_for_timeout(100)
    return False
