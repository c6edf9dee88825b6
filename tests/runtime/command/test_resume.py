"""`--resume`: what was answered is not heard again, whatever ended the run before."""

import json
import os
import signal
import subprocess
import time

import pytest

from runtime.prediction import Prediction


@pytest.fixture
def songs(sound, tmp_path):
    for i, key in enumerate(("tango", "rumba", "jive")):
        sound(f"songs/{i}.wav", key, 12.0)
    return tmp_path / "songs"


def _heard(answers) -> list[str]:
    return [os.path.basename(json.loads(line)["path"]) for line in answers.read_text().splitlines()[1:]]


def test_the_second_run_hears_nothing_and_says_the_same(whichdance, songs, tmp_path, monkeypatch):
    answers = tmp_path / "answers"
    first = whichdance("--json", "--resume", answers, songs)
    assert first == whichdance("--json", songs)
    assert _heard(answers) == ["0.wav", "1.wav", "2.wav"]

    def never(*_, **__):
        raise AssertionError("it was heard again")

    monkeypatch.setattr("runtime.command.batch._classify_on_processes", never)
    monkeypatch.setattr("runtime.command.batch._classify", never)
    assert whichdance("--json", "--resume", answers, songs) == first


def test_order_stays_where_some_are_new_changed_or_failed(whichdance, songs, sound, tmp_path):
    answers = tmp_path / "answers"
    (songs / "00.wav").write_bytes(b"no music")
    assert whichdance("--json", "--resume", answers, songs)[0] == 1
    assert "00.wav" not in _heard(answers)
    sound("songs/1.wav", "samba", 13.0)  # changed
    sound("songs/00.wav", "quickstep")  # mended
    status, out, _ = whichdance("--json", "--resume", answers, songs)
    assert status == 0
    dances = [(os.path.basename(row["path"]), row["dance"]) for row in json.loads(out)]
    assert dances == [("0.wav", "tango"), ("00.wav", "quickstep"), ("1.wav", "samba"), ("2.wav", "jive")]


def test_a_kill_costs_the_recording_at_hand(program, songs, sound, tmp_path):
    for i in range(3, 12):
        sound(f"songs/{i}.wav", "rumba", 30.0)
    answers = tmp_path / "answers"
    command = [*program, "--json", "--resume", answers, songs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            if answers.exists() and answers.read_bytes().count(b"\n") >= 3:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = answers.read_bytes()
    assert before.count(b"\n") >= 3
    complete = before[: before.rindex(b"\n") + 1]
    with answers.open("ab") as file:
        file.write(b'{"path": "half')
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)) == 12
    assert answers.read_bytes().startswith(complete)
    assert sorted(_heard(answers)) == sorted(set(_heard(answers)))  # none was heard twice


def test_other_settings_are_refused(whichdance, songs, tmp_path):
    answers = tmp_path / "answers"
    whichdance("--resume", answers, songs)
    before = answers.read_bytes()
    status, _, err = whichdance("--resume", answers, "--stride", "50", songs)
    assert status == 1
    assert "answers: was made with other settings (stride)" in err
    assert answers.read_bytes() == before


@pytest.mark.parametrize("content", [b"my diary", b"my diary\n", b'{"format": "x"}\n', b"\xff\n", b"[1]\n"])
def test_another_file_is_not_touched(whichdance, songs, tmp_path, content):
    path = tmp_path / "diary"
    path.write_bytes(content)
    status, _, err = whichdance("--resume", path, songs)
    assert status == 1
    assert "diary: holds something else than answers" in err
    assert path.read_bytes() == content


def test_a_recording_is_not_taken_for_the_file(whichdance, songs):
    before = (songs / "0.wav").read_bytes()
    status, _, err = whichdance("--resume", songs / "0.wav", songs)
    assert status == 2
    assert "is a recording to listen to" in err
    assert (songs / "0.wav").read_bytes() == before


def test_lines_that_somebody_edited_are_heard_again(whichdance, songs, tmp_path):
    answers = tmp_path / "answers"
    first = whichdance("--json", "--resume", answers, songs)
    header, *rows = answers.read_text().splitlines()
    row = json.loads(rows[0])
    del row["prediction"]["segments"]
    answers.write_text("\n".join([header, json.dumps(row), rows[1], "nonsense", rows[2], ""]))
    assert whichdance("--json", "--resume", answers, songs) == first


def test_tagged_files_are_answered_all_the_same(whichdance, songs, tmp_path):
    pytest.importorskip("mutagen")
    answers = tmp_path / "answers"
    arguments = ("--write-tags", "--resume", answers, songs)
    assert "wrote DANCE=Tango" in whichdance(*arguments)[2]
    whichdance(*arguments)
    assert _heard(answers) == ["0.wav", "1.wav", "2.wav"]


def test_predictions_survive_json(make_prediction):
    for prediction in (
        make_prediction(),
        make_prediction(also=("rumba",), verdict="either", dance=None, warnings=("damaged",), metre=None),
        make_prediction(parts=(), tempo_bpm=None, tempo_mpm=None, padded=True),
    ):
        assert Prediction.from_dict(json.loads(json.dumps(prediction.to_dict()))) == prediction
