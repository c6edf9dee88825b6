"""Firefox and WebKit as Debian has them, driven by what they bring along: Marionette, and WebKitWebDriver."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0  # s
LOOK = 0.2  # s between two looks
MINI_BROWSERS = ("webkit2gtk-4.1", "webkit2gtk-4.0", "webkitgtk-6.0")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # of the standard (WebDriver, 12.1)


class Driver:
    """A browser with one page."""

    def ask(self, what: str, given: Mapping[str, Any]) -> Any:
        """Send a command of the standard (W3C WebDriver); `what` as the browser names it."""
        raise NotImplementedError

    def open(self, url: str) -> None:
        """Go to an address."""
        self.ask("url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a function returns; promises are waited for."""
        body = (
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
            f"(async (...arguments) => {{ {script} }})(...given)"
            ".then((value) => done({ value: value ?? null }), (error) => done({ error: String(error) }));"
        )
        found = self.ask("execute/async", {"script": body, "args": list(arguments)})
        assert "error" not in found, found["error"]
        return found["value"]

    def click(self, selector: str) -> None:
        """As a user does: in the middle of the element."""
        found = self.ask("element", {"using": "css selector", "value": selector})
        self.ask("click", {"element": found[ELEMENT]})

    def give(self, selector: str, path: Path) -> None:
        """Choose a file for a field."""
        found = self.ask("element", {"using": "css selector", "value": selector})
        self.ask("type", {"element": found[ELEMENT], "text": str(path)})

    def text(self, selector: str) -> str:
        """Of an element, seen or not."""
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def wait(self, condition: str, seconds: float = PATIENCE) -> Any:
        """Until an expression is true; returns it."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(f"return {condition}")):
            if time.monotonic() > deadline:
                shown = self.text("body")
                raise AssertionError(f"{condition} is not so after {seconds:g} s: {shown[-600:]}")
            time.sleep(LOOK)
        return found


def free_port() -> int:
    """That nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


class Firefox(Driver):
    """By Marionette: messages of JSON behind their length."""

    NAMES = {  # noqa: RUF012
        "url": "WebDriver:Navigate",
        "execute/async": "WebDriver:ExecuteAsyncScript",
        "element": "WebDriver:FindElement",
        "click": "WebDriver:ElementClick",
        "type": "WebDriver:ElementSendKeys",
    }

    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK)
        self._number = 0
        self._read()  # it says what it is
        capabilities = {"timeouts": {"script": int(2000 * PATIENCE)}}
        self._send("WebDriver:NewSession", {"capabilities": {"alwaysMatch": capabilities}})

    def ask(self, what: str, given: Mapping[str, Any]) -> Any:
        values = dict(given)
        if "element" in values:
            values["id"] = values.pop("element")
        found = self._send(self.NAMES[what], values)
        return found.get("value", found) if isinstance(found, dict) else found

    def end(self) -> None:
        """Let go of the browser."""
        self._socket.close()

    def _send(self, name: str, given: Mapping[str, Any]) -> Any:
        self._number += 1
        text = json.dumps([0, self._number, name, given])
        self._socket.sendall(f"{len(text.encode())}:{text}".encode())
        _, _, error, found = self._read()
        assert error is None, error
        return found

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._exactly(1)
        return json.loads(self._exactly(int(length[:-1])))

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = self._socket.recv(count - len(found))
            assert piece, "Firefox is gone"
            found += piece
        return found


class WebKit(Driver):
    """By WebKitWebDriver: commands of the standard by HTTP."""

    def __init__(self, port: int, browser: Path) -> None:
        self._address = f"http://127.0.0.1:{port}"
        options = {
            "binary": str(browser),
            "args": ["--automation", "--enable-media-stream=true", "--enable-mock-capture-devices=true"],
        }
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                session = self._send("POST", "/session", {"capabilities": capabilities})
                break
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK)
        self._session = f"/session/{session['sessionId']}"
        self._send("POST", f"{self._session}/timeouts", {"script": int(2000 * PATIENCE)})

    def ask(self, what: str, given: Mapping[str, Any]) -> Any:
        values = dict(given)
        path = {"execute/async": "execute/async", "url": "url", "element": "element"}.get(what)
        if path is None:
            path = f"element/{values.pop('element')}/{'click' if what == 'click' else 'value'}"
        return self._send("POST", f"{self._session}/{path}", values)

    def _send(self, method: str, path: str, given: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(
            self._address + path,
            json.dumps(given).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=3 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode(errors="replace")) from error

    def end(self) -> None:
        """Close the browser."""
        self._send("DELETE", self._session, {})


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A fresh Firefox that gives its microphone to whom asks; skips where there is none."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("needs Firefox (Debian: firefox-esr)")
    port = free_port()
    profile = folder / "profile"
    profile.mkdir()
    settings = {
        "marionette.port": port,
        "media.navigator.permission.disabled": True,
        "media.autoplay.default": 0,
        "datareporting.policy.dataSubmissionEnabled": False,
        "app.update.enabled": False,
        "network.captive-portal-service.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "intl.accept_languages": "en-GB",
    }
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in settings.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    environment = os.environ | {"HOME": str(folder), "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
    with _running(command, environment):
        browser = Firefox(port)
        try:
            yield browser
        finally:
            browser.end()


@contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    """WebKitGTK's small browser on a screen that nobody sees; skips where there is none."""
    driver = shutil.which("WebKitWebDriver")
    places = [one for name in MINI_BROWSERS for one in Path("/usr/lib").glob(f"*/{name}/MiniBrowser")]
    if driver is None or not places or shutil.which("Xvfb") is None:
        pytest.skip("needs WebKit (Debian: webkit2gtk-driver xvfb)")
    port = free_port()
    screen = f":{100 + port % 800}"
    environment = os.environ | {
        "DISPLAY": screen,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "LANGUAGE": "en",
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # containers
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    with (
        _running(["Xvfb", screen, "-screen", "0", "800x900x24"], environment),
        _running([driver, f"--port={port}"], environment),
    ):
        browser = WebKit(port, places[0])
        try:
            yield browser
        finally:
            browser.end()


@contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
