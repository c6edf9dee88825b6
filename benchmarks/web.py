"""The page in a real browser against the runtime in Python: start, work per second of sound, memory."""

import base64
import gzip
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from benchmarks import networks
from benchmarks.listening import SAMPLE_RATE
from benchmarks.report import Chart, Column, Figures, Row, Section, Target
from benchmarks.sounds import BLOCK_SECONDS, music
from benchmarks.timing import Spread, ratios
from runtime.errors import WhichdanceError
from runtime.live import LiveClassifier
from runtime.mel import N_MELS, Float32, MelStream
from runtime.model import Model
from web_app.build import build
from web_app.serve import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 600_000  # ms
CHUNK = 4096  # samples, what the page's audio thread hands over
SEGMENTS = 10  # per measurement of the network
UPDATE_SECONDS = 32  # of sound per measurement of listening
LOOKS = 6  # moments at which memory is looked at
SHARE_AIM = 0.15  # of a core, with an update every second

PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
START_PYODIDE = """async () => {
  const started = performance.now();
  const { loadPyodide } = await import('/pyodide.mjs');
  (await loadPyodide()).runPython('1 + 1');
  return performance.now() - started;
}"""

# Everything that is measured in the page; times are milliseconds.
PREPARE = """async ({ samples, rate }) => {
  const module = (name) => import(new URL(`engine/${name}.js`, location.href));
  const [{ loadDefinition, loadFrontEnd }, { MelStream }, { OnnxNetwork }, { PlayingMusic }] =
    await Promise.all(['definition', 'mel', 'network', 'session'].map(module));
  const definition = await loadDefinition();
  const frontEnd = await loadFrontEnd(definition, rate);
  const network = await OnnxNetwork.load(definition);
  const sound = new Float32Array(Uint8Array.from(atob(samples), (c) => c.charCodeAt(0)).buffer);
  const segment = new Float32Array(definition.model.segment_frames * definition.front_end.n_mels).fill(1);
  const listening = { stream: new MelStream(frontEnd), heard: 0 };
  listening.session = new PlayingMusic(definition, network);
  const chunks = (stream, take) => async () => {
    const started = performance.now();
    for (let i = 0; i < sound.length; i += CHUNK) await take(stream.push(sound.subarray(i, i + CHUNK)));
    return performance.now() - started;
  };
  window.measure = {
    mel: chunks(new MelStream(frontEnd), () => undefined),
    network: async (count) => {
      const started = performance.now();
      for (let i = 0; i < count; i++) await network.run(segment);
      return performance.now() - started;
    },
    listen: async (seconds) => {
      const [started, before] = [performance.now(), listening.heard];
      while (listening.heard - before < seconds) {
        await chunks(listening.stream, async (frames) => {
          listening.heard += CHUNK / rate;
          if ((await listening.session.push(frames)).length) listening.session.prediction(listening.heard);
        })();
      }
      return { taken: performance.now() - started, heard: listening.heard - before };
    },
  };
}""".replace("CHUNK", str(CHUNK))


def run(
    *, seconds: float = 3600, model: str | None = None, runs: int = 5, pyodide: str | None = None
) -> Section:
    """Measure the page in Chromium.

    Parameters
    ----------
    seconds : float
        Of sound, heard faster than it sounds, while memory is looked at.
    model : str, optional
        The default shipped model if None.
    runs : int
        Measurements that the medians are of.
    pyodide : str, optional
        Folder of the npm package, to measure what Python in the browser would cost instead.

    Raises
    ------
    WhichdanceError
        If Chromium, Playwright or the packages from npm are missing.
    """
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        path = networks.model_file(model, folder)
        built = build(folder / "page", model=path)  # both sides compute with the same file
        with _served(built.folder) as url, launched() as browser:
            starts = _starts(browser, url, runs, built.download)
            if pyodide is not None:
                starts += _starts_of_pyodide(browser, Path(pyodide), runs)
            page = browser.new_context(service_workers="block").new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"{url}manifest.webmanifest")  # an address of the same origin that does nothing itself
            sound = music(BLOCK_SECONDS, SAMPLE_RATE)[:, 0]
            text = base64.b64encode(np.ascontiguousarray(sound, "<f4").tobytes()).decode()
            page.evaluate(PREPARE, {"samples": text, "rate": SAMPLE_RATE})
            work = _work(page, Model.load(path, threads=1), sound, runs)
            memory, share = _hour(_process(browser), page, seconds)
            version = browser.version
    return Section(
        name="web",
        title="Web: the page in a browser against the runtime in Python",
        settings={
            "seconds": seconds,
            "sample_rate": SAMPLE_RATE,
            "runs": runs,
            "threads": 1,
            "model": networks.label_of(model),
            "browser": f"Chromium {version}",
            "download": f"{built.download / 1e6:.1f} MB",
        },
        tables=_tables(starts, work, memory),
        targets=[Target("share of one core while listening", share, SHARE_AIM, at_least=False)],
        notes=[
            "The first visit downloads everything from this machine and fills the cache; the second one "
            "reads it from there.",
            "Listening is everything from samples to the answer, for one second of sound with its update.",
            "The CPU share is the process's CPU time over the length of the sound, which is heard faster "
            "than it sounds; drawing the screen is not part of it.",
        ],
    )


