"""How well the app follows an evening: `python -m tests.mobile_app.evening`.

Medleys of the examples are played to the real app as if by a microphone, as fast as it listens, and what it
says is compared with what was played:

- first name: seconds of music until the right dance is named, at the beginning;
- change: seconds from the beginning of the next dance until it is named;
- wrong names: other dances that were named meanwhile, per dance;
- set list: dances of the history that are right and in order, of those that were played.

The examples are made by whichdance's own orchestra, so these figures say how the app works, not how well the
model knows real music. `--out FILE` saves a picture of the last evening.
"""

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import argparse
import difflib
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from mobile_app.core.interfaces import Platform
from mobile_app.core.session import Session, State
from mobile_app.devices.desktop import DesktopSystem
from mobile_app.devices.file_source import FileSource
from mobile_app.ui.app import WhichDanceApp
from runtime import Model
from runtime.audio import read
from tests.mobile_app.driver import Driver

EXAMPLES = Path(__file__).parents[2] / "examples"
PAUSE_SECONDS = 3.0  # of a quiet room between two dances
ROOM = 1e-3  # its noise, of full scale


@dataclass
class Heard:
    """What was said while one medley played.

    Attributes
    ----------
    said : list of (float, str)
        Second of the recording and dance, whenever another dance is named.
    lines : list of str
        Dances of the history.
    """

    said: list[tuple[float, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def medley(keys: list[str], seconds: float, seed: int) -> tuple[np.ndarray, int, list[float]]:
    """Samples, sampling rate, and where each dance begins, s."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    starts = []
    for key in keys:
        samples, rate = read(EXAMPLES / f"{key}.ogg")
        starts.append(sum(len(part) for part in parts) / rate)
        parts.append(np.resize(samples, round(seconds * rate)))
        parts.append(np.zeros(round(PAUSE_SECONDS * rate), np.float32))
    sound = np.concatenate(parts)
    return (sound + rng.normal(0, ROOM, len(sound))).astype(np.float32), rate, starts


def listen(driver: Driver, app: WhichDanceApp) -> Heard:
    """One session of the real app, to its end."""
    heard = Heard()
    before: str | None = None
    app.listening.listen()
    session = app.listening.session
    assert isinstance(session, Session)
    while session.snapshot.state is not State.FINISHED:
        driver.frames(1)
        dance = session.snapshot.answer.dance
        if dance and dance != before:
            heard.said.append((session.snapshot.elapsed, dance))
            before = dance
    if session.snapshot.saved is not None:
        heard.lines = [line.dance or "" for line in app.history.lines(session.snapshot.saved)]
    return heard


def delays(heard: Heard, keys: list[str], starts: list[float]) -> tuple[list[float], int, int]:
    """Seconds until each dance was named (without those that never were), wrong names, and missed dances."""
    found, missed, wrong = [], 0, 0
    ends = [*starts[1:], float("inf")]
    for key, start, end in zip(keys, starts, ends, strict=True):
        named = [(at, dance) for at, dance in heard.said if start <= at < end]
        right = [at - start for at, dance in named if dance == key]
        found += right[:1]
        missed += not right
        wrong += sum(dance != key for _, dance in named)
    return found, wrong, missed


def main(arguments: list[str] | None = None) -> int:
    """Play, listen, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.mobile_app.evening", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--medleys", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--dances", type=int, default=5, help="in each (default: 5)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each dance (default: 40)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a picture of the last evening (PNG)")
    options = parser.parse_args(arguments)
    known = sorted(path.stem for path in EXAMPLES.glob("*.ogg"))
    first, change, wrong, missed, played, right = [], [], 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "medley.wav"
        system = DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=folder)
        platform = Platform(
            system,
            lambda: FileSource(str(file)),
            FileSource,
            lambda model: Model.load(model or None, threads=1),
        )
        driver = Driver(WhichDanceApp(platform, folder / "data", animated=False))
        app = driver.app
        app.change_settings(update_rate="lively", language="en")
        for seed in range(options.medleys):
            order = np.random.default_rng(seed).permutation(known).tolist()
            keys = [order[i % len(order)] for i in range(options.dances)]
            samples, rate, starts = medley(keys, options.seconds, seed)
            soundfile.write(file, samples, rate)
            heard = listen(driver, app)
            found, more_wrong, more_missed = delays(heard, keys, starts)
            first += found[:1]
            change += found[1:]
            wrong, missed, played = wrong + more_wrong, missed + more_missed, played + len(keys)
            matching = difflib.SequenceMatcher(None, keys, heard.lines, autojunk=False)
            right += sum(block.size for block in matching.get_matching_blocks())
            print(f"played  {' '.join(keys)}\nheard   {' '.join(heard.lines)}")
        if options.out:
            app.show_evening(app.history.entries()[0].id)
            driver.picture(options.out)
        driver.close()
    print(f"first name after {np.median(first):.1f} s (median)" if first else "no first name")
    if change:
        print(f"change named after {np.median(change):.1f} s (median), {max(change):.1f} s at most")
    print(f"wrong names: {wrong} in {played} dances; never named: {missed}")
    print(f"set list: {right} of {played} dances right and in order")
    return 0


if __name__ == "__main__":
    sys.exit(main())
