"""How much faster this commit trains than another: segments per second in halls, with and without a teacher.

Both train by `python -m training train`, each in a process of its own and in turn. Two runs of different
length are timed, and their difference divides out what every run does once: imports, the corpus, checkpoints.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import Column, Figures, Row, Section
from benchmarks.revision import ROOT, checkout, environment
from benchmarks.timing import Spread
from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import WhichdanceError

BATCH_SIZE = 64
SHORT = 3  # batches of the shorter run
CASES = {"acf in halls": ("acf", 0.5), "mel in halls": ("mel", 0.75)}
WANTED = 2.5


def run(*, against: str, batches: int = 24, runs: int = 3) -> Section:
    """Train the two branches of a rhythmogram for a few batches, by both commits.

    Parameters
    ----------
    against : str
        The other commit.
    batches : int
        By which the longer run is longer.
    runs : int
        Of each; medians count.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary, checkout(against) as other:
        folder = Path(temporary)
        labels = ",".join((*DANCE_KEYS, OTHER))  # which every commit knows
        small = ("--dances", labels, "--hours", "0.3", "--seconds", "20", "--store", str(folder / "store"))
        _python(ROOT, "corpus", str(folder / "corpus"), *small)
        for name, (branch, share) in CASES.items():
            for taught in (False, True):
                rates: dict[Path, list[float]] = {ROOT: [], other: []}
                for _ in range(runs):
                    for tree, found in rates.items():
                        found.append(_rate(tree, folder, branch, share, batches, taught=taught))
                ratios = np.array(rates[ROOT]) / np.array(rates[other])
                rows.append(
                    {
                        "what": f"{name}{', with a teacher' if taught else ''}",
                        "share": share,
                        "now": Spread.of(rates[ROOT]),
                        "before": Spread.of(rates[other]),
                        "ratio": float(np.median(ratios)),
                    }
                )
    columns = (
        Column("what", "branch"),
        Column("share", "in halls", "%"),
        Column("now", "segments per second"),
        Column("before", f"by {against}"),
        Column("ratio", "ratio", "×"),
    )
    return Section(
        name="speedup",
        title=f"Training: this commit against {against}",
        settings={
            "against": against,
            "batch_size": BATCH_SIZE,
            "batches": batches,
            "runs": runs,
            "threads": 1,
        },
        tables=[Figures("segments of 5.2 s per second", columns, rows)],
        notes=[
            "One thread for the network, one loading process; ours with a dense trunk in bfloat16 where the "
            "other has MobileNetV3's in float32, as each is meant to be used.",
            f"The aim is {WANTED:g} × in each row.",
        ],
    )


def _rate(tree: Path, folder: Path, branch: str, share: float, batches: int, *, taught: bool) -> float:
    """Segments per second of a commit."""
    ours = tree == ROOT
    dense = ("--trunk", "dense", "--precision", "bf16-mixed") if ours else ()
    words = [
        *("--architecture", "rhythmogram", "--branches", branch, "--classes", "11", *dense),
        *("--batch-size", str(BATCH_SIZE), "--lr", "0.001", "--threads", "1", "--workers", "1"),
        *("--stretch", "0.06", "--tilt", "2", "--noise", "0.3", "--mask", "0.3", "--hall", str(share)),
        *("--epochs", "1", "--evaluate-every", "1", "--store", str(folder / "store")),
    ]
    manifest = _training_rows_only(folder)
    if taught:
        teacher = folder / f"{branch}-{'now' if ours else 'before'}"
        if not teacher.exists():
            _python(tree, "train", str(manifest), *words, "--batches-per-epoch", "1", "-o", str(teacher))
        words += ["--teacher", str(teacher / "last.pt")]
    seconds = [
        _timed(tree, folder, manifest, [*words, "--batches-per-epoch", str(n)])
        for n in (SHORT, SHORT + batches)
    ]
    return batches * BATCH_SIZE / (seconds[1] - seconds[0])


def _training_rows_only(folder: Path) -> Path:
    """The corpus without the recordings that an evaluation at the end of the run would hear."""
    path = folder / "corpus" / "train.csv"
    if not path.exists():
        header, *rows = (folder / "corpus" / "manifest.csv").read_text("utf-8").splitlines()
        path.write_text("\n".join([header, *(row for row in rows if ",train," in row)]) + "\n", "utf-8")
    return path


def _timed(tree: Path, folder: Path, manifest: Path, words: Sequence[str]) -> float:
    output = folder / "run"
    shutil.rmtree(output, ignore_errors=True)
    started = time.perf_counter()
    _python(tree, "train", str(manifest), *words, "-o", str(output))
    return time.perf_counter() - started


def _python(tree: Path, *words: str) -> None:
    command = [sys.executable, "-m", "training", *words]
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True)
    if done.returncode:
        raise WhichdanceError(f"{tree}: {' '.join(command[2:])}: {done.stderr.strip()[-500:]}")
