"""The page as a stranger's phone meets it: a first visit on slow 4G, its share of a core, long files."""

import math
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import soundfile

from benchmarks import networks
from benchmarks.network import LATENCY, SLOW_4G, SlowServer
from benchmarks.report import Column, Figures, Row, Section, Target
from benchmarks.room import lacking, room
from benchmarks.sounds import BLOCK_SECONDS, music
from benchmarks.web import PATIENCE, launched
from runtime.errors import ParameterError, WhichdanceError
from web_app.build import WORKER, build

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 44_100  # Hz, at which the browser's file in place of a microphone is heard: others it would resample
TAP_AFTER = 5.0  # s: in the middle of the first download
GIVE_UP = 30.0  # s of music after the page is ready: the first answer takes six
WARM_UP = 60.0  # s of listening before it is measured: browsers compile what runs often, in the first minute
START_UP = 30.0  # s at most until the page listens
LOOK = 0.1  # s between two looks at the memory
FAST = 1e9  # bit/s
READY = "html[data-ready=yes]"
FORMATS = ("m4a", "mp3")

SHARE_AIM = 0.08  # of a core, all processes
DOWNLOAD_AIM = 6.5e6  # bytes, of them 6e6 until the page is ready, which a test of the build holds
MEMORY_AIM = 355e6  # bytes that an hour may take


def run(
    *,
    seconds: float = 60,
    model: str | None = None,
    page: str | None = None,
    minutes: Sequence[float] = (60,),
    runs: int = 3,
) -> Section:
    """Measure the page in Chromium, whose microphone hears music.

    Parameters
    ----------
    seconds : float
        Of listening while the processes' CPU time is taken.
    model : str, optional
        The one that the page chooses if None.
    page : str, optional
        Folder of a built page to be measured instead of this checkout's, as of an earlier commit.
    minutes : sequence of float
        Lengths of the recordings that memory is measured with.
    runs : int
        First visits, of which the medians are told.

    Raises
    ------
    WhichdanceError
        If Chromium, Playwright, ffmpeg or the packages from npm are missing.
    ParameterError
        If `page` is no built page.
    """
    if shutil.which("ffmpeg") is None:
        raise WhichdanceError("long recordings are made by ffmpeg; install it (Debian: ffmpeg)")
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        built = _built(page, model, folder)
        sound = folder / "music.wav"
        soundfile.write(sound, np.tile(music(BLOCK_SECONDS, RATE), (2, 1)), RATE)
        heard = None if lacking() else _in_a_room(folder, sound, built, seconds)
        with launched(
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={sound}",
        ) as browser:
            visits = [_first_visit(browser, built) for _ in range(runs)]
            shares, layouts = heard or _listening(browser, built, seconds)
            recordings = [
                _recording(folder, sound, suffix, length) for length in minutes for suffix in FORMATS
            ]
            read = [(path, *_memory(browser, built, path)) for path in recordings]
            version = browser.version
    median: Row = {name: _median([one[name] for one in visits]) for name in visits[0]}
    sent = float(np.median([one["sent"] for one in visits if one["sent"] is not None]))
    total = sum(shares.values())
    longest = {suffix: max(peak for path, peak, _ in read if path.suffix[1:] == suffix) for suffix in FORMATS}
    return Section(
        name="phone",
        title="Phone: the page on a bad connection, while it listens, and with long files",
        settings={
            "seconds": seconds,
            "model": networks.label_of(model),
            "page": "this checkout's" if page is None else "another one",
            "browser": f"Chromium {version}",
            "bits_per_second": SLOW_4G,
            "latency": LATENCY,
            "runs": runs,
        },
        tables=_tables(median, {**shares, "all": total}, read),
        targets=[
            Target("MB of the first visit", sent, DOWNLOAD_AIM, at_least=False),
            Target("share of one core while listening", total, SHARE_AIM, at_least=False),
            *(_peak_target(suffix, peak) for suffix, peak in longest.items()),
        ],
        notes=[
            "The line is this program's server, which all requests share; the browser's cache is empty.",
            f"While it listened the page was laid out {layouts:.1f} times a second.",
            f"The share is measured after {WARM_UP:g} s: in the first minute the browser compiles.",
            "All processes are those of the whole browser: the page's own, network, sound "
            f"({_microphone()}), compositing (without a GPU here) and the browser itself.",
        ],
    )


def _microphone() -> str:
    return (
        "a file in place of a microphone"
        if lacking()
        else "pulseaudio's microphone, in which music is played"
    )


def _in_a_room(folder: Path, sound: Path, built: Path, seconds: float) -> tuple[dict[str, float], float]:
    """As `_listening`, by a microphone: the file in its place costs the browser as much as hearing does."""
    music_played = folder / "played.wav"
    samples, rate = soundfile.read(sound, dtype="int16")
    times = math.ceil((WARM_UP + seconds + START_UP) * rate / len(samples))
    soundfile.write(music_played, np.tile(samples, (times, 1)), rate)
    with (
        room(folder) as heard,
        launched("--use-fake-ui-for-media-stream", environment=heard.environment) as browser,
        subprocess.Popen([*heard.play, str(music_played)], env={**os.environ, **heard.environment}) as player,
    ):
        try:
            return _listening(browser, built, seconds)
        finally:
            player.terminate()


def _peak_target(suffix: str, peak: float) -> Target:
    return Target(f"peak memory of {suffix.upper()}", peak, MEMORY_AIM, at_least=False)


