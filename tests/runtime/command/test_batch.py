"""Many recordings, on one process or several."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from runtime import formats
from runtime.command import batch, cli
from runtime.formats import SUFFIXES


def test_processes_give_the_same_output(whichdance, music):
    one = whichdance("--json", "--threads", "1", music)
    assert one[2].count("\n") == 2
    assert whichdance("--json", "--jobs", "2", music) == one


def test_a_process_that_dies_costs_one_answer(tiny_model, sound, tmp_path):
    paths = [str(sound(f"{i}.wav", "jive")) for i in range(3)]
    program = (
        "import os, sys, runtime.command.batch as b, runtime.classifier as c\n"
        "def heard(self, path): return os._exit(9) if path.endswith('1.wav') else (None, None)\n"
        "if __name__ != '__main__': c.Classifier.heard = heard\n"
        "else:\n"
        "    outcomes = list(b.Batch(model=sys.argv[1], jobs=2).classify(sys.argv[2:]))\n"
        "    print([o.error for o in outcomes])\n"
    )
    (tmp_path / "dies.py").write_text(program)
    result = subprocess.run(
        [sys.executable, tmp_path / "dies.py", tiny_model, *paths],
        capture_output=True,
        text=True,
        timeout=180,
    )
    died = f"{paths[1]}: the process that listened to it died; is memory short?"
    assert result.stdout == f"{[None, died, None]}\n"


def test_an_empty_folder_and_a_missing_file_are_errors(whichdance, tmp_path):
    (tmp_path / "empty").mkdir()
    status, out, err = whichdance(tmp_path / "empty", tmp_path / "missing.mp3")
    assert (status, out) == (1, "")
    assert f"{tmp_path}/empty: no recordings in this folder" in err
    assert f"{tmp_path}/missing.mp3: no such file" in err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_standard_input(program, sound, jobs):
    path = sound("a.flac", "jive")
    with path.open("rb") as recording:
        done = subprocess.run(
            [*program, "--json", "--jobs", jobs, "-", path], stdin=recording, capture_output=True, text=True
        )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = json.loads(done.stdout)
    assert first.pop("path") == "-"
    assert second.pop("path") == str(path)
    assert first == second


@pytest.mark.parametrize("option", [["--cue", "a.cue"], ["--playlists", "."], ["--write-tags"]])
def test_standard_input_has_no_name(whichdance, option):
    status, _, err = whichdance(*option, "-")
    assert status == 2
    assert f"{option[0]} needs the name of a file; standard input has none" in err


def test_nothing_on_standard_input(program):
    done = subprocess.run([*program, "-"], input="", capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "whichdance: <stdin>: the file is empty\n"


SPOILED = """
import os, signal, sys, runtime.command.batch as b, runtime.classifier as c
def heard(self, path):
    fault = os.path.basename(path)
    if fault.startswith("segv"): os.kill(os.getpid(), signal.SIGSEGV)
    if fault.startswith("abort"): os.abort()
    if fault.startswith("struct"): raise __import__("struct").error("unpack requires\\n4 bytes")
    if fault.startswith("memory"): raise MemoryError
    if fault.startswith("print"): os.write(1, b"libsndfile says hello"); os.write(2, b"so does libmpg123")
    return None, None
if __name__ != "__main__":
    c.Classifier.heard = heard
else:
    print([o.error for o in b.Batch(model=sys.argv[1], jobs=int(sys.argv[2])).classify(sys.argv[3:])])
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_whatever_one_recording_does_the_others_are_answered(tiny_model, tmp_path, jobs):
    (tmp_path / "spoiled.py").write_text(SPOILED)
    names = ["a.wav", "segv.wav", "b.wav", "abort.wav", "struct.wav", "memory.wav", "print.wav", "c.wav"]
    result = subprocess.run(
        [sys.executable, tmp_path / "spoiled.py", tiny_model, str(jobs), *names],
        capture_output=True,
        text=True,
        timeout=180,
    )
    died = "the process that listened to it died"
    assert ast.literal_eval(result.stdout) == [
        None,
        f"segv.wav: {died} (SIGSEGV): the file brought down its decoder",
        None,
        f"abort.wav: {died} (SIGABRT): the file brought down its decoder",
        "struct.wav: cannot be listened to (error: unpack requires 4 bytes)",
        "memory.wav: there is not enough memory to listen to it",
        None,
        None,
    ]
    assert "says hello" not in result.stderr


