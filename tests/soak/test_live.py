"""Long evenings at speed: memory stays flat, and an update at the end costs what the first one did.

Minutes of music in CI; `pytest tests/soak/test_live.py --soak-hours 24 -s` for a day and a night.
"""

import math
import resource
import statistics
import sys
import time

import numpy as np
import pytest

from runtime import LiveClassifier
from runtime.dances import DANCE_KEYS
from runtime.errors import AudioError

RATE = 8_000  # Hz: the least that is accepted; the path is the same, and an hour takes seconds
BLOCK = RATE // 2
SONG_SECONDS = 180
PAUSE_SECONDS = 15
MOST_GROWTH = 24 * 1024  # KiB, allocators' play
MOST_SLOWER = 1.5


def resident() -> int:
    """KiB of this process now."""
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def evening(tone, seconds: float):
    """Blocks of half a second: songs of changing dances, pauses, now and then a gap or a spoiled block."""
    generator = np.random.default_rng(0)
    songs = {key: tone(key, 1.0, RATE) for key in DANCE_KEYS}
    silence = np.zeros(BLOCK, np.float32)
    position = 0.0
    while position < seconds:
        key = DANCE_KEYS[generator.integers(len(DANCE_KEYS))]
        for i in range(2 * SONG_SECONDS):
            block = songs[key][BLOCK * (i % 2) :][:BLOCK] * np.float32(generator.uniform(0.2, 1.0))
            yield block + generator.normal(0, 1e-3, BLOCK).astype(np.float32)
        for _ in range(2 * PAUSE_SECONDS):
            yield silence
        position += SONG_SECONDS + PAUSE_SECONDS


@pytest.mark.parametrize("aggregation", ["evidence", "mean"])
def test_a_long_evening(tiny_model, tone, pytestconfig, aggregation):
    seconds = 3600 * pytestconfig.getoption("soak_hours")
    live = LiveClassifier(RATE, model=tiny_model, threads=1, aggregation=aggregation)
    memory: list[int] = []
    n_blocks = math.ceil(seconds / (SONG_SECONDS + PAUSE_SECONDS)) * 2 * (SONG_SECONDS + PAUSE_SECONDS)
    window = max(100, n_blocks // 10)
    first: list[float] = []
    last: list[float] = []
    started = time.monotonic()
    for number, block in enumerate(evening(tone, seconds)):
        if number % 5_000 == 1_000:
            live.gap(1.0)
        if number % 7_000 == 2_000:
            with pytest.raises(AudioError):
                live.push(np.full(BLOCK, np.nan, np.float32))
        before = time.thread_time()
        prediction = live.push(block)
        cost = time.thread_time() - before
        if prediction is not None:
            assert math.isfinite(prediction.confidence)
            if number < window:
                first.append(cost)
            elif number >= n_blocks - window:
                last.append(cost)
        if number >= window and number % max(1, n_blocks // 40) == 0:
            memory.append(resident())
    growth = max(memory[len(memory) // 2 :]) - memory[0]
    # the lower quartile: what an update costs where nothing else had the processor
    slower = statistics.quantiles(last)[0] / statistics.quantiles(first)[0]
    print(
        f"\n{aggregation}: {n_blocks / 7200:.2f} h of music in {time.monotonic() - started:.0f} s; an update "
        f"at the end takes {slower:.2f} times the first ones; memory grew by {growth / 1024:.1f} MB"
    )
    assert growth < MOST_GROWTH
    assert slower < MOST_SLOWER
