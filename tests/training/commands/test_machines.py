"""Work on other machines: a Dask cluster of two processes stands for them."""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from runtime.errors import ParameterError, WhichdanceError
from training.cli import main, parser
from training.commands.given import given
from training.commands.machine import add_device, backend, device_of
from training.data.manifest import read_manifest
from training.data.store import Store
from training.settings import Machine

pytestmark = pytest.mark.filterwarnings("ignore")  # of dask and tornado


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """The address of a cluster, and what gives the names of the tasks that it has done since last asked.

    The scheduler counts, not the workers: one that is started again has forgotten. And nobody gives up on a
    worker that a busy machine lets wait, as Dask does after 30 s without a connection, 300 s without a sign.
    """
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    patience = {f"distributed.comm.timeouts.{name}": "1h" for name in ("connect", "tcp")}
    patience["distributed.scheduler.worker-ttl"] = None
    done: list[str] = []

    class Done(distributed.SchedulerPlugin):  # type: ignore[misc, name-defined]
        def transition(self, key: object, start: str, finish: str, *_: object, **__: object) -> None:
            if (start, finish) == ("processing", "memory"):
                done.append(str(key))

    def since() -> list[str]:
        names = done[:]
        done.clear()
        return names

    with (
        dask.config.set(patience),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        cluster.scheduler.add_plugin(Done(), name="done")
        yield cluster.scheduler_address.replace("tcp://", "dask://"), since


@pytest.mark.slow
def test_features_corpus_and_baseline_on_a_cluster(
    cluster: tuple[str, Callable[[], list[str]]],
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, tasks = cluster
    monkeypatch.chdir(tmp_path)  # the workers' current folder is another one
    _same_here_and_there(manifest, ["--backend", address, "--jobs", "-1"], tasks)


def _same_here_and_there(
    manifest: Path, spread: list[str], tasks: Callable[[], list[str]] | None = None
) -> None:
    """The three commands here and on a cluster, which has to have done the work, give the same."""

    def did(function: str) -> bool:
        names = tasks() if tasks else [function]
        return any(function in name for name in names)

    assert main(["features", str(manifest), "--store", "there", *spread]) == 0
    assert did("add_to_store")
    assert main(["features", str(manifest), "--store", "here"]) == 0
    recordings = read_manifest(manifest)
    one, other = (Store(Path(name)).collect(recordings).stored for name in ("here", "there"))
    assert len(one) == 15
    assert all((a.codes() == b.codes()).all() for a, b in zip(one, other, strict=True))

    made = ["--hours", "0.005", "--seconds", "6", "--dances", "tango,rumba", "--other-share", "0"]
    assert main(["corpus", "corpus-there", *made, *spread]) == 0
    assert did("_write")
    assert main(["corpus", "corpus-here", *made, "--jobs", "1"]) == 0
    files = sorted(p.relative_to("corpus-here") for p in Path("corpus-here").rglob("*.flac"))
    assert files
    for file in files:
        assert ("corpus-here" / file).read_bytes() == ("corpus-there" / file).read_bytes()

    assert main(["baseline", str(manifest), "-o", "baseline-there", *spread]) == 0
    assert did("features_of")
    assert main(["baseline", str(manifest), "-o", "baseline-here"]) == 0
    here, there = (Path(f"baseline-{name}") / "recordings.csv" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_backends_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="--backend must be local or dask://HOST:PORT, got 'slurm'"):
        backend("slurm").__enter__()
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        pytest.raises(WhichdanceError, match="no Dask scheduler answers there"),
    ):
        backend("dask://127.0.0.1:1").__enter__()
    monkeypatch.setattr("training.commands.machine.WORKERS_WITHIN", 0.1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty:
        address = empty.scheduler_address.replace("tcp://", "dask://")
        with pytest.raises(WhichdanceError, match=f"--backend {address}: that scheduler has no workers"):
            backend(address).__enter__()


def test_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    command = argparse.ArgumentParser()
    add_device(command)
    said = vars(command.parse_args(["--accelerator", "cpu"]))
    assert device_of(given(Machine, said)) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(Machine()) == torch.device("cuda")
    assert device_of(Machine(accelerator="gpu")) == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of(Machine()) == torch.device("cpu")
    for name in ("cuda", "mps", "gpu"):
        with pytest.raises(ParameterError, match=f"--accelerator {name}: PyTorch finds none here"):
            device_of(Machine(accelerator=name))


@pytest.mark.parametrize("command", ["train", "experiment table4.4", "adapt", "experiment all --small"])
def test_a_device_that_is_not_there_is_said_before_work_begins(
    command: str, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    words = command.split()
    words += [] if "--small" in words else [str(manifest), "--store", str(tmp_path / "store")]
    words += ["--rehearse", str(manifest)] if command == "adapt" else []
    assert main([*words, "-o", str(tmp_path / "out"), "--accelerator", "cuda"]) == 2
    assert "--accelerator cuda: PyTorch finds none here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_guide_names_the_commands_that_take_an_accelerator() -> None:
    """And what of it each of them offers."""
    [actions] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    choices = {
        name: action.choices
        for name, command in actions.choices.items()
        for action in command._actions
        if "--accelerator" in action.option_strings
    }
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    sentence = page.partition("chooses what runs the network in ")[2].partition(".")[0]
    assert set(choices) == set(re.findall(r"`(\w+)`", sentence)) | {"features"}
    assert all({"cpu", "cuda", "mps"} <= set(offered) for offered in choices.values())