@pytest.mark.parametrize("option", ["--jobs", "--threads"])
def test_more_than_cores_are_not_started(whichdance, music, option, monkeypatch):
    seen = []
    on_processes = batch._classify_on_processes
    monkeypatch.setattr(batch, "_classify_on_processes", lambda *a: seen.append(a) or on_processes(*a))
    monkeypatch.setattr(cli, "cores", lambda: 1)
    _, out, err = whichdance(option, "100000", "--json", music)
    assert f"{option} 100000: this computer has 1 cores" in err
    assert json.loads(out)[0]["dance"] == "rumba"
    [(_, jobs, options)] = seen
    assert jobs == 1
    assert options["threads"] in (None, 1)


def test_nothing_of_a_keeper_stops_the_others(whichdance, sound, tmp_path):
    """A name with a line break fits into no playlist; the other recordings' do."""
    sound("music/a\nb.wav", "tango")
    sound("music/c.wav", "rumba")
    status, out, err = whichdance("--json", "--playlists", tmp_path / "lists", tmp_path / "music")
    assert status == 1
    assert "a name with a line break" in err
    assert len(json.loads(out)) == 2
    assert "c.wav" in (tmp_path / "lists" / "Rumba.m3u8").read_text()


def test_places_that_cannot_be_written_are_noticed_before_the_work(whichdance, sound, tmp_path, monkeypatch):
    path = sound("a.wav", "tango")
    (tmp_path / "lists").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr("runtime.classifier.Classifier.heard", None)  # would be an error
    for option in ("--playlists", "--rekordbox", "--cue", "--resume", "-o"):
        target = tmp_path / "lists" if option == "--playlists" else tmp_path / "lists" / "x"
        status, _, err = whichdance(option, target, path)
        assert status == 1
        assert "cannot be written" in err
    (tmp_path / "file").write_text("")
    assert "folder cannot be made" in whichdance("--playlists", tmp_path / "file" / "x", path)[2]


def test_a_folder_is_searched_through_links_and_every_file_comes_once(sound, tmp_path):
    song = sound("music/a.wav", "tango")
    other = sound("elsewhere/b.wav", "rumba")
    (tmp_path / "music" / "linked").symlink_to(other.parent)
    (tmp_path / "music" / "loop").symlink_to(tmp_path / "music")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "c.wav").symlink_to(song)
    (tmp_path / "music" / "d.wav").hardlink_to(song)
    music = str(tmp_path / "music")
    found, failures = batch.find_recordings([music, f"{music}/../music", str(song), str(other)])
    assert found == [str(song), f"{music}/linked/b.wav"]
    assert failures == []


def test_files_that_are_not_there_come_once_too(tmp_path):
    missing = str(tmp_path / "missing.wav")
    (tmp_path / "dangling.wav").symlink_to("nowhere.wav")
    dangling = str(tmp_path / "dangling.wav")
    assert batch.find_recordings([missing, missing, str(tmp_path)])[0] == [missing, dangling]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg says what it reads")
def test_whatever_ffmpeg_calls_a_suffix_of_the_demuxers_that_it_may_use_is_searched_for():
    found = set()
    for demuxer in formats.DEMUXERS.replace("\\,", "_").split(","):
        command = ["ffmpeg", "-hide_banner", "-h", f"demuxer={demuxer}"]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        listed = re.search(r"Common extensions: (.*)\.", text)
        found |= {f".{suffix}" for suffix in listed[1].split(",")} if listed else set()
    assert {".mp4", ".mka", ".ape", ".tta"} <= found
    assert found - SUFFIXES == {".avif", ".apl", ".ism"}  # pictures, lists of other files
