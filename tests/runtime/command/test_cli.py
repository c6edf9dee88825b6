"""The command `whichdance`, from arguments to exit status."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.command import cli, report
from runtime.dances import DANCE_KEYS, OTHER

COMMAND = [sys.executable, "-m", "runtime.command.cli"]


@pytest.fixture
def whichdance(tiny_model, capsys):
    """Run the command in this process with the tiny model: (exit status, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            status = cli.main(["--model", str(tiny_model), *map(str, arguments)])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_one_recording_gets_a_ranked_answer(whichdance, sound):
    path = sound("song.flac", "tango", 12.0)
    status, out, err = whichdance(path)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == f"{path}  (0:12)"
    assert lines[1] == "Tango"
    ranking = [line for line in lines if line.startswith("  ")]
    assert len(ranking) == 3
    assert ranking[0].split()[0] == "Tango"
    assert ranking[0].endswith("99 %")  # surer than each of its segments, of 94 %
    assert "━" in ranking[0]


@pytest.mark.parametrize("top", [1, 10])
def test_top_says_how_many_dances_are_shown(whichdance, sound, top):
    _, out, _ = whichdance("--top", str(top), sound("song.wav", "jive"))
    assert sum(line.startswith("  ") for line in out.splitlines()) == top


def test_not_sure_names_the_closest(capsys, make_tiny_model, sound):
    model = make_tiny_model(evidence='{"name_at": 0.999, "release_at": 0.4}')
    assert cli.main(["--model", str(model), str(sound("song.wav", "samba"))]) == 0
    out = capsys.readouterr().out
    assert "Not sure. It is closest to:" in out
    assert "Samba" in out


def test_what_is_left_for_none_of_the_ten_is_shown(capsys, make_tiny_model, sound):
    model = make_tiny_model(none_of_the_ten=True)
    cli.main(["--model", str(model), str(sound("song.wav", "samba"))])
    assert "none of these" in capsys.readouterr().out


def test_a_short_recording_says_that_it_is_short(whichdance, sound):
    assert "Less than one segment" in whichdance(sound("song.wav", "samba", 3.0))[1]


def test_a_folder_gives_a_table_and_reports_what_failed(whichdance, music):
    status, out, err = whichdance(music)
    assert status == 1
    rows = [line for line in out.splitlines() if str(music) in line]
    assert [row.split("/music/")[1].split("  ")[0].strip() for row in rows] == [
        "a.wav",
        "b tango.flac",
        "latin/[jive] :smile:.ogg",
    ]
    assert [dance for row in rows for dance in ("Rumba", "Tango", "Jive") if f" {dance} " in row] == [
        "Rumba",
        "Tango",
        "Jive",
    ]
    errors = err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"whichdance: {music}/broken.mp3: ")
    assert errors[1].startswith(f"whichdance: {music}/short.wav: the recording is 1.00 s long")
    assert "Traceback" not in err


def test_json_has_one_object_per_recording_in_order(whichdance, music, sound):
    first = sound("z.wav", "quickstep")
    status, out, _ = whichdance("--json", first, music)
    answers = json.loads(out)
    assert status == 1
    assert [Path(answer["path"]).name for answer in answers] == [
        "z.wav",
        "a.wav",
        "b tango.flac",
        "broken.mp3",
        "short.wav",
        "[jive] :smile:.ogg",
    ]
    assert [answer.get("dance") for answer in answers] == ["quickstep", "rumba", "tango", None, None, "jive"]
    for answer in answers:
        if "error" in answer:
            assert set(answer) == {"path", "error"}
            assert answer["path"] in answer["error"]
            continue
        assert list(answer["scores"]) == [*DANCE_KEYS, OTHER]
        assert answer["confidence"] == pytest.approx(answer["scores"][answer["dance"]])
        assert answer["duration"] > 5
        assert list(answer["segments"][0]["scores"]) == [*DANCE_KEYS, OTHER]
        assert [part["dance"] for part in answer["parts"]] == [answer["dance"]]


def test_json_of_an_unsure_answer_has_null(capsys, make_tiny_model, sound):
    model = make_tiny_model(evidence='{"name_at": 0.999, "release_at": 0.4}')
    cli.main(["--model", str(model), "--json", str(sound("song.wav", "samba"))])
    assert json.loads(capsys.readouterr().out)[0]["dance"] is None


def test_csv_has_stable_columns(whichdance, music):
    _, out, _ = whichdance("--csv", music)
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == [
        *["path", "dance", "confidence", "best", "duration", "padded", "tempo_bpm", "tempo_mpm", "metre"],
        *DANCE_KEYS,
        OTHER,
        "error",
    ]
    assert {len(row) for row in rows} == {len(rows[0])}
    by_name = {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(out))}
    assert by_name["b tango.flac"]["dance"] == "tango"
    assert float(by_name["b tango.flac"]["tango"]) == pytest.approx(0.99, abs=0.01)
    assert by_name["b tango.flac"]["error"] == ""
    assert by_name["broken.mp3"]["dance"] == ""
    assert "broken.mp3" in by_name["broken.mp3"]["error"]


