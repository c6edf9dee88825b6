"""A microphone's hour in a process of its own, which imports nothing but the runtime: for `benchmarks.live`.

`python -m benchmarks.listening MODEL SOUND SECONDS THREADS` prints JSON.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from runtime.live import LiveClassifier
from runtime.mel import N_MELS

SAMPLE_RATE = 48_000  # Hz, what most microphones give
CHUNK_SECONDS = 0.1  # pushed at a time
LOOKS = 6  # moments at which memory is looked at


def listen(model: str, sound: str, seconds: float, threads: int) -> dict[str, Any]:
    """Hear a sound again and again, faster than it sounds; seconds per update, CPU share and memory.

    Parameters
    ----------
    model : str
        An .onnx file.
    sound : str
        A .npy file of mono float32 samples at 48 kHz.
    seconds : float
        Of sound, at least; the last repetition is heard to its end.
    threads : int
        Of the network.
    """
    process = psutil.Process()
    listener = LiveClassifier(SAMPLE_RATE, model=model, threads=threads)
    samples = np.load(sound)
    chunk_length = round(CHUNK_SECONDS * SAMPLE_RATE)
    latencies: list[float] = []
    lengths = listener.model.info.context_frames
    windows = [np.ones((1, 1, N_MELS, n), np.float32) for n in sorted({lengths[0], lengths[-1]})]
    network: list[float] = []  # the peer: the same network on the windows of an update, which are ready
    memory: list[tuple[float, int]] = []
    cpu_seconds = heard = next_look = 0.0
    while heard < seconds:
        for start in range(0, len(samples), chunk_length):
            chunk = samples[start : start + chunk_length]
            cpu, started = time.process_time(), time.perf_counter()
            prediction = listener.push(chunk)
            taken = time.perf_counter() - started
            cpu_seconds += time.process_time() - cpu
            if prediction is not None:
                latencies.append(taken)
                started = time.perf_counter()
                for window in windows:
                    listener.model.run(window)
                network.append(time.perf_counter() - started)
        heard += len(samples) / SAMPLE_RATE
        if heard >= next_look or heard >= seconds:
            memory.append((heard / 60, process.memory_info().rss))
            next_look += seconds / LOOKS
    p50, p99, worst = np.quantile(latencies, (0.5, 0.99, 1.0)).tolist()
    return {
        "updates": len(latencies),
        "p50": p50,
        "p99": p99,
        "worst": worst,
        "network": float(np.median(network)),
        "cpu_share": cpu_seconds / heard,
        "memory": memory,
    }


def main(arguments: Sequence[str]) -> None:
    """Print what `listen` finds as JSON."""
    model, sound, seconds, threads = arguments
    print(json.dumps(listen(model, sound, float(seconds), int(threads))))


if __name__ == "__main__":
    main(sys.argv[1:])
