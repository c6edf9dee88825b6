"""How a command ends: its status, and one line on standard error."""

import argparse
import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.command import cli
from runtime.command.exits import Exit, fraction, moment, printable, run, whole
from runtime.errors import AudioError, ParameterError


def test_a_reader_that_has_seen_enough_is_no_error(program, music):
    with subprocess.Popen(
        [*program, "--json", music / "a.wav", music / "b tango.flac"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.wait(120) == 141
        assert process.stderr.read() == ""


def test_a_full_disk_is_one_clear_error(program, sound):
    with open("/dev/full", "w") as full:
        arguments = [*program, "--json", sound("a.wav", "jive")]
        result = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "whichdance: the results cannot be written (No space left on device)\n"


def test_a_terminated_run_leaves_nothing_half_written(program, sound, tmp_path):
    long = sound("long.wav", "jive", 600.0, 8_000)
    (tmp_path / "out").mkdir()
    options = ["--stride", "1", "--json", "-o", tmp_path / "out" / "answers.json"]
    with subprocess.Popen([*program, *options, *[long] * 50], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 180
        while not list((tmp_path / "out").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list((tmp_path / "out").iterdir())  # the temporary file
        process.terminate()
        assert process.wait(120) == 143
        assert process.stderr.read() == ""
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_model_is_one_clear_error(capsys, sound):
    assert cli.main(["--model", "nowhere.onnx", str(sound("a.wav", "jive"))]) == 1
    assert capsys.readouterr() == ("", "whichdance: nowhere.onnx: no such model file\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (None, 0, ""),
        (AudioError("a.wav: no such file"), 1, "tool: a.wav: no such file\n"),
        (ParameterError("stride must be at least 1, got 0"), 2, "tool: stride must be at least 1, got 0\n"),
        (KeyboardInterrupt(), 130, "tool: interrupted\n"),
        (PermissionError(13, "Permission denied", "a.txt"), 1, "Permission denied: 'a.txt'\n"),
    ],
)
def test_errors_become_a_status_and_a_line(capfd, error, status, message):
    def work(args: argparse.Namespace) -> int | None:
        if error is not None:
            raise error
        return None

    parser = argparse.ArgumentParser(prog="tool")
    parser.set_defaults(func=work)
    assert run(parser, []) == status
    assert capfd.readouterr().err.endswith(message)


def test_a_status_is_handed_on():
    parser = argparse.ArgumentParser(prog="tool")
    parser.set_defaults(func=lambda args: Exit.FAILED)
    assert run(parser, []) == 1


def test_mistakes_of_ours_are_not_hidden():
    parser = argparse.ArgumentParser(prog="tool")
    parser.set_defaults(func=lambda args: {}["nothing"])
    with pytest.raises(KeyError):
        run(parser, [])


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("12", 12), (" 3 ", 3)])
def test_whole_numbers(text, number):
    assert whole(1, 12)(text) == number


@pytest.mark.parametrize("text", ["0", "13", "1.5", "x", "", "-1", "inf"])
def test_what_is_no_whole_number_in_range(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number, 1 to 12, got"):
        whole(1, 12)(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("0.7", 0.7), ("1", 1.0)])
def test_fractions(text, number):
    assert fraction(text) == number


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "x", "70 %"])
def test_what_is_no_fraction(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a number from 0 to 1, got"):
        fraction(text)


def test_the_numbers_of_the_command_line_are_checked_in_one_place():
    root = Path(__file__).parents[3]
    folders = ("runtime", "training", "export", "benchmarks", "mobile_app", "examples")
    found = [
        path.relative_to(root).as_posix()
        for folder in folders
        for path in (root / folder).rglob("*.py")
        if re.search(r"^\s*def (whole|_fraction)\b", path.read_text(), re.MULTILINE)
    ]
    assert found == ["runtime/command/exits.py"]


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_closed_stream_is_no_crash(program, sound, closed):
    redirect = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-"}[closed]
    path = sound("a.wav", "jive")
    command = f'exec "$0" "$@" {redirect}'
    done = subprocess.run(["sh", "-c", command, *program, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Jive" in done.stdout) is (closed == "stderr")


def test_ctrl_c_while_libraries_load_is_ctrl_c(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from whichdance.command import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "whichdance: interrupted\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tango – Küss mich (東京).mp3", "Tango – Küss mich (東京).mp3"),
        ("👩\u200d🎤 می\u200cخواهم", "👩\u200d🎤 می\u200cخواهم"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\x9b", r"a\nb\tc\x9b"),
        ("\u202egpj.exe\u2069", r"\u202egpj.exe\u2069"),
        ("caf\udce9", "caf\udce9"),
    ],
)
def test_text_for_a_terminal(text, shown):
    assert printable(text) == shown


def test_libraries_in_c_have_no_say(program, tmp_path, sound):
    """libmpg123 complains on standard error about a broken MP3, without its name; we say it once."""
    path = sound("a.mp3", "tango", 30.0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"rubbish!" * 4000 + data[len(data) // 2 :])
    (tmp_path / "b.mp3").write_bytes(b"this is no music" * 100)
    done = subprocess.run(
        [*program, "--json", path, tmp_path / "b.mp3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert [answer["path"] for answer in json.loads(done.stdout)] == [str(path), str(tmp_path / "b.mp3")]
    assert all(line.startswith(f"whichdance: {tmp_path}") for line in done.stderr.splitlines())


def test_an_answer_that_cannot_be_written_at_the_end_is_said(program, sound):
    with open("/dev/full", "w") as full:
        command = [*program, sound("a.wav", "jive"), sound("b.wav", "tango")]  # a table comes all at once
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "whichdance: the results cannot be written (No space left on device)\n",
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5), ("0:00", 0), ("0.25", 0.25)]
)
def test_times(text, seconds):
    assert moment(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:-2", ":30", "1:", "nan", "inf", "1: 30", "1:nan"])
def test_what_is_no_time(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a time as 1:30 or 90, got"):
        moment(text)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signal")
@pytest.mark.parametrize(
    ("number", "inherited", "status"), [("HUP", "DFL", 129), ("HUP", "IGN", 0), ("TERM", "DFL", 143)]
)
def test_signals_unwind_the_stack(number, inherited, status):
    """HUP may be ignored already, as below nohup; so may these tests be."""
    program = (
        "import argparse, os, signal, sys\n"
        f"signal.signal(signal.SIG{number}, signal.SIG_{inherited})\nfrom runtime.command.exits import run\n"
        "def work(args):\n    try:\n        os.kill(os.getpid(), signal.SIG" + number + ")\n"
        "    finally:\n        print('cleaned up')\n"
        "parser = argparse.ArgumentParser()\nparser.set_defaults(func=work)\nsys.exit(run(parser, []))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, "cleaned up\n", "")


@pytest.mark.parametrize("module", ["numpy", "onnxruntime", "runtime.command.arguments", "argparse"])
def test_ctrl_c_while_libraries_load(module):
    """An interrupt at the moment that a library is looked for."""
    program = (
        "import sys\nclass Interrupted:\n    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\nfrom whichdance.command import main\n"
        "sys.modules.pop('argparse', None)\nsys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program, "x.wav"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "whichdance: interrupted\n")


def test_a_disk_that_is_full_of_answers_does_not_hide_them(whichdance, sound, tmp_path, monkeypatch):
    songs = [sound(f"{i}.wav", key) for i, key in enumerate(("tango", "rumba", "jive"))]
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr("runtime.command.resume.os.fsync", full)
    status, out, err = whichdance("--resume", tmp_path / "answers", *songs)
    assert status == 1
    assert [name for name in ("Tango", "Rumba", "Jive") if name in out] == ["Tango", "Rumba", "Jive"]
    assert f"{tmp_path / 'answers'}: cannot be read or written (No space left on device)" in err


def test_answers_are_kept_where_there_are_no_locks(whichdance, sound, tmp_path, monkeypatch):
    def without(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", without)
    assert whichdance("--resume", tmp_path / "answers", sound("a.wav", "tango"))[0] == 0
    assert len((tmp_path / "answers").read_text().splitlines()) == 2


@pytest.mark.parametrize(("number", "status"), [("INT", 130), ("TERM", 143)])
def test_a_signal_while_a_finaliser_runs_is_not_lost(number, status):
    """Python drops exceptions there, and the import system has such places."""
    program = (
        "import argparse, os, signal, sys, time\nfrom runtime.command.exits import run\n"
        f"signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"class Thing:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIG{number})\n"
        "        time.sleep(0.2)\n"
        "def work(args):\n    Thing()\n    time.sleep(0.2)\n    print('went on')\n"
        "parser = argparse.ArgumentParser(prog='tool')\nparser.set_defaults(func=work)\n"
        "sys.exit(run(parser, []))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    said = "tool: interrupted\n" if number == "INT" else ""
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "status"), [("INT", 130), ("HUP", 129), ("TERM", 143)])
def test_signals_at_any_moment(number, status, tmp_path, tiny_model, sound):
    """From the first line of ours on, while libraries load and while several processes listen."""
    songs = [sound(f"{i}.flac", "tango", 60.0) for i in range(3)]
    default = "signal.default_int_handler" if number == "INT" else "signal.SIG_DFL"
    code = (
        f"import signal, sys\nsignal.signal(signal.SIG{number}, {default})\n"
        "from whichdance.command import main\nprint('begun', flush=True)\nsys.exit(main())"
    )
    command = [sys.executable, "-c", code, "--model", tiny_model, "--stride", "1", *songs]
    generator = random.Random(number)
    unhandled = set() if number == "INT" else {-getattr(signal, f"SIG{number}")}  # nothing is begun yet
    for _ in range(20):
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            start_new_session=True,
        ) as process:
            assert process.stdout.readline() == "begun\n"
            time.sleep(generator.choice([0.1, 1.0, 3.0]) * generator.random())
            os.killpg(process.pid, getattr(signal, f"SIG{number}"))
            _, err = process.communicate(timeout=120)
        assert process.returncode in {status} | unhandled, err
        assert err == ("whichdance: interrupted\n" if number == "INT" else "")
        assert not subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True).stdout
        assert not list(tmp_path.glob("whichdance-*"))
