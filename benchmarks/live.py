"""The microphone: how soon an answer follows the sound, what listening costs, whether memory grows."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import networks
from benchmarks.report import Column, Plot, Row, Section, Table
from benchmarks.sounds import BLOCK_SECONDS, music
from benchmarks.timing import fresh_process

SAMPLE_RATE = 48_000  # Hz, what most microphones give
CHUNK_SECONDS = 0.1  # pushed at a time
CHECKPOINTS = 6  # moments at which memory is looked at


def run(*, seconds: float = 3600, model: str | None = None, threads: int = 1) -> Section:
    """Push audio as a microphone would, only faster, in a process of its own.

    Parameters
    ----------
    seconds : float
        Length of the audio.
    model : str, optional
        The default shipped model if None.
    threads : int
        Of the network.
    """
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        sound = folder / "music.npy"  # made here, since making it takes more memory than listening
        np.save(sound, music(BLOCK_SECONDS, SAMPLE_RATE)[:, 0])
        model_path = networks.model_file(model, folder)
        arguments = ["-m", "benchmarks.live", model_path, str(sound), str(seconds), str(threads)]
        found = json.loads(fresh_process(arguments))
    latency: list[Row] = [
        {
            "updates": found["updates"],
            "p50": found["p50"],
            "p99": found["p99"],
            "worst": found["worst"],
            "cpu": found["cpu_share"],
        }
    ]
    memory: list[Row] = [{"heard": minutes, "rss": rss} for minutes, rss in found["memory"]]
    return Section(
        name="live",
        title="Live: listening to a microphone, an update every second",
        settings={
            "seconds": seconds,
            "sample_rate": SAMPLE_RATE,
            "chunk_seconds": CHUNK_SECONDS,
            "threads": threads,
            "model": networks.label_of(model),
        },
        tables=[
            Table(
                "from the last sample of a segment to the updated prediction",
                (
                    Column("updates", "updates"),
                    Column("p50", "p50", "ms"),
                    Column("p99", "p99", "ms"),
                    Column("worst", "worst", "ms"),
                    Column("cpu", "CPU share of one core", "%"),
                ),
                latency,
            ),
            Table(
                "memory of the process",
                (Column("heard", "minutes heard"), Column("rss", "resident", "MB")),
                memory,
                Plot("heard", "rss"),
            ),
        ],
        notes=[
            "The CPU share is CPU time of the whole process, of pushing alone, over the length of the audio."
        ],
    )


def measure(model: str, sound: str, seconds: float, threads: int) -> dict[str, Any]:
    """Listen to a sound again and again; seconds per update, CPU share, and memory as it goes."""
    import psutil

    from runtime.classifier import LiveClassifier

    process = psutil.Process()
    listener = LiveClassifier(SAMPLE_RATE, model=model, threads=threads)
    chunk_length = round(CHUNK_SECONDS * SAMPLE_RATE)
    latencies: list[float] = []
    memory: list[tuple[float, int]] = []
    cpu_seconds = heard = 0.0
    next_look = 0.0
    samples = np.load(sound)
    while heard < seconds:
        for start in range(0, len(samples), chunk_length):
            chunk = samples[start : start + chunk_length]
            cpu, started = time.process_time(), time.perf_counter()
            prediction = listener.push(chunk)
            taken = time.perf_counter() - started
            cpu_seconds += time.process_time() - cpu
            if prediction is not None:
                latencies.append(taken)
        heard += len(samples) / SAMPLE_RATE
        if heard >= next_look:
            memory.append((heard / 60, process.memory_info().rss))
            next_look += seconds / CHECKPOINTS
    p50, p99, worst = np.quantile(latencies, (0.5, 0.99, 1.0)).tolist()
    return {
        "updates": len(latencies),
        "p50": p50,
        "p99": p99,
        "worst": worst,
        "cpu_share": cpu_seconds / heard,
        "memory": memory,
    }


def main(arguments: Sequence[str]) -> None:
    """Print what `measure` finds as JSON."""
    model, sound, seconds, threads = arguments
    print(json.dumps(measure(model, sound, float(seconds), int(threads))))


if __name__ == "__main__":
    main(sys.argv[1:])