def _built(page: str | None, model: str | None, folder: Path) -> Path:
    """The page to measure: the folder given, or this checkout's, built below `folder`."""
    if page is None:
        return build(folder / "page", model=model and networks.model_file(model, folder)).folder
    if not (Path(page) / WORKER).is_file():
        raise ParameterError(f"{page}: no built page; `python -m web_app build` makes one")
    return Path(page)


def _tables(
    median: Row, shares: Mapping[str, float], read: Sequence[tuple[Path, float, str]]
) -> list[Figures]:
    memory: list[Row] = [
        {"suffix": path.suffix[1:], "minutes": float(path.stem), "peak": peak, "answer": answer}
        for path, peak, answer in read
    ]
    return [
        Figures(
            f"the first visit on slow 4G, tapped after {TAP_AFTER:g} s",
            (
                Column("sent", "sent by the server", "MB"),
                Column("ready", "ready after", "s"),
                Column("answer", "first answer after", "s"),
            ),
            [median],
        ),
        Figures(
            "share of one core while it listens",
            (Column("process", "processes"), Column("share", "CPU share", "%")),
            [{"process": name, "share": share} for name, share in shares.items()],
        ),
        Figures(
            "memory of the page's process while it reads a recording",
            (
                Column("suffix", "recording"),
                Column("minutes", "minutes"),
                Column("peak", "peak above its start", "MB"),
                Column("answer", "answer"),
            ),
            memory,
        ),
    ]


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if len(known) == len(values) else None


@contextmanager
def _served(folder: Path, bits_per_second: float, latency: float) -> Iterator[SlowServer]:
    with SlowServer(folder, bits_per_second, latency) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def _page(browser: "Browser", url: str) -> Iterator["Page"]:
    context = browser.new_context(
        viewport={"width": 360, "height": 720}, permissions=["microphone"], locale="en-GB"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    yield page
    context.close()


def _first_visit(browser: "Browser", folder: Path) -> dict[str, float | None]:
    """Seconds from the address to ready and to an answer, None where none came, and bytes."""
    with _served(folder, SLOW_4G, LATENCY) as server:
        started = time.perf_counter()
        with _page(browser, server.url) as page:
            page.wait_for_timeout(1000 * max(0, TAP_AFTER - (time.perf_counter() - started)))
            page.click("#listen-button")
            page.wait_for_selector(READY)
            ready = time.perf_counter() - started
            answer = None
            while answer is None and time.perf_counter() - started < ready + GIVE_UP:
                if page.inner_text("#answer"):
                    answer = time.perf_counter() - started
                page.wait_for_timeout(50)
        return {"sent": float(server.sent), "ready": ready, "answer": answer}


def _listening(browser: "Browser", folder: Path, seconds: float) -> tuple[dict[str, float], float]:
    """Kind of process → its share of a core while the page listens; and layouts a second."""
    with _served(folder, FAST, 0) as server, _page(browser, server.url) as page:
        page.wait_for_selector(READY)
        page.click("#listen-button")
        page.wait_for_timeout(1000 * WARM_UP)
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")

        def layouts() -> float:
            found = metrics.send("Performance.getMetrics")["metrics"]
            return next(float(one["value"]) for one in found if one["name"] == "LayoutCount")

        before, drawn = _cpu_seconds(browser), layouts()
        started = time.perf_counter()
        page.wait_for_timeout(1000 * seconds)
        taken = time.perf_counter() - started
        after = _cpu_seconds(browser)
        rate = (layouts() - drawn) / taken
    return {kind: (after[kind] - before.get(kind, 0)) / taken for kind in after}, rate


def _processes(browser: "Browser") -> list[tuple[str, psutil.Process]]:
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return [(one["type"], psutil.Process(one["id"])) for one in found]


def _cpu_seconds(browser: "Browser") -> dict[str, float]:
    seconds: dict[str, float] = {}
    for kind, process in _processes(browser):
        times = process.cpu_times()
        seconds[kind] = seconds.get(kind, 0.0) + times.user + times.system
    return seconds


def _recording(folder: Path, sound: Path, suffix: str, minutes: float) -> Path:
    """Music of so many minutes: a piece that is encoded once, and repeated."""
    piece, path = folder / f"piece.{suffix}", folder / f"{minutes:g}.{suffix}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    subprocess.run([*command, "-i", str(sound), "-b:a", "128k", str(piece)], check=True)
    repeated = ["-stream_loop", "-1", "-i", str(piece), "-t", str(60 * minutes), "-c", "copy"]
    subprocess.run([*command, *repeated, str(path)], check=True)
    return path


def _memory(browser: "Browser", folder: Path, recording: Path) -> tuple[float, str]:
    """Peak above its start, bytes, and the table's line."""
    with _served(folder, FAST, 0) as server, _page(browser, server.url) as page:
        page.wait_for_selector(READY)
        page.click("#to-files")
        known = {process.pid: process for kind, process in _processes(browser) if kind == "renderer"}
        before = {pid: process.memory_info().rss for pid, process in known.items()}
        peaks = dict(before)
        page.set_input_files("#file-input", str(recording))
        while page.locator("#files-clear:not([hidden])").count() == 0:
            for pid, process in known.items():
                peaks[pid] = max(peaks[pid], process.memory_info().rss)
            page.wait_for_timeout(1000 * LOOK)
        answer = " ".join(page.inner_text("#results-body tr").split())
    return float(max(peaks[pid] - before[pid] for pid in known)), answer
