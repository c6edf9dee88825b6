"""Scores that an export had computed when it was cut off: the same export takes them from there.

Verifying a DenseNet-161 runs a thousand segments through it three times, minutes each.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.atomic import replacing
from runtime.mel import Float32

FOLDER = ".scores"  # in the folder of models, for as long as an export is not done


@dataclass(frozen=True)
class Kept:
    """A folder of scores, by hashes of the network and of its segments."""

    folder: Path

    def scores(self, network: str, segments: Float32, compute: Callable[[], Float32]) -> Float32:
        """What `compute` gives, or gave: `network` is the hash of the file or checkpoint that it runs."""
        content = hashlib.sha256(segments.tobytes())
        content.update(f"{network} {segments.shape}".encode())
        path = self.folder / f"{content.hexdigest()}.npy"
        if path.exists():
            found: Float32 = np.load(path)
            return found
        result = compute()
        self.folder.mkdir(exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as out:
            np.save(out, result)
        return result


@contextmanager
def kept_in(folder: Path) -> Iterator[Kept]:
    """Scores that stay where the process is interrupted or killed, not where the export ends or fails."""
    kept = Kept(folder / FOLDER)
    try:
        yield kept
    except Exception:
        shutil.rmtree(kept.folder, ignore_errors=True)
        raise
    shutil.rmtree(kept.folder, ignore_errors=True)
