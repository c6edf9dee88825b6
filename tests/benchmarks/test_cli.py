"""Every sub-command runs on tiny settings, and its JSON has what it must. No timing is asserted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cli
from web_app.build import NODE_MODULES

TINY: dict[str, list[str]] = {
    "frontend": ["--seconds", "6", "--sample-rates", "22050", "48000", "--runs", "2"],
    "model": ["--architectures", "squeezenet1_1", "--batch-sizes", "2", "--runs", "1"],
    "endtoend": ["--seconds", "6", "--formats", "mp3", "--files", "2", "--runs", "1"],
    "coldstart": ["--runs", "2"],
    "live": ["--seconds", "6"],
    "beats": ["--seconds", "6"],
    "memory": ["--minutes", "0.1", "0.2", "--runs", "1"],
    "training": ["--architectures", "mobilenet_v3_small", "--batches", "1", "--batch-size", "2"],
    "steps": ["--batches", "1", "--batch-sizes", "2"],
    "stress": [],
    "speedup": ["--against", "HEAD", "--batches", "1", "--runs", "1"],
    "web": ["--seconds", "12", "--runs", "1"],
    "phone": ["--seconds", "6", "--runs", "1", "--minutes", "0.2"],
}

LONG = ("speedup", "steps", "phone", "web", "model", "endtoend")  # dozens of processes, a browser, a compiler


def measured(
    command: str, capsys: pytest.CaptureFixture[str], tiny_model: Path, manifest: Path, *more: str
) -> dict[str, Any]:
    """The JSON that a sub-command prints."""
    arguments = [command, "--json", *TINY[command], *more]
    if "model" in cli.BENCHMARKS[command][1]:
        arguments += ["--model", str(tiny_model)]
    if "manifest" in cli.BENCHMARKS[command][1]:
        arguments += ["--manifest", str(manifest)]
    assert cli.main(arguments) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_every_sub_command_is_tested() -> None:
    assert set(TINY) == set(cli.BENCHMARKS)


# librosa.load looks for decoders in modules that Python 3.11 already calls old.
@pytest.mark.filterwarnings("ignore:.*slated for removal:DeprecationWarning")
@pytest.mark.parametrize(
    "command", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in cli.BENCHMARKS]
)
def test_sub_command(
    command: str, capsys: pytest.CaptureFixture[str], tiny_model: Path, manifest: Path
) -> None:
    if command in ("web", "phone") and not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("needs `npm ci --ignore-scripts --prefix web_app`")
    data = measured(command, capsys, tiny_model, manifest)
    assert {"cpu", "cores", "load_average", "memory_gb", "gpu", "python", "versions", "blas"} <= set(
        data["machine"]
    )
    assert {"numpy", "onnxruntime", "librosa", "torch", "soundfile"} <= set(data["machine"]["versions"])
    section = data["sections"][command]
    assert section["name"] == command
    assert section["settings"]
    for table in section["tables"]:
        assert table["rows"]
        keys = {column["key"] for column in table["columns"]}
        for row in table["rows"]:
            assert set(row) == keys
            for value in row.values():
                if isinstance(value, dict):
                    assert value["runs"] >= 1
                    assert 0 <= value["low"] <= value["median"] <= value["high"] < math.inf
    for target in section["targets"]:
        assert target["met"] is (
            target["measured"] >= target["limit"]
            if target["at_least"]
            else target["measured"] <= target["limit"]
        )


def test_saved_results_become_the_page(
    capsys: pytest.CaptureFixture[str], tiny_model: Path, manifest: Path, tmp_path: Path
) -> None:
    results, figures = tmp_path / "results", tmp_path / "figures"
    more = ["--save", str(results), "--figures", str(figures)]
    measured("memory", capsys, tiny_model, manifest, *more)
    measured("frontend", capsys, tiny_model, manifest, *more)
    (file,) = results.iterdir()  # one per machine
    data = json.loads(file.read_text("utf-8"))
    assert file.name.startswith(data["date"])
    assert list(data["sections"]) == ["memory", "frontend"]
    assert {path.name for path in figures.iterdir()} == {"memory.png", "frontend.png"}
    rows = data["sections"]["frontend"]["tables"][0]["rows"]
    assert [row["what"] for row in rows] == 2 * [
        "runtime.mel",
        "librosa",
        "bare rfft",
        "rfft kept in float32",
    ]
    assert {row["n_fft"] for row in rows if row["what"] == "librosa"} == {2048, 4458}
    page = tmp_path / "README.md"
    assert cli.main(["readme", "--results", str(results), "-o", str(page)]) == 0
    text = page.read_text("utf-8")
    assert data["machine"]["cpu"] in text
    assert text.index("## Front end") < text.index("## Memory")  # in the order of the commands
    for section in data["sections"].values():
        assert section["title"] in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frontend", "--seconds", "0"], "--seconds"),
        (["frontend", "--runs", "none"], "--runs"),
        (["stress"], "--manifest"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert named in capsys.readouterr().err
