"""The command `whichdance`, from arguments to exit status."""

import json
import re
import subprocess
import sys
from pathlib import Path

from runtime.command import cli
from runtime.command.arguments import make_parser


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


def test_the_user_guide_names_every_field_and_no_option_that_does_not_exist(whichdance, sound):
    guide = (Path(__file__).parents[3] / "docs" / "user_guide.md").read_text()
    answer = json.loads(whichdance("--json", sound("a.wav", "jive"))[1])[0]
    assert [field for field in answer if f"`{field}`" not in guide] == []
    header = whichdance("--csv", sound("a.wav", "jive"))[1].splitlines()[0].split(",")
    assert [name for name in header if f"`{name}`" not in guide] == []
    known = make_parser().format_help()
    assert [option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", guide) if option not in known] == []
