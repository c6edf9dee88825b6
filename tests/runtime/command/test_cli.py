"""The command `whichdance`, from arguments to exit status."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime import audio
from runtime.classifier import Classifier
from runtime.command import cli, teach
from runtime.command.arguments import make_parser

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "user_guide.md").read_text(encoding="utf-8")


def test_output_goes_to_a_file_whole_or_not_at_all(whichdance, music, tmp_path, monkeypatch):
    target = tmp_path / "answers.json"
    _, expected, _ = whichdance("--json", music)
    assert whichdance("--json", "-o", target, music)[:2] == (1, "")
    assert target.read_text() == expected

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.command.batch._classify_on_processes", interrupted)
    assert whichdance("--json", "-o", target, music)[0] == 130
    monkeypatch.undo()
    assert target.read_text() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "music"]


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


def test_the_shipped_model_is_the_default(shipped_tiny_model, sound, capsys):
    assert cli.main([str(sound("a.wav", "jive"))]) == 0
    assert "Jive" in capsys.readouterr().out


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


def test_what_of_a_recording_was_lost_is_said(whichdance, sound, monkeypatch):
    def heard(self, path, original=Classifier.heard):
        prediction, state = original(self, path)
        return replace(prediction, warnings=("two seconds at 1:07 could not be decoded",)), state

    monkeypatch.setattr(Classifier, "heard", heard)
    path = sound("song.wav", "jive")
    status, out, err = whichdance("--json", path)
    assert (status, err) == (0, f"whichdance: {path}: two seconds at 1:07 could not be decoded\n")
    assert json.loads(out)[0]["warnings"] == ["two seconds at 1:07 could not be decoded"]
    assert "two seconds at 1:07" in whichdance("--csv", path)[1]


def test_what_fails_for_one_recording_is_said_and_the_rest_goes_on(whichdance, sound, tmp_path):
    """The picture cannot be kept (its name is a folder by then), and the answer is there all the same."""
    path = sound("song.wav", "jive")
    (tmp_path / "song.png").mkdir()
    status, out, err = whichdance("--plot", tmp_path / "song.png", path)
    assert status == 1
    assert "Jive" in out
    assert "song.png: is a folder; give the name of a file" in err


def test_an_excerpt_is_heard_alone(whichdance, medley, tmp_path):
    """40 s of tango, 40 s of rumba, 40 s of jive."""
    answer = json.loads(whichdance("--json", "--from", "0:45", "--to", "1:15", medley)[1])[0]
    assert (answer["dance"], answer["duration"]) == ("rumba", pytest.approx(30, abs=0.01))
    assert len(answer["parts"]) == 1
    assert json.loads(whichdance("--json", "--from", "85", medley)[1])[0]["dance"] == "jive"
    assert json.loads(whichdance("--json", "--to", "30", medley)[1])[0]["dance"] == "tango"
    status, _, err = whichdance("--from", "2:30", medley)
    assert (status, err) == (1, f"whichdance: {medley}: ends before 2:30, where it was to be heard\n")
    status, _, err = whichdance("--from", "1:00", "--to", "0:30", medley)
    assert status == 2
    assert "excerpt must begin at 0 s or later" in err


# The dances in the user guide's set list of the three examples.
EXAMPLES = ("quickstep", "rumba", "viennese_waltz")


@pytest.fixture
def examples(tmp_path) -> tuple[Path, list[float]]:
    """The three examples one after the other, and where each begins, s."""
    pieces = [audio.read(ROOT / "examples" / f"{name}.ogg") for name in EXAMPLES]
    rate = pieces[0][1]
    path = tmp_path / "medley.flac"
    soundfile.write(path, np.concatenate([samples for samples, _ in pieces]), rate)
    lengths = [len(samples) / rate for samples, _ in pieces]
    return path, [sum(lengths[:i]) for i in range(len(lengths))]


def test_the_shipped_model_splits_a_medley_of_the_examples(examples, capsys):
    path, begin = examples
    assert cli.main(["--json", str(path)]) == 0
    parts = json.loads(capsys.readouterr().out)[0]["parts"]
    assert [part["dance"] for part in parts] == list(EXAMPLES)
    assert [part["start"] for part in parts] == pytest.approx(begin, abs=5.2)  # within one segment
    assert [part["end"] for part in parts[:-1]] == [part["start"] for part in parts[1:]]


@pytest.mark.parametrize("page", ["README.md", "docs/user_guide.md"])
def test_the_set_lists_in_the_documents_are_what_the_command_prints(page, examples, capsys, monkeypatch):
    path, _ = examples
    text = (ROOT / page).read_text(encoding="utf-8")
    monkeypatch.chdir(path.parent)
    assert cli.main(["--parts", "medley.flac"]) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = text[text.index("medley.flac  (") :].split("\n```")[0].splitlines()
    assert len(printed) == len(shown)
    assert printed[0] == shown[0]
    for line, example in zip(printed[1:], shown[1:], strict=True):  # the percentages are the model's
        assert re.sub(r"\S+ %$", "", line) == re.sub(r"\S+ %$", "", example)


def test_the_user_guide_names_every_field_and_every_option_and_no_other(whichdance, sound):
    answer = json.loads(whichdance("--json", sound("a.wav", "jive"))[1])[0]
    assert [field for field in answer if f"`{field}`" not in GUIDE] == []
    header = whichdance("--csv", sound("a.wav", "jive"))[1].splitlines()[0].split(",")
    # A dance's column is `score_` and its key; the guide names the keys.
    plain = [name for name in header if f"`{name}`" not in GUIDE]
    assert [
        n for n in plain if not n.startswith("score_") or f"`{n.removeprefix('score_')}`" not in GUIDE
    ] == []
    known = make_parser().format_help() + teach.parser().format_help()
    known += (ROOT / "examples" / "classify_on_dask.py").read_text(encoding="utf-8")
    ours = re.sub(r"(?m)^.*\bdask (?:scheduler|worker)\b.*$", "", GUIDE)  # Dask's own commands have their own
    assert [option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours) if option not in known] == []
    options = {
        option for action in make_parser()._actions for option in action.option_strings if option[:2] == "--"
    }
    assert [option for option in sorted(options - {"--help", "--version"}) if option not in GUIDE] == []
