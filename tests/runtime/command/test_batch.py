"""Many recordings, on one process or several."""

import json
import subprocess
import sys

import pytest


def test_processes_give_the_same_output(whichdance, music):
    one = whichdance("--json", "--threads", "1", music)
    assert one[2].count("\n") == 2
    assert whichdance("--json", "--jobs", "2", music) == one


def test_a_process_that_dies_costs_one_answer(tiny_model, sound, tmp_path):
    paths = [str(sound(f"{i}.wav", "jive")) for i in range(3)]
    program = (
        "import os, sys, runtime.command.batch as b, runtime.classifier as c\n"
        "def classify(self, path): os._exit(9) if path.endswith('1.wav') else None\n"
        "if __name__ != '__main__': c.Classifier.classify = classify\n"
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
