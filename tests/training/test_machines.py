"""Work on other machines: a Dask cluster of two processes stands for them."""

import argparse
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
import torch
from joblib.parallel import ThreadingBackend

from runtime.errors import ParameterError, WhichdanceError
from training.cli import main
from training.commands.machine import add_device, backend, device_of
from training.data.manifest import read_manifest
from training.data.store import Store
from training.parallel import ROUND, results

pytestmark = pytest.mark.filterwarnings("ignore")  # of dask and tornado


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, object]]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield cluster.scheduler_address.replace("tcp://", "dask://"), client


def work_done(client: object) -> int:
    """Entries in the logs of all workers' tasks."""
    logs = client.run(lambda dask_worker: len(dask_worker.state.log))  # type: ignore[attr-defined]
    return sum(logs.values())


def test_features_corpus_and_baseline_on_a_cluster(
    cluster: tuple[str, object], manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, client = cluster
    spread = ["--backend", address, "--jobs", "-1"]

    before = work_done(client)
    assert main(["features", str(manifest), "--store", str(tmp_path / "there"), *spread]) == 0
    assert work_done(client) > before
    assert main(["features", str(manifest), "--store", str(tmp_path / "here")]) == 0
    recordings = read_manifest(manifest)
    one, other = (Store(tmp_path / name).collect(recordings).stored for name in ("here", "there"))
    assert len(one) == 15
    assert all((a.codes() == b.codes()).all() for a, b in zip(one, other, strict=True))

    monkeypatch.chdir(tmp_path)  # the workers' current folder is another one
    made = ["--hours", "0.005", "--seconds", "6", "--dances", "tango,rumba", "--other-share", "0"]
    before = work_done(client)
    assert main(["corpus", "corpus-there", *made, *spread]) == 0
    assert work_done(client) > before
    assert main(["corpus", "corpus-here", *made, "--jobs", "1"]) == 0
    files = sorted(p.relative_to("corpus-here") for p in Path("corpus-here").rglob("*.flac"))
    assert files
    for file in files:
        assert ("corpus-here" / file).read_bytes() == ("corpus-there" / file).read_bytes()

    before = work_done(client)
    assert main(["baseline", str(manifest), "-o", "baseline-there", *spread]) == 0
    assert work_done(client) > before
    assert main(["baseline", str(manifest), "-o", "baseline-here"]) == 0
    reports = [
        json.loads((Path(name) / "report.json").read_text()) for name in ("baseline-here", "baseline-there")
    ]
    assert reports[0]["datasets"][0]["top1"] == reports[1]["datasets"][0]["top1"]


@pytest.mark.slow
def test_features_on_a_ray_cluster(
    manifest: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("ray")
    program = Path(sysconfig.get_path("scripts")) / "ray"
    command = [sys.executable, "-m", "training", "features", str(manifest), "--jobs", "-1"]
    command += ["--backend", "ray", "--store"]
    alone = subprocess.run([*command, str(tmp_path / "alone")], capture_output=True, text=True)
    assert alone.returncode == 1
    assert "this machine is part of no Ray cluster" in alone.stderr
    assert not list(tmp_path.glob("alone/**/*.npy"))

    folder = tmp_path_factory.mktemp("r")  # names of sockets must be short
    start = ["start", "--head", "--num-cpus", "1", "--include-dashboard", "false"]
    subprocess.run([program, *start, "--temp-dir", str(folder)], check=True, capture_output=True)
    try:
        subprocess.run([*command, str(tmp_path / "there")], check=True)
    finally:
        subprocess.run([program, "stop"], check=True, capture_output=True)
    assert main(["features", str(manifest), "--store", str(tmp_path / "here")]) == 0
    recordings = read_manifest(manifest)
    one, other = (Store(tmp_path / name).collect(recordings, jobs=1).stored for name in ("here", "there"))
    assert len(one) == 15
    assert all((a.codes() == b.codes()).all() for a, b in zip(one, other, strict=True))


def test_ray_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WhichdanceError, match=r"--backend ray needs Ray: pip install 'ray\[default\]'"):
        backend("ray").__enter__()


class _NoGenerator(ThreadingBackend):
    """As Ray's: gives nothing before all is done."""

    supports_return_generator = False


def test_results_come_in_rounds_where_a_backend_gives_no_generator() -> None:
    joblib.register_parallel_backend("no generator", _NoGenerator)
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        return number**2

    with joblib.parallel_config(backend="no generator"):
        found = results(work, ((n,) for n in range(50)), 2)
        assert next(found) == 0
        assert len(started) == 2 * ROUND  # the rest is yet to come, and progress is seen meanwhile
        assert list(found) == [n**2 for n in range(1, 50)]
        assert list(results(work, iter(()), 2)) == []
    assert sorted(results(work, ((n,) for n in range(9)), 1, ordered=False)) == [n**2 for n in range(9)]


def test_backends_that_cannot_be() -> None:
    with pytest.raises(ParameterError, match="--backend must be local, dask://HOST:PORT or ray, got 'slurm'"):
        backend("slurm").__enter__()
    with pytest.raises(WhichdanceError, match="no Dask scheduler answers there"):
        backend("dask://127.0.0.1:1").__enter__()


def test_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    add_device(parser)
    assert device_of(parser.parse_args(["--accelerator", "cpu"])) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(parser.parse_args([])) == torch.device("cuda")
    assert device_of(parser.parse_args(["--accelerator", "gpu"])) == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of(parser.parse_args([])) == torch.device("cpu")
    for name in ("cuda", "mps", "gpu"):
        with pytest.raises(ParameterError, match=f"--accelerator {name}: PyTorch finds none here"):
            device_of(parser.parse_args(["--accelerator", name]))
