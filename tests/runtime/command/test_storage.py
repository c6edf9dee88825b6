"""Disks that are full, and disks without locks, as they are: a small tmpfs, and a system call that fails."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, and what fills it but for so many bytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(command).returncode:
        pytest.skip("only root can mount a small disk")

    def fill() -> None:
        with suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass

    yield disk, fill
    subprocess.run(["umount", "-l", disk], check=True)


SOUND_CARD = """
import sys, threading, time, types
import numpy as np

class PortAudioError(Exception):
    pass

class InputStream:
    def __init__(self, *, callback, **_):
        self.samples, self.callback, self.closed = np.load({samples!r}), callback, False
        self.thread = threading.Thread(target=self.play, daemon=True)
    def start(self):
        self.thread.start()
    def play(self):
        for block in self.samples.reshape(-1, 2205, 1):
            if self.closed:
                return
            self.callback(block, 2205, None, None)
            time.sleep(0.005)
        open({over!r}, "w").close()
        while not self.closed:
            self.callback(np.zeros((2205, 1), np.float32), 2205, None, None)
            time.sleep(0.1)
    def close(self):
        self.closed = True

module = types.ModuleType("sounddevice")
module.PortAudioError, module.InputStream = PortAudioError, InputStream
module.query_devices = lambda device, kind: {{"default_samplerate": 22050.0, "max_input_channels": 1}}
sys.modules["sounddevice"] = module
"""


@contextmanager
def hook(folder, code):
    """Environment of a Python that runs this first."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    yield os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_a_log_on_a_full_disk_ends_nothing(program, small_disk, tmp_path, tone):
    """It is said once, and what follows is still on the screen."""
    disk, fill = small_disk
    music = np.concatenate([tone(key, 30.0) for key in ("tango", "rumba", "jive")])
    np.save(tmp_path / "music.npy", music)
    log, over = disk / "evening.txt", tmp_path / "over"
    log.write_text("-" * 4095 + "\n")  # a page
    code = SOUND_CARD.format(samples=str(tmp_path / "music.npy"), over=str(over))
    fill()
    with (
        hook(tmp_path / "hook", code) as environment,
        subprocess.Popen(
            [*program, "--live", "--log", log],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process,
    ):
        deadline = time.monotonic() + 200
        while not over.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if line[2:3] == ":"] == ["Tango", "Rumba", "Jive"]
    once = f"{log}: cannot be written (No space left on device); listening goes on without it"
    assert " ".join(out.split()).count("cannot be written") == 1
    assert once.replace(" ", "") in "".join(out.split())  # wrapped where the folder's name is long


def test_answers_on_a_full_disk_still_show_the_table(program, small_disk, sound, tmp_path):
    disk, fill = small_disk
    songs = [sound(f"{i}.wav", key, 12.0) for i, key in enumerate(("tango", "rumba", "jive"))]
    fill()

    def run(*options):
        return subprocess.run([*program, *options, *songs], capture_output=True, text=True)

    done = run("--resume", disk / "full.answers")
    assert done.returncode == 1
    assert f"{disk / 'full.answers'}: cannot be read or written (No space left on device)" in done.stderr
    (disk / "full").unlink()
    answers = disk / "answers"
    subprocess.run([*program, "--resume", answers, songs[0]], check=True, capture_output=True)
    before = answers.read_bytes()
    fill()
    done = run("--resume", answers)
    assert done.returncode == 1
    assert all(name in done.stdout for name in ("Tango", "Rumba", "Jive"))
    said = f"{answers}: cannot be read or written (No space left on device); the answers from here on"
    assert done.stderr.count(said) == 1
    assert "Traceback" not in done.stderr
    (disk / "full").unlink()  # and when there is room again, it goes on
    done = run("--json", "--resume", answers)
    assert [row["dance"] for row in json.loads(done.stdout)] == ["tango", "rumba", "jive"]
    assert answers.read_bytes().startswith(before)
    assert len(answers.read_bytes().splitlines()) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_mount_without_locks_ends_nothing(program, sound, tmp_path, number):
    """`flock` fails in all processes, as on a disk in a network that has no locks."""
    songs = [sound(f"{i}.wav", key, 12.0) for i, key in enumerate(("tango", "rumba"))]
    code = f"import fcntl, os\ndef flock(*_): raise OSError({number}, os.strerror({number}))\n"
    code += "fcntl.flock = flock\n"
    options = ["--json", "--resume", tmp_path / "answers", "--playlists", tmp_path / "lists", "--write-tags"]
    with hook(tmp_path / "hook", code) as environment:
        for _ in range(2):
            command = [*program, *options, *songs]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            assert done.returncode == 0, done.stderr
            assert [row["dance"] for row in json.loads(done.stdout)] == ["tango", "rumba"]
    assert len((tmp_path / "answers").read_bytes().splitlines()) == 3
    assert sys.platform != "linux" or "0.wav" in (tmp_path / "lists/Tango.m3u8").read_text()
