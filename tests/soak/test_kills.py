"""kill -9 at any moment: nothing that was there is lost, nothing is half there, and what is left is swept.

A few kills of each writer in CI; `pytest tests/soak/test_kills.py --kills 30 -s` kills 270 times.
"""

import multiprocessing
import random
import sys
import time
from pathlib import Path

import pytest

from tests.soak import writers

MOST_SECONDS = 0.3  # of life after it began to write
# Loaded once, so that a process that is to be killed is there within milliseconds.
LIBRARIES = [
    "numpy",
    "soundfile",
    "mutagen",
    "torch",
    "training.networks.models",
    "training.data.store",
    "export.publish",
]


@pytest.fixture(scope="module")
def context():
    sys.path.insert(0, str(Path(__file__).parents[2]))  # where the processes find `tests.soak.writers`
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context


@pytest.mark.parametrize("name", sorted(writers.WRITERS))
def test_whatever_is_killed(name, context, tmp_path, pytestconfig):
    writer = writers.WRITERS[name]
    generator = random.Random(name)
    folder = tmp_path / "target"
    folder.mkdir()
    writer.prepare(folder)
    kills = pytestconfig.getoption("kills")
    for number in range(kills):
        ready = tmp_path / f"ready {number}"
        process = context.Process(target=writers.run, args=(name, folder, ready))
        process.start()
        deadline = time.monotonic() + 120
        while not ready.exists():
            assert time.monotonic() < deadline
            assert process.is_alive()
            time.sleep(0.002)
        time.sleep(generator.uniform(0, MOST_SECONDS))
        assert process.is_alive()  # it has not failed by itself
        process.kill()
        process.join()
        writer.check(folder)
    writer.write(folder)
    writer.check(folder)
    writers.no_leftovers(folder)
    print(f"\n{name}: {kills} kills, nothing lost, nothing left")
