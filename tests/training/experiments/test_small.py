"""The thesis's tables on a small generated corpus, by one command."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import ParameterError
from training.cli import main
from training.commands import corpus
from training.commands.small import Steps
from training.evaluation.metrics import Accuracy
from training.experiments import EXPERIMENTS
from training.experiments.findings import FINDINGS, difference, findings, verdict
from training.experiments.setup import Setup, ThesisTable
from training.networks.densenet import CONFIGURATIONS
from training.parallel import results

MACHINE = ["--workers", "0", "--threads", "1", "--accelerator", "cpu"]


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """The worked example of the paper: 56 of 70 and 48 of 80, method 10, table II (a)."""
    d, low, high = difference(Accuracy(56, 70), Accuracy(48, 80))
    assert (d, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("alike", "low", "high", "said"),
    [
        (False, 0.01, 0.3, "the same"),
        (False, -0.3, -0.01, "the opposite"),
        (False, -0.1, 0.2, "not told"),
        (True, -0.05, 0.08, "the same"),
        (True, -0.2, 0.1, "not told"),
        (True, 0.11, 0.4, "otherwise"),
    ],
)
def test_what_an_interval_says(alike: bool, low: float, high: float, said: str) -> None:
    finding = next(f for f in FINDINGS if f.alike == alike)
    assert verdict(finding, low, high) == said


def test_every_finding_is_of_cells_that_tables_have(tmp_path: Path) -> None:
    """Tables of the rows that experiments write, whatever is in them, leave no finding out."""
    for name in EXPERIMENTS:
        rows = {cell[1] for f in FINDINGS for cell in (f.better, f.worse) if cell[0] == name}
        known = {
            "table4.4": ("Our method with aggregation", "Our method without aggregation"),
            "table4.7": tuple(c.row for c in CONFIGURATIONS.values()),
            "figure4.7": ("0.0", "0.5"),
            "figure4.9": ("0.5",),
        }.get(name) or _thesis_rows(name)
        assert rows <= set(known), name
        table = ThesisTable(name, name, "Row", ("Top-1",))
        for row in known:
            table.add(row, [Accuracy(9, 10)], None)
        table.write(tmp_path)
    assert findings(tmp_path).count("\n| 4.") == len(FINDINGS)
    (tmp_path / "table4.6.json").unlink()
    assert findings(tmp_path).count("\n| 4.") == len(FINDINGS) - 3
    assert findings(tmp_path / "empty") == ""


def _thesis_rows(name: str) -> tuple[str, ...]:
    thesis = getattr(EXPERIMENTS[name], "THESIS", {})
    return tuple(value[0] if isinstance(value[0], str) else row for row, value in thesis.items())


def test_our_method_by_another_name_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def train(name: str, architecture: str, *_: object) -> Path:
        asked.append((name, architecture))
        raise LookupError

    setup = Setup(tmp_path, train, [], [])
    for architecture in ("densenet-ft", "densenet161", "densenet-rw", "tempo+densenet-ft"):
        with pytest.raises(LookupError):
            setup.trained(architecture, architecture)
    with pytest.raises(LookupError):
        setup.our_method()
    with pytest.raises(LookupError):
        setup.our_method(extended=True)
    ours = ("our-method", "densenet-ft")
    rest = [("densenet-rw", "densenet-rw"), ("tempo+densenet-ft", "tempo+densenet-ft")]
    assert asked == [ours, ours, *rest, ours, ("our-method-extended", "densenet-ft")]
    asked.clear()
    for architecture in ("resnet18", "densenet161", "densenet-ft"):
        with pytest.raises(LookupError):
            replace(setup, architecture="resnet18").trained(architecture, architecture)
    assert asked == [("our-method", "resnet18"), *[("densenet-ft", "densenet-ft")] * 2]


def test_networks_of_a_table_are_trained_at_once(tmp_path: Path) -> None:
    """Those that are wanted, each once by all of its names, in processes of their own."""

    def train(name: str, architecture: str, *_: object) -> Path:
        path = tmp_path / f"{name} {architecture} {os.getpid()}"
        path.touch()
        return path

    setup = Setup(tmp_path, train, [], [], architecture="resnet18", together=2)
    rows = {
        "ResNet": "resnet18",
        "DenseNet": "densenet161",
        "FT": "densenet-ft",
        "VGG": "vgg16",
        "RW": "densenet-rw",
    }
    replace(setup, only=("ResNet", "DenseNet", "FT", "VGG")).prepare(rows)
    made = sorted(path.name.split() for path in tmp_path.iterdir())
    assert [one[:2] for one in made] == [
        ["densenet-ft", "densenet-ft"],
        ["our-method", "resnet18"],
        ["vgg16", "vgg16"],
    ]
    assert str(os.getpid()) not in {pid for *_, pid in made}
    replace(setup, together=1).prepare(rows)  # one after the other: when the table asks for it
    replace(setup, only=("RW",)).prepare(rows)
    assert len(list(tmp_path.iterdir())) == 3


def test_wrong_combinations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["-o", str(tmp_path / "out")]
    for command, said in (
        (["table4.4", "--small"], "experiment all --small"),
        (["all", "music.csv", "--small", "1"], "experiment all --small"),
        (["all", "--small", "0"], "--small 0: a share of the usual size"),
        (["all", "--small", "--epochs", "3"], "--small chooses --epochs itself"),
        (["all", "music.csv", "--together", "0"], "--together 0: at least 1"),
        (["all"], "the following arguments are required: manifest"),
        (["all", "music.csv", "--only", "VGG 16"], "--only chooses rows of one table"),
    ):
        assert main(["experiment", *command, *out]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def _spin(seconds: float) -> float:
    """CPU time that this took, at least so much."""
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass
    return time.process_time() - started


def test_a_step_is_done_wherever_it_was_and_its_processes_count(tmp_path: Path) -> None:
    """Begun with one process it goes on with eight; what joblib's processes took is in its CPU time."""
    path = tmp_path / "steps.json"
    line = "experiment table4.4 split.csv --workers 1 --jobs {} --backend {} --seed {}"
    steps = Steps(path, 1)
    with steps.timed(line.format(1, "local", 0)):
        took = sum(results(_spin, [(0.4,)] * 2, jobs=2))
    again = Steps(path, 1)
    assert took <= again.done[line.format(1, "local", 0)]["cpu"] < 60
    assert line.format(-1, "dask://elsewhere:8786", 0) in again
    assert line.format(1, "local", 1) not in again
    with again.timed("one", "two", "three") as done:
        done |= {"one": 3.0, "two": 1.0}
        del done["three"]  # it failed
    assert "three" not in Steps(path, 1)
    assert again.done["one"] == {kind: pytest.approx(3 * s) for kind, s in again.done["two"].items()}