def test_timeline_shows_each_segment(whichdance, tone, tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, np.concatenate([tone("tango", 12), tone("rumba", 12)]), 22_050)
    _, out, _ = whichdance("--timeline", "--top", "1", path)
    segments = out.splitlines()[1:]
    assert len(segments) == 5
    assert segments[0].split() == ["0:00-0:05", "Tango", "94", "%"]
    assert segments[-1].split()[1] == "Rumba"
    _, finer, _ = whichdance("--timeline", "--stride", "50", path)
    assert len(finer.splitlines()) - 1 == 17


def test_csv_timeline_has_one_row_per_segment(whichdance, sound):
    _, out, _ = whichdance("--csv", "--timeline", sound("a.wav", "tango", 12.0), "nowhere.wav")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["path", "start", "end", *DANCE_KEYS, OTHER, "error"]
    assert [row["start"] for row in rows] == ["0.000", "4.644", ""]
    assert rows[-1]["error"] == "nowhere.wav: no such file"


def test_output_goes_to_a_file_whole_or_not_at_all(whichdance, music, tmp_path, monkeypatch):
    target = tmp_path / "answers.json"
    _, expected, _ = whichdance("--json", music)
    assert whichdance("--json", "-o", target, music)[:2] == (1, "")
    assert target.read_text() == expected

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.classifier.Classifier.classify", interrupted)
    assert whichdance("--json", "-o", target, music)[0] == 130
    monkeypatch.undo()
    assert target.read_text() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "music"]


def test_processes_give_the_same_output(whichdance, music):
    one = whichdance("--json", "--threads", "1", music)
    assert one[2].count("\n") == 2
    assert whichdance("--json", "--jobs", "2", music) == one


def test_min_confidence_turns_answers_into_not_sure(whichdance, sound):
    path = sound("song.wav", "jive")
    answer = json.loads(whichdance("--json", "--min-confidence", "0.99", path)[1])[0]
    assert (answer["dance"], answer["best"], answer["tempo_bpm"], answer["metre"]) == (
        None,
        "jive",
        None,
        None,
    )
    assert json.loads(whichdance("--json", "--min-confidence", "0.8", path)[1])[0]["dance"] == "jive"


