"""Another commit beside this one."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.revision import ROOT, checkout, environment
from runtime.errors import WhichdanceError

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone")


def test_a_commit_is_laid_out_and_taken_away_again() -> None:
    with checkout("HEAD") as folder:
        assert (folder / "pyproject.toml").exists()
        found = subprocess.run(
            [sys.executable, "-c", "import runtime; print(runtime.__file__)"],
            cwd=folder,
            env=environment(folder),
            check=True,
            capture_output=True,
            text=True,
        )
        assert Path(found.stdout.strip()).is_relative_to(folder)
    assert not folder.exists()
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "worktree", "list"], check=True, capture_output=True, text=True
    )
    assert str(folder) not in listed.stdout


def test_no_such_commit_is_one_line() -> None:
    with pytest.raises(WhichdanceError, match=r"--against: git says: .*nowhere"), checkout("nowhere"):
        pass
