"""Damaged and hostile files: an error that names them, or an answer. No crash, hang or blow-up, nothing left.

A few seconds in CI; `pytest tests/fuzz --fuzz-seconds 3600 -s` for an hour, `--fuzz-seed N` for other damage.
"""

import json
import random
import selectors
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import write_tiny_model
from tests.fuzz import seeds
from tests.fuzz.mutation import mutated

LEAST = 40  # damaged inputs of each kind, however busy the machine is
BLOW_UP = 1_500_000  # KiB of resident memory


class Child:
    """The process that is tried out; started anew when it died."""

    def __init__(self, model: Path, scratch: Path, patience: float) -> None:
        self._patience = patience  # s for files of some kilobytes; the machine may be busy
        self._command = [sys.executable, Path(__file__).with_name("child.py"), model, scratch]
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, kind: str, path: Path) -> tuple[str, str]:
        """'answered', 'refused', or what is wrong, and why."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
            assert self._reply()["result"] == "ready"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"kind": kind, "path": str(path)}).encode() + b"\n")
        reply = self._reply()
        if reply["result"] in ("crash", "hang", "noise"):
            self.close()
        elif reply["memory"] > BLOW_UP:
            self.close()
            return "blow-up", f"{reply['memory'] / 1e6:.1f} GB"
        return reply["result"], reply["why"]

    def _reply(self) -> dict[str, object]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        deadline = time.monotonic() + self._patience
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(deadline - time.monotonic()):
                    return {"result": "hang", "why": f"no answer within {self._patience:g} s"}
                data = self._process.stdout.read(65_536)
                if not data:
                    return {"result": "crash", "why": f"exit status {self._process.wait()}"}
                line += data
        try:
            return json.loads(line)
        except ValueError:
            return {"result": "noise", "why": f"on standard output: {line[:200]!r}"}

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def child(tmp_path_factory, pytestconfig):
    folder = tmp_path_factory.mktemp("child")
    scratch = folder / "scratch"
    scratch.mkdir()
    patience = pytestconfig.getoption("fuzz_patience")
    child = Child(write_tiny_model(folder / "tiny.onnx"), scratch, patience)
    yield child
    child.close()
    assert list(scratch.iterdir()) == []  # of all that was decoded no temporary file is left


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tone):
    """Seeds by kind: {kind: {name: content}}."""
    folder = tmp_path_factory.mktemp("seeds")
    for name in ("recordings", "app", "store"):
        (folder / name).mkdir()
    recordings = seeds.recordings(folder / "recordings", tone)
    return {
        "recording": recordings | seeds.REPORTED,
        "tags": {name: recordings[name] for name in seeds.TAGGED if name in recordings},
        "model": {"tiny.onnx": write_tiny_model(folder / "tiny.onnx").read_bytes()},
        "history": seeds.history(folder / "app"),
        "store": seeds.store(folder / "store"),
    }


@pytest.mark.parametrize("kind", ["recording", "tags", "model", "history", "store"])
def test_damaged_files_harm_nothing(kind, child, corpus, tmp_path, pytestconfig):
    seconds, seed = pytestconfig.getoption("fuzz_seconds"), pytestconfig.getoption("fuzz_seed")
    generator = random.Random(f"{kind} {seed}")
    contents = corpus[kind]
    names = list(contents)
    everything = [content for group in corpus.values() for content in group.values()]
    counts: Counter[str] = Counter()
    found: list[str] = []
    deadline = time.monotonic() + seconds / len(corpus)
    while counts.total() < len(names) + LEAST or time.monotonic() < deadline:
        # first all seeds as they are
        name = names[counts.total()] if counts.total() < len(names) else generator.choice(names)
        content = contents[name]
        if counts.total() >= len(names):
            content = mutated(content, generator.choice(everything), generator)
        folder = tmp_path / "input"
        folder.mkdir()
        path = folder / name
        path.write_bytes(content)
        result, why = child.ask(kind, path)
        counts[result] += 1
        undamaged = kind == "recording" and content is contents[name] and name in seeds.MUSIC
        if undamaged and f"{result} {why}" not in seeds.HEARD:
            result, why = "wrong", f"the undamaged file was {result}: {why}"
        if result not in ("answered", "refused"):
            kept = tmp_path / f"{len(found)}-{name}"
            kept.write_bytes(content)
            found.append(f"{result}: {kept}: {why}")
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
        if len(found) == 20:
            break
    told = ", ".join(f"{number} {result}" for result, number in sorted(counts.items()))
    print(f"\n{kind}: {counts.total()} inputs, {told}")
    assert not found, "\n".join(found)
    assert counts["answered"] > 0
