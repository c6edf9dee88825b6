"""An earlier commit of this repository, to be measured in the same run."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import WhichdanceError

ROOT = Path(__file__).parents[1]


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """The files of a commit in a temporary folder.

    Parameters
    ----------
    revision : str
        Whatever git takes for a commit.

    Raises
    ------
    WhichdanceError
        Outside a clone, or where there is no such commit.
    """
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary) / "revision"
        _git("worktree", "add", "--detach", "--quiet", str(folder), f"{revision}^{{commit}}")
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def environment(folder: Path, *, threads: int = 1) -> dict[str, str]:
    """Of a process that imports the packages in this folder, with so many threads an operator."""
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    return os.environ | limits | {"PYTHONPATH": str(folder)}


def _git(*words: str) -> None:
    try:
        subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise WhichdanceError("--against needs git") from error
    except subprocess.CalledProcessError as error:
        raise WhichdanceError(f"--against: git says: {error.stderr.strip()}") from error