def _tables(starts: list[Row], work: list[Row], memory: list[Row]) -> list[Figures]:
    return [
        Figures(
            "from the address to a page that is ready to listen",
            (Column("visit", "visit"), Column("time", "time", "s"), Column("download", "download", "MB")),
            starts,
        ),
        Figures(
            "work, one thread each",
            (
                Column("what", "what"),
                Column("page", "page", "ms"),
                Column("native", "Python", "ms"),
                Column("ratio", "page, relative to Python", "×"),
            ),
            work,
        ),
        Figures(
            "the page's process while it listens, an update every second",
            (
                Column("heard", "minutes heard"),
                Column("rss", "resident", "MB"),
                Column("share", "CPU share of one core", "%"),
            ),
            memory,
            Chart("heard", "rss"),
        ),
    ]


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with Server(folder, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.url
        server.shutdown()


@contextmanager
def launched(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator["Browser"]:
    """Debian's Chromium, as the benchmarks of the page start it; `environment` comes on top of ours."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise WhichdanceError(
            "the page is measured by Playwright: pip install 'whichdance[bench]'"
        ) from error
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise WhichdanceError("the page is measured in Chromium; install it (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[*ARGUMENTS, *arguments],
            env={**os.environ, **(environment or {})},
        )
        yield browser
        browser.close()


def _starts(browser: "Browser", url: str, runs: int, download: int) -> list[Row]:
    """A first visit and a second one, each in a fresh profile."""
    seconds: dict[str, list[float]] = {"first": [], "second": []}
    for _ in range(runs):
        context = browser.new_context()
        for taken in seconds.values():
            page = context.new_page()
            started = time.perf_counter()
            page.goto(url)
            page.wait_for_selector("html[data-ready=yes]", timeout=PATIENCE)
            taken.append(time.perf_counter() - started)
            page.close()
        context.close()
    return [
        {"visit": visit, "time": Spread.of(taken), "download": download if visit == "first" else 0}
        for visit, taken in seconds.items()
    ]


def _starts_of_pyodide(browser: "Browser", folder: Path, runs: int) -> list[Row]:
    """Python's interpreter alone, without numpy, which its npm package lacks; sizes as gzip leaves them."""
    missing = [name for name in PYODIDE if not (folder / name).is_file()]
    if missing:
        raise WhichdanceError(f"{folder}: no npm package of pyodide, {missing[0]} is missing")
    seconds: dict[str, list[float]] = {"first": [], "second": []}
    with _served(folder) as url:
        for _ in range(runs):
            context = browser.new_context(bypass_csp=True)
            for taken in seconds.values():
                page = context.new_page()
                page.goto(f"{url}package.json")
                page.set_default_timeout(PATIENCE)
                taken.append(page.evaluate(START_PYODIDE) / 1000)
                page.close()
            context.close()
    size = sum(len(gzip.compress((folder / name).read_bytes(), 9)) for name in PYODIDE)
    return [
        {
            "visit": f"{visit}, Pyodide alone",
            "time": Spread.of(taken),
            "download": size if visit == "first" else 0,
        }
        for visit, taken in seconds.items()
    ]


def _work(page: "Page", model: Model, sound: Float32, runs: int) -> list[Row]:
    """Both sides in turn."""
    stream = MelStream(SAMPLE_RATE)
    listener = LiveClassifier(SAMPLE_RATE, model=model)
    segment = np.ones((1, 1, N_MELS, model.info.segment_frames), np.float32)
    chunks = [sound[i : i + CHUNK] for i in range(0, len(sound), CHUNK)]

    def native(what: str) -> None:
        if what == "mel":
            for chunk in chunks:
                stream.push(chunk)
        elif what == "network":
            for _ in range(SEGMENTS):
                model.run(segment)
        else:
            for _ in range(UPDATE_SECONDS // BLOCK_SECONDS):
                for chunk in chunks:
                    listener.push(chunk)

    measured: list[tuple[str, str, Any, int]] = [
        ("mel", "front end, per second of sound", None, BLOCK_SECONDS),
        ("network", "network, per segment", SEGMENTS, SEGMENTS),
        ("listen", "listening, per second of sound", UPDATE_SECONDS, UPDATE_SECONDS),
    ]
    rows: list[Row] = []
    for what, name, argument, divisor in measured:
        theirs, ours = [], []
        for number in range(-1, runs):
            found = page.evaluate(f"(argument) => measure.{what}(argument)", argument)
            taken = (found["taken"] if what == "listen" else found) / 1000 / divisor
            started = time.perf_counter()
            native(what)
            own = (time.perf_counter() - started) / divisor
            if number >= 0:  # the round before warms up
                theirs.append(taken)
                ours.append(own)
        spreads = Spread.of(theirs), Spread.of(ours)
        rows.append({"what": name, "page": spreads[0], "native": spreads[1], "ratio": ratios(theirs, ours)})
    return rows


def _process(browser: "Browser") -> psutil.Process:
    """The process of the page that has worked."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    renderers = [psutil.Process(one["id"]) for one in processes if one["type"] == "renderer"]
    return max(renderers, key=_cpu_seconds)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _hour(process: psutil.Process, page: "Page", seconds: float) -> tuple[list[Row], float]:
    """Memory and CPU share while the page hears so much sound; the share over all of it."""
    rows: list[Row] = [{"heard": 0.0, "rss": process.memory_info().rss, "share": None}]
    begun, total = _cpu_seconds(process), 0.0
    for _ in range(LOOKS):
        before = _cpu_seconds(process)
        heard = page.evaluate("(seconds) => measure.listen(seconds)", seconds / LOOKS)["heard"]
        total += heard
        share = (_cpu_seconds(process) - before) / heard
        rows.append({"heard": total / 60, "rss": process.memory_info().rss, "share": share})
    return rows, (_cpu_seconds(process) - begun) / total
