"""Nothing leaves the device: listening opens no network connection, in Python or below it.

Also the way to lift the pin of onnxruntime (constraints.txt): install the newer version and run this file.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "rumba.ogg"

LISTEN = """
import sys

seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "smtplib.", "ftplib.")):
        seen.append((event, repr(arguments)))
sys.addaudithook(watch)

import numpy as np
import runtime, runtime.audio
from runtime.command import cli

music = sys.argv[1:]
samples, rate = runtime.audio.read(music[0])
live = runtime.LiveClassifier(rate)
for start in range(0, 8 * rate, rate // 2):
    live.push(samples[start : start + rate // 2])
status = cli.main(["--json", "-o", sys.argv[2], sys.argv[1]])
import json
print(json.dumps({"status": status, "seen": seen}))
"""


def _listen(tmp_path: Path, *before: str) -> dict[str, object]:
    command = [*before, sys.executable, "-c", LISTEN, EXAMPLE, tmp_path / "answers.json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_python_opens_no_connection(tmp_path):
    assert _listen(tmp_path) == {"status": 0, "seen": []}


def test_the_hook_would_see_one(tmp_path):
    program = LISTEN.split("import numpy")[0] + (
        "import socket\nwith socket.socket() as s:\n    s.connect_ex(('127.0.0.1', 9))\nprint(seen)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "socket.connect" in result.stdout


def _may_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _may_trace(), reason="strace shows what libraries written in C do")
@pytest.mark.parametrize("suffix", [".ogg", ".m4a"])
def test_nor_does_anything_below_it(tmp_path, suffix):
    """The whole command with its worker process, and for .m4a with ffmpeg, by the kernel's own account."""
    folder = tmp_path / "music"
    folder.mkdir()
    if suffix == ".m4a":
        if shutil.which("ffmpeg") is None:
            pytest.skip("needs ffmpeg")
        subprocess.run(["ffmpeg", "-v", "error", "-i", EXAMPLE, folder / "a.m4a"], check=True)
    else:
        shutil.copy(EXAMPLE, folder / "a.ogg")
    shutil.copy(folder / f"a{suffix}", folder / f"b{suffix}")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-q", "-e", "trace=network", "-e", "signal=none", "-o", trace, sys.executable]
    command += ["-m", "runtime.command", "--csv", folder]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=EXAMPLE.parents[1])
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 3
    calls = trace.read_text()
    assert not re.findall(r".*AF_INET.*|.*AF_NETLINK.*", calls)
    assert not re.findall(r".*\bconnect\(.*", calls)
