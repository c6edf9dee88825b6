"""The command line: what it takes, what it refuses, and its help."""

import shlex

import pytest

import runtime
from runtime.command import cli
from runtime.command.arguments import FOR_FILES, FOR_MICROPHONE, check, make_parser


def test_few_options_are_in_everyday_sight() -> None:
    """The rest is for experts; `--csv` and `--csv=excel` are one."""
    groups = {group.title: group._group_actions for group in make_parser()._action_groups}
    assert len(groups["for experts"]) >= 8
    everyday = {
        a.dest for title, group in groups.items() if title not in ("for experts", "other") for a in group
    }
    assert len(everyday - {"paths"}) <= 21


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--stride", "0", "a.wav"], "--stride: must be a whole number, at least 1, got '0'"),
        (["--stride", "x", "a.wav"], "--stride: must be a whole number"),
        (["--top", "0", "a.wav"], "--top: must be a whole number, at least 1"),
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
        (["--live", "--jobs", "1"], "does not go with --jobs"),
        (["--live", "--write-tags"], "does not go with --write-tags"),
        (["--log", "evening.txt", "a.wav"], "--log goes with --live"),
        (["--parts", "--timeline", "a.wav"], "not allowed with"),
        (["--aggregation", "median", "a.wav"], "--aggregation: invalid choice"),
        (["--cue", "out.cue", "a.wav", "b.wav"], "--cue takes one recording, these are 2"),
        (["--plot", "out.gif", "a.wav"], "out.gif: a figure is saved as .png, .svg, .pdf"),
        (["--plot", "out.png", "a.wav", "b.wav"], "--plot takes one recording, these are 2"),
        (["-o", "a.png", "--plot", "./a.png", "a.wav"], "would write the same file"),
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


def _examples() -> list[str]:
    """Command lines of the help, what comes behind a pipe left out."""
    lines = make_parser().format_help().splitlines()
    return [line.split("|")[0].strip() for line in lines if line.startswith("  whichdance")]


def test_help_fits_a_window_and_has_examples():
    assert max(map(len, make_parser().format_help().splitlines())) <= 110
    assert len(_examples()) >= 10


@pytest.mark.parametrize("example", _examples())
def test_examples_of_the_help_run(whichdance, sound, tmp_path, monkeypatch, example):
    if "--live" in example:
        check(make_parser().parse_args(shlex.split(example)[1:]))
        return
    for name in ("song.mp3", "mix.mp3", "music/tango.mp3", "music/tango.flac"):
        sound(name, "tango")
    monkeypatch.chdir(tmp_path)
    status, _, err = whichdance(*shlex.split(example)[1:])
    assert status == 0, err


@pytest.mark.parametrize("option", ["-o", "--plot", "--cue"])
def test_the_music_itself_is_not_overwritten(whichdance, sound, tmp_path, option):
    path = sound("song.wav", "tango").rename(tmp_path / "song.png")  # libsndfile looks into files
    before = path.read_bytes()
    status, out, err = whichdance(option, path, path)
    assert (status, out) == (2, "")
    assert "song.png: is a recording to listen to; it would be overwritten" in err
    assert path.read_bytes() == before


def test_nor_is_music_that_a_folder_holds(whichdance, music):
    before = (music / "a.wav").read_bytes()
    status, out, err = whichdance("-o", music / "a.wav", music)
    assert (status, out) == (2, "")
    assert "a.wav: is a recording to listen to" in err
    assert (music / "a.wav").read_bytes() == before


def test_every_option_is_for_files_or_the_microphone_or_both():
    """A new option has to be put somewhere: `--live` with an option that it ignores is a mistake."""
    both = {"top", "model", "dances", "nothing_else", "stride", "min_confidence", "aggregation", "threads"}
    both |= {"about"}
    known = {action.dest for action in make_parser()._actions} - {"live", "help", "version"}
    assert known == both | set(FOR_FILES) | set(FOR_MICROPHONE)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"whichdance {runtime.__version__}\n"


def test_no_arguments_show_the_short_help(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: whichdance")
    assert "--help" in err
