"""The microphone: how soon an answer follows the sound, what listening costs, whether memory grows."""

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import networks
from benchmarks.listening import CHUNK_SECONDS, SAMPLE_RATE
from benchmarks.report import Chart, Column, Figures, Row, Section
from benchmarks.sounds import BLOCK_SECONDS, music
from benchmarks.timing import fresh_process


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
        sound = folder / "music.npy"
        np.save(sound, music(BLOCK_SECONDS, SAMPLE_RATE)[:, 0])
        model_path = networks.model_file(model, folder)
        arguments = ["-m", "benchmarks.listening", model_path, str(sound), str(seconds), str(threads)]
        found = json.loads(fresh_process(arguments))
    latency: list[Row] = [
        {key: found[key] for key in ("updates", "p50", "p99", "worst", "network", "cpu_share")}
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
            Figures(
                "from the last sample of a segment to the updated prediction",
                (
                    Column("updates", "updates"),
                    Column("p50", "p50", "ms"),
                    Column("p99", "p99", "ms"),
                    Column("worst", "worst", "ms"),
                    Column("network", "network alone, p50", "ms"),
                    Column("cpu_share", "CPU share of one core", "%"),
                ),
                latency,
            ),
            Figures(
                "memory of the process",
                (Column("heard", "minutes heard"), Column("rss", "resident", "MB")),
                memory,
                Chart("heard", "rss"),
            ),
        ],
        notes=[
            "The CPU share is the process's CPU time while it pushes, over the length of the audio.",
            "The network alone hears a segment, and the longest window where the model takes longer ones.",
        ],
    )
