"""Where work is done: the network's device, and the processes or machines that prepare data."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.errors import ParameterError, WhichdanceError
from training.settings import Machine

if TYPE_CHECKING:
    import torch

WORKERS_WITHIN = 60  # s, for a Dask cluster that is just starting
ACCELERATORS = ("auto", "cpu", "cuda", "mps", "gpu")


def add_device(command: argparse.ArgumentParser) -> None:
    """The arguments --accelerator and --threads of commands that run a network without training it."""
    command.add_argument("--accelerator", choices=ACCELERATORS, help="what runs the network (default: auto)")
    command.add_argument("--threads", type=int, help="CPU threads of the network (default: PyTorch's choice)")


def device_of(machine: Machine) -> "torch.device":
    """The device that runs networks; sets the CPU's threads.

    Raises
    ------
    ParameterError
        If there is none of that kind.
    """
    import torch

    if machine.threads:
        torch.set_num_threads(machine.threads)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if machine.accelerator in ("auto", "gpu"):
        kind = next(kind for kind, available in there.items() if available)
        if machine.accelerator == "gpu" and kind == "cpu":
            raise ParameterError("--accelerator gpu: PyTorch finds none here")
    else:
        kind = machine.accelerator
        if not there[kind]:
            raise ParameterError(f"--accelerator {kind}: PyTorch finds none here")
    return torch.device(kind)


def add_backend(command: argparse.ArgumentParser) -> None:
    """The argument --backend."""
    command.add_argument(
        "--backend",
        metavar="local|dask://HOST:PORT",
        help="where --jobs run: processes here, or a cluster whose machines see the same paths "
        "(default: local)",
    )


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Work given to joblib goes to processes here, or to a Dask cluster.

    Parameters
    ----------
    name : str
        'local', or 'dask://HOST:PORT': the address of the scheduler.

    Raises
    ------
    ParameterError, WhichdanceError
        Unknown name; a library that is missing; a scheduler that does not answer.
    """
    import joblib

    if name == "local":
        yield
    elif name.startswith("dask://"):
        try:
            from distributed import Client
        except ImportError as error:
            raise WhichdanceError(
                "--backend dask:// needs Dask: pip install 'whichdance[cluster]'"
            ) from error
        try:  # for as long as Dask's own setting distributed.comm.timeouts.connect says
            client = Client(f"tcp://{name.removeprefix('dask://')}")
        except (OSError, ValueError, TimeoutError) as error:
            raise WhichdanceError(f"--backend {name}: no Dask scheduler answers there ({error})") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=WORKERS_WITHIN)
            except TimeoutError as error:
                raise WhichdanceError(f"--backend {name}: that scheduler has no workers") from error
            with joblib.parallel_config(backend="dask"):
                yield
    else:
        raise ParameterError(f"--backend must be local or dask://HOST:PORT, got {name!r}")
