import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training.cli import main, parser
from training.data.manifest import Recording, read_manifest, write_manifest

DATA = ("corpus", "label", "manifest", "download", "duplicates", "degrade", "features")
COMMANDS = (*DATA, "train", "calibrate", "evaluate", "experiment", "baseline", "plot")
TINY = "--architecture rhythmogram --width 0.25 --epochs 2 --batches-per-epoch 2 --batch-size 4"
TINY += " --evaluate-every 1 --workers 0 --threads 1 --accelerator cpu --devices 1"
HELP = "import sys; from training.cli import parser; parser().print_help(); assert 'torch' not in sys.modules"


def test_help_is_the_map_and_needs_no_torch() -> None:
    text = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True).stdout
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", text, re.MULTILINE)


@pytest.mark.parametrize("command", [*COMMANDS, "plot curves", "plot scores"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def commands_in_the_guide() -> list[str]:
    """What stands behind `python -m training` in the code blocks of docs/training.md."""
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return re.findall(r"python -m training (.*)", blocks)


@pytest.mark.parametrize("command", commands_in_the_guide())
def test_commands_in_the_guide_exist(command: str) -> None:
    if command.endswith("--list"):
        with pytest.raises(SystemExit, match="0"):
            parser().parse_args(shlex.split(command, comments=True))
    else:
        assert callable(parser().parse_args(shlex.split(command, comments=True)).func)


def test_wrong_usage_and_failures_have_different_statuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train"])
    assert end.value.code == 2
    capsys.readouterr()
    assert main(["features", str(tmp_path / "no.csv")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("python -m training: ")
    assert error.count("\n") == 1
    assert "no.csv" in error


def test_train_evaluate_and_plot(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", str(manifest), "-o", str(run), *TINY.split(), "--branches", "acf,mel"]) == 0
    out = capsys.readouterr().out
    assert "train: 9  validation: 3  test: 3" in out
    assert "waited for data" in out
    report = tmp_path / "report"
    datasets = [f"clicks={manifest}", f"held={manifest}@validation"]
    assert main(["evaluate", str(run / "best.pt"), *datasets, "-o", str(report), "--threshold", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "clicks" in out
    assert "held" in out
    assert "at threshold 0.500" in out
    assert {p.name for p in report.iterdir()} == {
        "report.json",
        "recordings.csv",
        "confusion-clicks.png",
        "confusion-held.png",
    }
    assert main(["plot", "curves", str(run / "last.pt"), "-o", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").stat().st_size > 1000
    assert main(["evaluate", str(run / "best.pt"), str(manifest), str(manifest)]) == 2
    assert "same name" in capsys.readouterr().err


def test_plot_scores(manifest: Path, tmp_path: Path, tiny_model: Path) -> None:
    recording = str(read_manifest(manifest)[0].path)
    assert main(["plot", "scores", str(tiny_model), recording, "-o", str(tmp_path / "s.png")]) == 0
    assert (tmp_path / "s.png").stat().st_size > 1000


def test_label_duplicates_and_features(
    tmp_path: Path, write_clicks: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "music"
    for name in ("Rumba", "Quickstep"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            write_clicks(folder / name / f"{name} {i}.wav", name.lower(), seed=10 + i)
    (folder / "Rumba" / "rumba samba.wav").write_text("")
    shutil.copy(folder / "Rumba" / "Rumba 0.wav", folder / "Rumba" / "copy of Rumba 0.wav")
    labelled = tmp_path / "names.csv"
    assert main(["label", "names", str(folder), "-o", str(labelled)]) == 0
    assert "conflicting: rumba samba.wav (rumba, samba)" in capsys.readouterr().out
    assert len(read_manifest(labelled)) == 7
    (folder / "Rumba" / "rumba samba.wav").unlink()
    split = tmp_path / "folders.csv"
    assert main(["label", "folders", str(folder), "-o", str(split), "--test", "1", "--seed", "4"]) == 0
    assert sum(r.split == "test" for r in read_manifest(split)) == 2
    store = ["--store", str(tmp_path / "store")]
    assert main(["features", str(split), *store]) == 0
    assert "7 recordings with spectrograms" in capsys.readouterr().out
    cleaned, pairs = tmp_path / "clean.csv", tmp_path / "pairs.csv"
    command = [
        "duplicates",
        str(labelled),
        str(labelled),
        "-o",
        str(cleaned),
        "--pairs",
        str(pairs),
        "--measure",
    ]
    assert main([*command, "--threshold", "0.999", *store]) == 0
    assert "pairs per second" in capsys.readouterr().out
    assert len(pairs.read_text().splitlines()) == 1 + 2  # the copy and its original, both ways round
    assert len(read_manifest(cleaned)) == 6  # one of the two stays


def test_duplicates_write_the_whole_manifest(
    tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_manifest(manifest)
    tested = next(r for r in rows if r.split == "test")
    copy = tmp_path / "copy.wav"
    shutil.copy(tested.path, copy)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(tested.path.read_bytes()[:100])
    music = tmp_path / "music.csv"
    write_manifest(
        music, [*rows, Recording(copy, tested.dance, "train"), Recording(broken, tested.dance, "train")]
    )
    cleaned = tmp_path / "clean.csv"
    command = ["duplicates", f"{music}@train", f"{music}@test", "-o", str(cleaned), "--threshold", "0.99"]
    assert main([*command, "--store", str(tmp_path / "store")]) == 0
    assert f"left out: {broken}" in capsys.readouterr().err
    kept = read_manifest(cleaned)
    assert {r.path for r in kept} == {r.path for r in rows} | {broken}
    assert {s: sum(r.split == s for r in kept) for s in ("train", "validation", "test")} == {
        "train": 10,
        "validation": 3,
        "test": 3,
    }


def test_label_without_a_match_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Moon River.mp3").touch()
    output = tmp_path / "m.csv"
    assert main(["label", "names", str(tmp_path), "-o", str(output)]) == 1
    assert "no recording got a label" in capsys.readouterr().err
    assert not output.exists()


def test_labelling_again_moves_no_recording(tmp_path: Path, write_clicks: Callable[..., None]) -> None:
    (tmp_path / "Rumba").mkdir()
    for i in range(12):
        (tmp_path / "Rumba" / f"{i}.wav").touch()
    command = [
        "label",
        "folders",
        str(tmp_path),
        "-o",
        str(tmp_path / "m.csv"),
        "--validation",
        "3",
        "--test",
        "3",
    ]
    assert main(command) == 0
    before = {r.path: r.split for r in read_manifest(tmp_path / "m.csv")}
    for i in range(40):
        (tmp_path / "Rumba" / f"new {i}.wav").touch()
    assert main(command) == 0
    after = {r.path: r.split for r in read_manifest(tmp_path / "m.csv")}
    assert len(after) == 52
    assert {path: after[path] for path in before} == before


def test_baseline(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", str(manifest), "-o", str(tmp_path / "b")]) == 0
    assert "trained on 9 recordings, tested on 3" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "b").iterdir()} == {
        "report.json",
        "recordings.csv",
        "confusion-baseline.png",
        "baseline.joblib",
    }


def test_download_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.data import download

    def fetch(url: str, folder: Path, audio_format: str) -> Path:
        if "bad" in url:
            raise download.DownloadError("gone")
        path = folder / f"a.{audio_format}"
        path.touch()
        return path

    monkeypatch.setattr(download, "fetch", fetch)
    monkeypatch.setattr(download, "items", lambda link: [link])
    (tmp_path / "links.csv").write_text("url,dance\nhttp://x/good,jive\nhttp://x/bad,jive\n")
    assert (
        main(["download", str(tmp_path / "links.csv"), "-o", str(tmp_path / "out"), "--format", "wav"]) == 1
    )
    captured = capsys.readouterr()
    assert "failed: http://x/bad: gone" in captured.out
    assert "1 failed" in captured.err
    assert [r.path.name for r in read_manifest(tmp_path / "out" / "manifest.csv")] == ["a.wav"]
