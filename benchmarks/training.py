"""Throughput of the training loop: images per second, and how much of the time it waits for data."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks import machine
from benchmarks.report import Chart, Column, Figures, Row, Section
from benchmarks.sounds import write_music
from benchmarks.timing import Spread, in_turn
from runtime.dances import DANCE_KEYS
from runtime.mel import N_MELS
from runtime.segments import SEGMENT_FRAMES
from training.data.manifest import Recording
from training.data.store import Store, Stored
from training.learning.loop import train
from training.learning.progress import Progress, Watcher
from training.networks.models import ARCHITECTURES, RHYTHMOGRAM, build
from training.settings import Machine, Settings

SECONDS = 30.0  # length of a recording
SAMPLE_RATE = 22_050  # Hz


def run(
    *, architectures: Sequence[str] = (*ARCHITECTURES, RHYTHMOGRAM), batches: int = 8, batch_size: int = 8
) -> Section:
    """Train architectures for a few batches on generated recordings, on the CPU and on a GPU if there is one.

    Parameters
    ----------
    architectures : sequence of str
    batches : int
        That count; one before them warms up.
    batch_size : int
        Images per batch; the thesis takes 8.
    """
    accelerators = ["cpu"] + (["gpu"] if torch.cuda.is_available() else [])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        stored = _recordings(folder)
        for architecture in architectures:
            for accelerator in accelerators:
                settings = Settings(
                    architecture, batches_per_epoch=batches + 1, batch_size=batch_size, epochs=1
                )
                run_dir = folder / f"{architecture}-{accelerator}"
                run_dir.mkdir()
                rows.append(_measured(settings, stored, run_dir, accelerator))
                for checkpoint in run_dir.iterdir():
                    checkpoint.unlink()
    columns = (
        Column("network", "network"),
        Column("device", "device"),
        Column("images", "images per second"),
        Column("bare", "of bare steps"),
        Column("waited", "waiting for data", "%"),
    )
    return Section(
        name="training",
        title="Training: throughput of the loop",
        settings={
            "threads": torch.get_num_threads(),
            "loading_processes": 1,
            "batches": batches,
            "batch_size": batch_size,
        },
        tables=[Figures("images of 224×224 per second", columns, rows, Chart("network", "images", "device"))],
        notes=[
            "A step is everything from cutting the batch to the optimiser; evaluation and checkpoints are "
            "not counted, nor is the first batch. Median and quartiles of the batches.",
            "Bare steps: forward, backward and Adam in plain torch on one batch that lies ready, in the "
            "same run. They keep torch's default layout; the loop takes `channels_last`, so it can be "
            "faster than bare.",
            f"GPU: {machine.gpu_name() or 'none in this machine'}.",
        ],
    )


def _recordings(folder: Path) -> Sequence[Stored]:
    """One recording per dance with its spectrogram; to the loop's speed it is all the same what they play."""
    recordings = [
        Recording(write_music(folder / f"{key}.flac", SECONDS, SAMPLE_RATE, seed=i), key)
        for i, key in enumerate(DANCE_KEYS)
    ]
    return Store(folder / "store").collect(recordings).stored


def _measured(settings: Settings, stored: Sequence[Stored], run_dir: Path, accelerator: str) -> Row:
    # (seconds, seconds waited) since the start, after each batch
    totals: list[tuple[float, float]] = []

    class Noting(Watcher):
        def report(self, progress: Progress) -> None:
            busy = progress.batches * settings.batch_size / progress.images_per_second
            totals.append((busy, progress.waited * busy))

    machine = Machine(accelerator=accelerator, devices="1")
    train(settings, stored, (), run_dir, machine=machine, watcher=Noting())
    steps = np.diff(totals, axis=0)
    bare = _bare_steps(settings, accelerator, len(steps))
    return {
        "network": settings.architecture,
        "device": accelerator,
        "images": Spread.of((settings.batch_size / steps[:, 0]).tolist()),
        "bare": settings.batch_size / Spread.of(bare).median,
        "waited": steps[:, 1].sum() / steps[:, 0].sum(),
    }


def _bare_steps(settings: Settings, accelerator: str, batches: int) -> list[float]:
    """Seconds of each step on one batch that lies ready: what a loop without data could reach."""
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    network = build(settings.architecture).to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), settings.lr)
    mel = torch.rand(settings.batch_size, 1, N_MELS, SEGMENT_FRAMES, device=device)
    targets = torch.arange(settings.batch_size, device=device) % len(DANCE_KEYS)

    def step() -> None:
        functional.cross_entropy(network(mel), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return in_turn({"": step}, runs=batches)[""]