def test_an_empty_folder_and_a_missing_file_are_errors(whichdance, tmp_path):
    (tmp_path / "empty").mkdir()
    status, out, err = whichdance(tmp_path / "empty", tmp_path / "missing.mp3")
    assert (status, out) == (1, "")
    assert f"{tmp_path}/empty: no recordings in this folder" in err
    assert f"{tmp_path}/missing.mp3: no such file" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--stride", "0", "a.wav"], "--stride: must be a whole number, at least 1, got '0'"),
        (["--stride", "x", "a.wav"], "--stride: must be a whole number"),
        (["--top", "11", "a.wav"], "--top: must be a whole number, 1 to 10"),
        (["--jobs", "-1", "a.wav"], "--jobs: must be a whole number"),
        (["--threads", "0", "a.wav"], "--threads: must be a whole number"),
        (["--min-confidence", "1.5", "a.wav"], "--min-confidence: must be a number from 0 to 1"),
        (["--json", "--csv", "a.wav"], "not allowed with"),
        (["--json"], "no recordings given"),
        (["--overwrite", "a.wav"], "--overwrite goes with --write-tags"),
        (["--dry-run", "a.wav"], "--dry-run goes with --write-tags"),
        (["--device", "1", "a.wav"], "--device goes with --live"),
        (["--live", "a.wav"], "does not go with recordings"),
        (["--live", "--json"], "does not go with --json"),
        (["--live", "--min-confidence", "0"], "does not go with --min-confidence"),
        (["--plot", "out.gif", "a.wav"], "out.gif: a figure is saved as .png, .svg, .pdf"),
        (["--plot", "out.png", "a.wav", "b.wav"], "--plot draws one recording, these are 2"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors_exit_with_2(capsys, arguments, reason):
    try:
        status = cli.main(arguments)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert reason in err


def test_a_missing_model_is_one_clear_error(capsys, sound):
    assert cli.main(["--model", "nowhere.onnx", str(sound("a.wav", "jive"))]) == 1
    assert capsys.readouterr() == ("", "whichdance: nowhere.onnx: no such model file\n")


def test_no_arguments_show_the_short_help(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: whichdance")
    assert "--help" in err


def test_help_shows_examples_that_parse(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 110
    examples = [
        line.split("|")[0].split()[1:] for line in text.splitlines() if line.startswith("  whichdance")
    ]
    assert len(examples) >= 8
    for example in examples:
        cli._parser().parse_args(example)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("whichdance ")


def test_the_shipped_model_is_the_default(shipped_tiny_model, sound, capsys):
    assert cli.main([str(sound("a.wav", "jive"))]) == 0
    assert "Jive" in capsys.readouterr().out


def test_names_that_are_not_utf8_come_out_as_they_are(tiny_model, sound, tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    sound("plain.wav", "jive").rename(tmp_path / name)
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        [*COMMAND, "--model", tiny_model, "--csv", name], cwd=tmp_path, env=environment, capture_output=True
    )
    assert result.returncode == 0
    assert b"\ncaf\xe9.wav,jive," in result.stdout


def test_a_terminal_without_unicode_gets_plain_bars(tiny_model, sound):
    result = subprocess.run(
        [*COMMAND, "--model", tiny_model, sound("a.wav", "jive")],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0
    assert "####" in result.stdout
    assert "\\u" not in result.stdout


def test_a_reader_that_has_seen_enough_is_no_error(tiny_model, music):
    with subprocess.Popen(
        [*COMMAND, "--model", tiny_model, "--json", music / "a.wav", music / "b tango.flac"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.wait(120) == 141
        assert process.stderr.read() == ""


def test_a_full_disk_is_one_clear_error(tiny_model, sound):
    with open("/dev/full", "w") as full:
        arguments = [*COMMAND, "--model", tiny_model, "--json", sound("a.wav", "jive")]
        result = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "whichdance: cannot go on: [Errno 28] No space left on device\n"


def _on_terminal(arguments: list[str], *, interrupt_at: bytes | None = None) -> tuple[int, bytes]:
    """Run the command with standard error on a pseudo terminal; Ctrl-C once it shows something."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        arguments,
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65_536)
            except OSError:  # the last one has closed the terminal
                break
            shown += data
            if interrupt_at is not None and interrupt_at in shown:
                os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to the whole group
                interrupt_at = None
        elif process.poll() is not None:
            break
    process.stdout.close()
    os.close(master)
    try:
        return process.wait(60), shown
    finally:
        process.kill()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_the_terminal_sane(tiny_model, sound, jobs):
    long = sound("long.wav", "jive", 600.0, 8_000)
    arguments = [*COMMAND, "--model", str(tiny_model), "--jobs", jobs, "--stride", "1", *[str(long)] * 50]
    status, shown = _on_terminal(arguments, interrupt_at=b"Listening")
    assert status == 130
    assert b"\x1b[?25l" in shown  # the progress bar hid the cursor
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")  # and it is back
    assert b"Traceback" not in shown
    assert b"KeyboardInterrupt" not in shown


def test_a_terminated_run_leaves_nothing_half_written(tiny_model, sound, tmp_path):
    long = sound("long.wav", "jive", 600.0, 8_000)
    (tmp_path / "out").mkdir()
    options = ["--model", tiny_model, "--stride", "1", "--json", "-o", tmp_path / "out" / "answers.json"]
    with subprocess.Popen([*COMMAND, *options, *[long] * 50], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 180
        while not list((tmp_path / "out").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list((tmp_path / "out").iterdir())  # the temporary file
        process.terminate()
        assert process.wait(120) == 143
        assert process.stderr.read() == ""
    assert not list((tmp_path / "out").iterdir())


def test_no_progress_bar_without_a_terminal(whichdance, music, monkeypatch):
    monkeypatch.setattr(cli, "PROGRESS_DELAY", 0)
    assert whichdance(music / "a.wav", music / "b tango.flac")[2] == ""


def test_a_process_that_dies_costs_one_answer(tiny_model, sound, tmp_path):
    paths = [str(sound(f"{i}.wav", "jive")) for i in range(3)]
    program = (
        "import os, sys, runtime.command.batch as b, runtime.classifier as c\n"
        "def classify(self, path): os._exit(9) if path.endswith('1.wav') else None\n"
        "if __name__ != '__main__': c.Classifier.classify = classify\n"
        "else:\n"
        "    outcomes = list(b.classify_all(sys.argv[2:], model=sys.argv[1], jobs=2))\n"
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


def test_help_and_answers_load_nothing_heavy(tiny_model, sound):
    program = (
        "import sys\nfrom runtime.command.cli import main\nmain(sys.argv[1:])\n"
        "heavy = ('rich', 'matplotlib', 'mutagen', 'sounddevice', 'multiprocessing.pool', 'torch', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    for options in ([], ["--json"], ["--csv"], ["--timeline"]):
        result = subprocess.run(
            [sys.executable, "-c", program, "--model", tiny_model, *options, sound("a.wav", "jive")],
            capture_output=True,
            text=True,
        )
        assert result.stderr == "[]\n"


def test_the_user_guide_names_every_field_and_no_option_that_does_not_exist(whichdance, sound):
    guide = (Path(__file__).parents[3] / "docs" / "user_guide.md").read_text()
    answer = json.loads(whichdance("--json", sound("a.wav", "jive"))[1])[0]
    assert [field for field in answer if f"`{field}`" not in guide] == []
    assert [name for name in report.CSV_COLUMNS if f"`{name}`" not in guide] == []
    known = cli._parser().format_help()
    assert [option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", guide) if option not in known] == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (187.2, "3:07"), (10_800, "180:00")]
)
def test_clock(seconds, text):
    assert report.clock(seconds) == text


@pytest.mark.parametrize(
    ("score", "text"), [(0, "0 %"), (0.004, "<1 %"), (0.936, "94 %"), (0.997, ">99 %"), (1, "100 %")]
)
def test_percent(score, text):
    assert report.percent(score) == text
