import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from matplotlib.figure import Figure

from runtime.dances import DANCE_KEYS, OTHER
from runtime.mel import FRAME_RATE, Float32
from runtime.prediction import Prediction
from training.cli import main, parser
from training.data.manifest import Recording, read_manifest, write_manifest
from training.evaluation import plots
from training.following import evidence_fit
from training.following.fitted import FittedEvidence
from training.networks.weights import read_checkpoint

COMMANDS = sorted(next(a.choices for a in parser()._actions if isinstance(a.choices, dict)))
TINY = "--architecture rhythmogram --width 0.25 --epochs 2 --batches-per-epoch 2 --batch-size 4"
TINY += " --evaluate-every 1 --workers 0 --threads 1 --accelerator cpu --devices 1"
HELP = "import sys; from training.cli import parser; parser().print_help(); assert 'torch' not in sys.modules"


def test_help_is_the_map_and_needs_no_torch() -> None:
    text = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True).stdout
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +\w", text, re.MULTILINE), command


@pytest.mark.parametrize("command", [*COMMANDS, "plot curves", "plot scores"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def commands_in_the_guide() -> list[str]:
    """What stands behind `python -m training` in the code blocks of docs/training.md."""
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
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


def test_plot_scores_of_an_excerpt_by_a_checkpoint(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(manifest), "-o", str(run), *TINY.split()]) == 0
    recording = str(read_manifest(manifest)[0].path)
    drawn = []

    def kept(frames: Float32, prediction: Prediction, *, title: str) -> Figure:
        drawn.append((len(frames) / FRAME_RATE, prediction, plots_figure(frames, prediction, title=title)))
        return drawn[-1][2]

    plots_figure = plots.spectrogram_and_scores
    monkeypatch.setattr(plots, "spectrogram_and_scores", kept)
    excerpt = ["--from", "0:00.5", "--to", "6", "-o", str(tmp_path / "s.png")]
    assert main(["plot", "scores", str(run / "best.pt"), recording, *excerpt]) == 0
    seconds, prediction, figure = drawn[0]
    assert seconds == pytest.approx(5.5, abs=0.1)
    assert prediction.duration == pytest.approx(5.5, abs=0.01)
    assert list(prediction.scores) == [*DANCE_KEYS, OTHER]
    assert figure.axes[0].get_xlim() == pytest.approx((0, seconds))


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


def test_train_says_what_best_means_without_validation(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [r for r in read_manifest(manifest) if r.split == "train"]
    write_manifest(tmp_path / "train.csv", rows)
    assert main(["train", str(tmp_path / "train.csv"), "-o", str(tmp_path / "run"), *TINY.split()]) == 0
    assert "no validation split, so 'best' means nothing" in capsys.readouterr().err
    write_manifest(tmp_path / "none.csv", [replace(r, split="") for r in rows])
    assert main(["train", str(tmp_path / "none.csv"), "-o", str(tmp_path / "other"), *TINY.split()]) == 1
    assert "no recordings in the split 'train'" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_group_in_two_splits_is_told(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(r, group="band" if r.split != "validation" else "") for r in read_manifest(manifest)]
    write_manifest(tmp_path / "m.csv", rows)
    assert main(["train", str(tmp_path / "m.csv"), "-o", str(tmp_path / "run"), *TINY.split()]) == 0
    assert "warning: group 'band' is in several splits: test, train" in capsys.readouterr().err


def test_evaluation_of_what_was_trained_on_is_told_and_calibration_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(manifest), "-o", str(run), *TINY.split()]) == 0
    capsys.readouterr()
    best = str(run / "best.pt")
    assert main(["evaluate", best, str(manifest)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["evaluate", best, f"all={manifest}@all", "-o", str(tmp_path / "report")]) == 0
    err = capsys.readouterr().err
    assert "of 15, 9 of them it was trained on, 3 of them its best epoch was chosen by" in err
    assert json.loads((tmp_path / "report" / "report.json").read_text())["datasets"][0]["seen"] == {
        "train": 9,
        "validation": 3,
    }
    # a copy under another name is the same recording
    copies = [
        replace(r, path=Path(shutil.copy(r.path, tmp_path / r.path.name))) for r in read_manifest(manifest)
    ]
    write_manifest(tmp_path / "copies.csv", copies)
    output = tmp_path / "calibrated.pt"
    command = ["calibrate", best, str(tmp_path / "copies.csv"), "-o", str(output), "--sequences", "0"]
    assert main(command) == 1
    assert "the network was trained on 9 of these 15 recordings" in capsys.readouterr().err
    assert not output.exists()
    command[2] += "@test"
    # three recordings bear no bound on errors, which is not what is asked here
    monkeypatch.setattr("training.evaluation.calibrate.threshold_for", lambda *_, **__: 0.5)
    assert main(command) == 0
    capsys.readouterr()
    assert main(["evaluate", str(output), str(manifest)]) == 0
    assert "3 of them it was calibrated on" in capsys.readouterr().err
    # several manifests are taken together; one that was trained on is named
    together = [*command[:3], f"{manifest}@validation", *command[3:]]
    assert main(together) == 0
    assert "recordings: 6" in capsys.readouterr().out
    together[3] = f"{manifest}@train"
    assert main(together) == 1
    assert f"{manifest}@train: the network was trained on 9 of these 9" in capsys.readouterr().err


def test_the_evidence_of_an_exported_model_is_fitted_to_how_it_hears(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is sure of itself needs another temperature; a checkpoint's options are refused."""
    few = {"WEIGHTS": (0.1, 0.4), "MEAN_SECONDS": (60.0,), "NONE_BIASES": (0.0, 1.5), "TWO_AT": (0.5, 0.8)}
    for name, some in few.items():
        monkeypatch.setattr(evidence_fit, name, some)  # of hundreds that are tried
    out = tmp_path / "evidence.json"
    command = ["calibrate", str(tiny_model), f"{manifest}@all", "--sequences", "4", "-o", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    found = FittedEvidence.read(out)
    assert found.settings.to_json() in said
    assert f"all: temperature {found.settings.temperature:.2f}" in said
    assert found.group_temperatures["all"][0] == found.settings.temperature
    first = out.read_bytes()
    # a file that has them already keeps them: what is fitted again costs no less
    shutil.copy(tiny_model, tmp_path / "tiny.onnx")
    model = onnx.load(tmp_path / "tiny.onnx")
    fields = {p.key: p.value for p in model.metadata_props} | found.fields
    onnx.helper.set_model_props(model, fields)
    onnx.save(model, tmp_path / "tiny.onnx")
    assert main([command[0], str(tmp_path / "tiny.onnx"), *command[2:]]) == 0
    assert "the file's own evidence costs no more" in capsys.readouterr().out
    assert out.read_bytes() == first
    careful = ["--unnamed-cost", "0.01"]  # nothing is worth a name: others would be fitted to that
    assert main([command[0], str(tmp_path / "tiny.onnx"), *command[2:], *careful, "--anew"]) == 0
    assert "the file's own evidence" not in capsys.readouterr().out
    assert FittedEvidence.read(out).settings != found.settings
    assert main([command[0], str(tmp_path / "best.pt"), *command[2:], "--anew"]) == 2
    assert "--anew is for an exported model" in capsys.readouterr().err
    for more, message in (
        (["--prior", "uniform"], "leave out --prior"),
        (["--max-error", "0.1"], "leave out --max-error"),
        (["--sequences", "0"], "nothing to fit"),
        (["-o", str(tmp_path / "new.pt")], "is written as .json"),
    ):
        assert main([*command, *more]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "new.pt").exists()


def test_other_rows_never_take_the_place_of_missing_ones(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_model: Path
) -> None:
    write_manifest(tmp_path / "train.csv", [r for r in read_manifest(manifest) if r.split == "train"])
    out = tmp_path / "out"
    for command in (
        ["evaluate", str(tiny_model), str(tmp_path / "train.csv")],
        ["baseline", str(tmp_path / "train.csv")],
        ["experiment", "table4.4", str(tmp_path / "train.csv"), "-o", str(out)],
        ["experiment", "table4.5", str(manifest), "-o", str(out), "--dataset", str(tmp_path / "train.csv")],
    ):
        assert main(command) == 1
        captured = capsys.readouterr()
        assert "no recordings in the split" in captured.err
        assert "spectrograms" not in captured.out  # found before any work
    assert not out.exists()


def test_settings_of_a_run_start_it_again(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, again, other = tmp_path / "run", tmp_path / "again", tmp_path / "other"
    extra = ["--lr", "0.002", "--noise", "0.5", "--branches", "acf,mel", "--dropout", "0.1", "--tensorboard"]
    assert main(["train", str(manifest), "-o", str(run), *TINY.split(), *extra]) == 0
    text = (run / "settings.toml").read_text()
    content = tomllib.loads(text)
    assert content["method"]["lr"] == 0.002
    assert content["network"]["branches"] == ["acf", "mel"]
    assert content["made_by"][0]["versions"]["torch"] == torch.__version__
    assert len(content["made_by"][0]["commit"].removesuffix("+")) == 40
    assert main(["train", str(run / "settings.toml"), "-o", str(again)]) == 0
    weights = [read_checkpoint(folder / "last.pt")["state_dict"] for folder in (run, again)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert main(["train", str(run / "settings.toml"), "--seed", "0", "-o", str(other), "--epochs", "1"]) == 0
    assert read_checkpoint(other / "last.pt")["training"]["epoch"] == 1  # what is given wins
    assert main(["train", str(run / "settings.toml")]) == 0  # in its own folder: it is finished
    assert len(tomllib.loads((run / "settings.toml").read_text())["made_by"]) == 2
    assert main(["train", str(tmp_path / "no.toml"), "-o", str(other)]) == 1

    (run / "misspelt.toml").write_text(text.replace("\nepochs = ", "\nepoch = "))
    assert main(["train", str(run / "misspelt.toml"), "-o", str(tmp_path / "no")]) == 1
    assert "misspelt.toml, [method]: there is no key 'epoch'; is 'epochs' meant?" in capsys.readouterr().err
    rows = read_manifest(manifest)
    write_manifest(tmp_path / "more.csv", rows + [replace(r, start=1.0) for r in rows])  # wins, as options do
    beside = [str(run / "settings.toml"), str(tmp_path / "more.csv"), "--epochs", "1"]
    assert main(["train", *beside, "-o", str(tmp_path / "more")]) == 0
    assert f"train: {2 * sum(r.split == 'train' for r in rows)}  " in capsys.readouterr().out

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    history = read_checkpoint(run / "last.pt")["training"]["history"]
    assert [e.value for e in events.Scalars("loss/train")] == pytest.approx([e["loss"] for e in history])
    assert "accuracy/validation" in events.Tags()["scalars"]
