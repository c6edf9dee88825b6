"""The command from end to end: what it writes, what it refuses, and that it leaves nothing half-done."""

import hashlib
import json
import os
import shutil
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

import runtime.model
from export import card, ort_format, publish, quantise, verify
from export.cli import main
from export.quantise import Noise
from export.report import ModelFile, Quantisation
from export.segments import Segments
from runtime.errors import ModelError
from runtime.model import Model

LICENCE = ("--licence", "CC0")


@pytest.fixture(scope="module")
def exported(
    checkpoint: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    """A folder with everything that the command writes, and the report."""
    folder = tmp_path_factory.mktemp("out") / "models"
    evaluation = folder.parent / "report.json"
    accuracy = {"value": 0.5, "interval": [0.2, 0.8], "right": 5, "total": 10}
    nothing = {"value": None, "interval": [None, None], "right": 0, "total": 0}
    confusion = np.eye(10)
    confusion[8, 2], confusion[8, 8] = 0.25, 0.75
    data = {
        "name": "real songs", "top1": accuracy, "top2": accuracy, "segment_top1": accuracy,
        "calibration_error": 0.125, "threshold": 0.3, "coverage": accuracy, "accepted_top1": accuracy,
        "others_rejected": nothing, "others_auc": None, "confusion": confusion.tolist(),
        "classes": list(runtime.DANCE_KEYS),
    }  # fmt: skip
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    evaluation.write_text(json.dumps({"model": "best.pt", "sha256": digest, "datasets": [data]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "MIN_LABELLED", 10)
        patch.setattr(publish, "N_VERIFICATION", 11)
        patch.setattr(quantise, "N_SENSITIVITY", 4)
        patch.setitem(verify.BOUNDS, "int8", verify.Bounds(None, 0.5, 0.5))  # noise is not what it knows
        status = main(
            [
                str(checkpoint), "-o", str(folder), "--name", "small", "--float16", "--int8", "--ort",
                "--waveform", "--licence", "CC0 for all",
                "--calibrate", str(corpus), "--verify", str(corpus), "--evaluation", str(evaluation),
                "--training-data", "none | at all",
            ]
        )  # fmt: skip
    assert status == 0
    return folder, json.loads((folder / "small.json").read_text())


def test_folder_holds_the_files_and_nothing_else(exported: tuple[Path, dict[str, object]]) -> None:
    folder, _ = exported
    stems = ("small", "small.float16", "small.int8")
    models = {f"{stem}.{suffix}" for stem in stems for suffix in ("onnx", "ort")} | {"small.waveform.onnx"}
    papers = {"small.json", "small.md", "small.required_operators.config", "models.toml"}
    assert {path.name for path in folder.iterdir()} == models | papers
    sizes = [(folder / f"{stem}.onnx").stat().st_size for stem in stems]
    assert sizes == sorted(sizes, reverse=True)
    assert (folder / "small.float16.ort").stat().st_size < 0.6 * (folder / "small.ort").stat().st_size


def test_every_file_is_the_model_to_the_runtime(
    exported: tuple[Path, dict[str, object]], made_up: Segments
) -> None:
    folder, _ = exported
    scores = {
        path.name: Model.load(path, threads=1).run(made_up.mel[:4])
        for path in folder.iterdir()
        if path.suffix in (".onnx", ".ort") and "waveform" not in path.name
    }
    expected = scores["small.onnx"]
    for name, found in scores.items():
        np.testing.assert_allclose(found, expected, atol=0.2 if "int8" in name else 0.02)
    assert Model.load(folder / "small.int8.ort").info.reject_threshold == 0.25


def test_runtime_finds_the_models_by_name(
    exported: tuple[Path, dict[str, object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported[0], tmp_path / "models")
    monkeypatch.setattr(runtime.model, "FOLDER", folder)
    assert list(runtime.model.shipped()) == ["small", "small-float16", "small-int8"]
    assert runtime.model.resolve() == folder / "small.onnx"
    assert runtime.model.resolve("small-int8") == folder / "small.int8.onnx"
    entry = runtime.model.shipped()["small-int8"]
    assert entry["size"] == (folder / "small.int8.onnx").stat().st_size
    assert entry["classes"] == list(runtime.DANCE_KEYS)
    with (folder / "small.int8.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ModelError, match="SHA-256"):
        runtime.model.resolve("small-int8")


def test_ort_files_are_reproducible(exported: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    folder, _ = exported
    for precision in ("", ".float16", ".int8"):
        again = tmp_path / f"again{precision}.ort"
        ort_format.convert(folder / f"small{precision}.onnx", again, keep_float16=bool("16" in precision))
        assert again.read_bytes() == (folder / f"small{precision}.ort").read_bytes()


def test_required_operators_are_listed(exported: tuple[Path, dict[str, object]]) -> None:
    text = (exported[0] / "small.required_operators.config").read_text()
    assert "QLinearConv" in text
    assert "Log" in text
    assert "/" not in text.splitlines()[0]  # no folder of this machine


def test_card_tells_everything(exported: tuple[Path, dict[str, object]]) -> None:
    folder, report = exported
    card = (folder / "small.md").read_text()
    assert report["temperature"] == 1.5
    for wanted in (
        "# small", "Not for:", "none \\| at all", "CC0 for all |", "n_fft | 2048", "hop_length | 512",
        "python -m export", "--int8", "`small.int8.ort`", "real songs", "50.0 % [20.0, 80.0] of 10",
        "| real songs | tango | paso doble | 25 % |", "python -m training evaluate best.pt", "score 0.25",
        "layers", "squeezenet1_1",
    ):  # fmt: skip
        assert wanted in card
    assert str(folder.parent) not in card + (folder / "small.json").read_text()


def test_card_lists_layers_kept_in_float() -> None:
    made = Quantisation("a", 600, "average", 26, {"conv_3": Noise(scores=12.3, weights=40.1, input=35.6)})
    file = ModelFile("small.int8.onnx", "int8", 1, "", (), 1.0, 2.0, quantisation=made)
    text = "\n".join(card._quantisation([file]))
    assert "of 26 layers 1 stay float" in text
    assert "| `conv_3` | 12 dB | 40 dB | 36 dB |" in text


def test_report_compares_every_file_on_the_test_split(exported: tuple[Path, dict[str, object]]) -> None:
    _, report = exported
    files = report["files"]
    assert isinstance(files, list)
    assert len(files) == 7
    for item in files[:-1]:
        (comparison,) = item["comparisons"]
        assert comparison["agreement"]["total"] == 11  # one segment of each recording of the test split
        assert comparison["top1"]["total"] == 10
        assert comparison["source"].endswith("manifest.csv@test")
        assert item["milliseconds"] > 0
    assert files[0]["comparisons"][0]["max_difference"] < 1e-4
    (of_samples,) = files[-1]["comparisons"]
    assert of_samples["source"].endswith("manifest.csv@test")
    assert of_samples["agreement"]["total"] == 11
    assert of_samples["max_difference"] < 1e-4


@pytest.fixture
def quick(floating: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the seconds that the exporter takes; the metadata are those of `checkpoint`."""
    monkeypatch.setattr(publish.graph, "to_onnx", lambda network, **options: floating)


@pytest.mark.usefixtures("quick")
def test_another_model_joins_the_list(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[[models]]\nname = "old"\nfile = "old.onnx"\nsha256 = "0"\n')
    assert main([str(checkpoint), "-o", str(tmp_path), "--name", "new", "--default", *LICENCE]) == 0
    models = tomllib.loads((tmp_path / "models.toml").read_text())["models"]
    assert [entry["name"] for entry in models] == ["new", "old"]
    assert models[1] == {"name": "old", "file": "old.onnx", "sha256": "0"}


def test_the_licence_is_asked_for(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([str(checkpoint), "-o", str(tmp_path / "out")])
    assert exit_.value.code == 2
    assert "--licence" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_an_evaluation_of_the_exported_file_is_taken_and_of_another_file_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(checkpoint), "-o", str(tmp_path / "a"), "--name", "small", *LICENCE]
    assert main(command) == 0
    report = tmp_path / "report.json"
    made = tmp_path / "a" / "small.onnx"
    of_it = {"model": "small.onnx", "sha256": hashlib.sha256(made.read_bytes()).hexdigest(), "datasets": []}
    report.write_text(json.dumps(of_it))
    command[2] = str(tmp_path / "b")
    assert main([*command, "--evaluation", str(report)]) == 0
    report.write_text(json.dumps(of_it | {"sha256": "1" * 64}))
    command[2] = str(tmp_path / "c")
    assert main([*command, "--evaluation", str(report)]) == 1
    assert "evaluation of another model" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.usefixtures("quick")
def test_failed_verification_writes_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "torch_scores", lambda network, mel: np.full((len(mel), 10), 0.1, np.float32))
    folder = tmp_path / "new" / "models"
    assert main([str(checkpoint), "-o", str(folder), *LICENCE]) == 1
    assert "is not the checkpoint's model" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.onnx"))
    assert not folder.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8"], "--calibrate and --verify"),
        (["--int8", "--calibrate", "{corpus}", "--verify", "{corpus}"], "at least 1000"),
        (["--verify", "{corpus}@train"], "no recordings in the split 'train'"),
        (["--verify", "nowhere.csv"], "nowhere.csv"),
        (["--verify", "{shape}"], "mel_db"),
        (["--evaluation", "{corpus}"], "evaluation"),
        (["--temperature", "-1"], "temperature"),
        (["--name", "a/b"], "name"),
        (["--licence", " "], "licence"),
        (["--waveform", "48000"], "44100"),
        (["--evaluation", "{stranger}"], "evaluation of another model"),
        (["--evaluation", "{nameless}"], "evaluate again"),
    ],
)
def test_bad_input_is_one_clear_error(
    options: list[str],
    message: str,
    checkpoint: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish, "N_VERIFICATION", 11)
    monkeypatch.setattr(
        publish.graph, "to_onnx", lambda *args, **options: pytest.fail("input is checked before the work")
    )
    shape = tmp_path / "shape.npz"
    np.savez(shape, mel_db=np.zeros((2, 1, 128, 300), np.uint8), labels=["tango", "jive"])
    stranger, nameless = tmp_path / "stranger.json", tmp_path / "nameless.json"
    stranger.write_text(json.dumps({"model": "best.pt", "sha256": "0" * 64, "datasets": []}))
    nameless.write_text(json.dumps({"model": "best.pt", "datasets": []}))
    given = {"corpus": corpus, "shape": shape, "stranger": stranger, "nameless": nameless}
    words = [word.format(**given) for word in options]
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), *LICENCE, *words]) in (
        1,
        2,
    )  # 2 if a parameter was wrong, and not a file
    error = capsys.readouterr().err
    assert error.startswith("python -m export: ")
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_written_to(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main([str(checkpoint), "-o", str(tmp_path / "file" / "models"), *LICENCE]) == 1
    assert "cannot be written" in capsys.readouterr().err
    if os.geteuid():
        tmp_path.chmod(0o500)
        assert main([str(checkpoint), "-o", str(tmp_path / "models"), *LICENCE]) == 1


def test_damaged_list_of_models_is_left_alone(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models.toml").write_text("[[models")
    assert main([str(checkpoint), "-o", str(tmp_path), *LICENCE]) == 1
    assert "models.toml" in capsys.readouterr().err
    assert (tmp_path / "models.toml").read_text() == "[[models"
    assert len(list(tmp_path.iterdir())) == 1
