"""What makes a training step of the rhythmogram fast: trunk, arithmetic, compiling it, larger batches."""

import shutil
import warnings
from collections.abc import Callable
from itertools import product

import torch
from torch.nn import functional

from benchmarks.report import Column, Figures, Row, Section
from benchmarks.timing import Spread, in_turn
from runtime.mel import N_MELS
from runtime.segments import SEGMENT_FRAMES
from training.networks.models import RHYTHMOGRAM, build

CLASSES = 21


def run(*, batches: int = 5, batch_sizes: tuple[int, ...] = (64, 128)) -> Section:
    """Steps of both trunks on the CPU, in turn, each setting in float32 and bfloat16, eager and compiled.

    Parameters
    ----------
    batches : int
        Steps of each that count; one before them warms up, and compiles.
    batch_sizes : tuple of int
    """
    compiler = shutil.which("g++") or shutil.which("clang++")
    settings = list(product(("mobilenet", "dense"), (False, True), (False, True)[: 2 if compiler else 1]))
    rows: list[Row] = []
    for size in batch_sizes:
        mel = torch.rand(size, 1, N_MELS, SEGMENT_FRAMES)
        steps = {s: _step(*s, mel) for s in settings}
        taken = in_turn({str(s): step for s, step in steps.items()}, runs=batches)
        for trunk, halved, compiled in settings:
            seconds = taken[str((trunk, halved, compiled))]
            rows.append(
                {
                    "trunk": trunk,
                    "arithmetic": "bfloat16" if halved else "float32",
                    "compiled": "yes" if compiled else "no",
                    "batch": size,
                    "segments": Spread.of([size / s for s in seconds]),
                }
            )
    columns = (
        Column("trunk", "trunk"),
        Column("arithmetic", "arithmetic"),
        Column("compiled", "torch.compile"),
        Column("batch", "batch size"),
        Column("segments", "segments per second"),
    )
    notes = [
        "Forward, backward and AdamW of the branch on autocorrelations on one batch that lies ready, its "
        "image made in the step; bfloat16 by autocast.",
    ]
    if not compiler:
        notes.append("torch.compile wants a C++ compiler, and this machine has none.")
    return Section(
        name="steps",
        title="Training: what makes a step of the rhythmogram fast",
        settings={"threads": torch.get_num_threads(), "batches": batches, "classes": CLASSES},
        tables=[Figures("", columns, rows)],
        notes=notes,
    )


def _step(trunk: str, halved: bool, compiled: bool, mel: torch.Tensor) -> Callable[[], None]:
    network = build(RHYTHMOGRAM, classes=[f"dance_{i}" for i in range(CLASSES)], trunk=trunk).train()
    optimizer = torch.optim.AdamW(network.parameters())
    targets = torch.arange(len(mel)) % CLASSES
    forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network) if compiled else network

    def step() -> None:
        with warnings.catch_warnings(), torch.autocast("cpu", torch.bfloat16, enabled=halved):
            warnings.simplefilter("ignore")  # of torch's compiler, about itself
            loss = functional.cross_entropy(forward(mel).float(), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
