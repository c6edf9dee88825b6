"""The ring buffer and the level meter."""

import subprocess
import sys
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobile_app.core.ring import RingBuffer


def ramp(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)


@given(
    capacity=st.integers(1, 40),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=30),
)
def test_ring_gives_back_what_went_in_except_the_oldest(capacity: int, steps: list[tuple[bool, int]]) -> None:
    ring = RingBuffer(capacity)
    held: list[float] = []
    written = lost = 0
    for is_write, count in steps:
        if is_write:
            ring.write(ramp(written, count))
            held += ramp(written, count).tolist()
            written += count
            lost += max(0, len(held) - capacity)
            held = held[max(0, len(held) - capacity) :]
        else:
            samples, dropped = ring.read(count, timeout=0)
            taken = min(count, len(held))
            assert samples.tolist() == held[:taken]
            assert dropped == lost
            held, lost = held[taken:], 0
        assert len(ring) == len(held) <= capacity


def test_offer_waits_for_room_and_loses_nothing() -> None:
    ring, got = RingBuffer(64), []
    writer = threading.Thread(target=lambda: (ring.offer(ramp(0, 1000)), ring.close()))
    writer.start()
    while not ring.exhausted:
        samples, dropped = ring.read(50, timeout=5)
        assert dropped == 0
        got += samples.tolist()
    writer.join()
    assert got == ramp(0, 1000).tolist()


def test_ring_has_all_its_memory_from_the_start() -> None:
    """Later it would come page by page, in the audio callback, and look like a leak."""
    # In a process of its own: what other tests have freed would be handed out again, and count as there.
    capacity = 16_000_000
    script = (
        "import psutil; from mobile_app.core.ring import RingBuffer; process = psutil.Process(); "
        f"before = process.memory_info().rss; ring = RingBuffer({capacity}); "
        "print(process.memory_info().rss - before)"
    )
    came = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(came) > 0.9 * 4 * capacity


def test_a_closed_ring_takes_nothing_and_lets_a_waiting_writer_go() -> None:
    ring = RingBuffer(10)
    result: list[bool] = []
    writer = threading.Thread(target=lambda: result.append(ring.offer(ramp(0, 100))))
    writer.start()
    ring.close()
    writer.join(5)
    assert result == [False]
    ring.write(ramp(0, 5))
    ring.read(10, timeout=0)
    assert ring.exhausted


def test_a_chunk_larger_than_the_ring_keeps_its_end() -> None:
    ring = RingBuffer(4)
    ring.write(ramp(0, 10))
    samples, dropped = ring.read(10, timeout=0)
    assert samples.tolist() == [6, 7, 8, 9]
    assert dropped == 6