@pytest.mark.parametrize("broken", ["status", "error"])
def test_a_step_that_fails_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    """By an exit status other than 0, or by an error: the same command begins with it again."""

    def fail(_: argparse.Namespace) -> int:
        if broken == "error":
            raise ParameterError("in the way")
        return 3

    monkeypatch.setattr(corpus, "_run", fail)
    out = tmp_path / "a folder"
    words = ["experiment", "all", "--small", "0.01", "-o", str(out), *MACHINE]
    for _ in range(2):
        assert main(words) == {"status": 3, "error": 2}[broken]
        assert "$ python -m training corpus music --dances" in capsys.readouterr().out
        assert not Steps(out / "steps.json", 0.01).done


def test_no_processes_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "all", "--small", "0.01", "--jobs", "0", "-o", str(tmp_path)]) == 2
    assert "jobs must be a number of processes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.filterwarnings("ignore")  # of dask and tornado
def test_all_tables_of_a_small_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed in the middle it goes on; on a Dask cluster, with TensorBoard, folds, and by torchrun."""
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "small"
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        backend = ["--backend", cluster.scheduler_address.replace("tcp://", "dask://"), "--jobs", "-1"]
        words = ["experiment", "all", "--small", "0.01", "-o", str(out), "--tensorboard", *MACHINE, *backend]
        process = subprocess.Popen([sys.executable, "-m", "training", *words], stdout=subprocess.DEVNULL)
        log = out / "tables" / "runs" / "our-method" / "log.csv"
        while not log.exists():
            assert process.poll() is None
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = json.loads((out / "steps.json").read_text())["steps"]
        assert not any(line.startswith("experiment") for line in before)
        capsys.readouterr()
        assert main(words) == 0
    said = capsys.readouterr().out
    steps = json.loads((out / "steps.json").read_text())["steps"]
    assert said.count("$ python -m training") == len(steps) - len(before)  # the rest was done
    assert {line: steps[line] for line in before} == before
    assert sum(line.startswith("experiment") for line in steps) == len(EXPERIMENTS)
    page = (out / "tables" / "page.md").read_text()
    for name in EXPERIMENTS:
        assert (out / "tables" / f"{name}.md").read_text().strip() in page
    assert page.count("\n| 4.") == len(FINDINGS)
    assert "The baseline of 4.3 reaches" in page
    for figure in ("figure4.4", "figure4.5", "figure4.6", "figure4.7", "figure4.9"):
        assert f"![{figure}]({figure}.png)" in page
        assert (out / "tables" / f"{figure}.png").exists()
    runs = out / "tables" / "runs"
    assert len(list(runs.iterdir())) == 17  # densenet161 is densenet-ft, and resnet18 our method
    _has_curves(runs / "vgg16" / "tensorboard")
    assert main(["experiment", "all", "--small", "0.02", "-o", str(out)]) == 2
    assert "holds what --small 0.01 made" in capsys.readouterr().err

    split = str(out / "split.csv")
    network = ["--architecture", "resnet18", "--weights", "random", "--width", "0.125", "--bands", "56"]
    tiny = ["--epochs", "1", "--batches-per-epoch", "2", *MACHINE]
    folds = ["experiment", "table4.4", split, "--store", str(out / "music" / "features"), "--folds", "3"]
    assert main([*folds, "-o", str(tmp_path / "folds"), *network, *tiny]) == 0
    assert "fold 1 | fold 2 | fold 3" in (tmp_path / "folds" / "table4.4-folds.md").read_text()

    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "training", "train"]
    settings = str(runs / "vgg16" / "settings.toml")
    done = subprocess.run(
        [*launcher, settings, "-o", str(tmp_path / "shared"), "--backend", "local"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1


def _has_curves(folder: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    assert {"loss/train", "accuracy/validation"} <= set(events.Tags()["scalars"])
