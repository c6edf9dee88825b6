"""Networks to measure: shipped ones, and any architecture with random weights, exported for the purpose.

Weights do not change how long a network takes, so nothing has to be trained for a measurement of speed.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.deployed import Scores, from_checkpoint
from export.graph import to_bytes, to_onnx
from export.quantise import to_int8
from export.segments import made_up
from runtime.model import FOLDER, REGISTRY, resolve, shipped
from runtime.segments import SEGMENT_FRAMES
from training.networks import models

MOBILE = "mobilenet_v3_small"  # the thesis's network for phones


@dataclass(frozen=True)
class Subject:
    """A network in all the forms in which it is measured.

    Attributes
    ----------
    name : str
    torch : Scores
        In eval mode, on the CPU.
    files : dict of str to Path
        Precision ('float', 'int8') to model file.
    """

    name: str
    torch: Scores
    files: dict[str, Path]


def untrained(architecture: str, folder: Path, *, int8: bool = False) -> Subject:
    """An architecture with random weights, exported by the project's own exporter.

    Parameters
    ----------
    architecture : str
        As for `training.networks.models.build`.
    folder : Path
        Where checkpoint and model files are written.
    int8 : bool
        Also quantise it.
    """
    deployable = from_checkpoint(untrained_checkpoint(architecture, folder), name=architecture)
    model = to_onnx(deployable.network, frames=deployable.context_frames, fields=deployable.fields)
    files = {"float": folder / f"{architecture}.onnx"}
    files["float"].write_bytes(to_bytes(model))
    if int8:
        with _quiet():
            quantised = to_int8(model, made_up(2, segment_frames=SEGMENT_FRAMES), search=False)
        files["int8"] = folder / f"{architecture}.int8.onnx"
        files["int8"].write_bytes(to_bytes(quantised.model))
    name = f"{architecture} (defaults)" if any_shipped() and architecture in shipped() else architecture
    return Subject(name, deployable.network, files)


def untrained_checkpoint(architecture: str, folder: Path, options: Mapping[str, Any] | None = None) -> Path:
    """A checkpoint of an architecture with random weights, as training writes them."""
    path = folder / f"{architecture}.pt"
    if not path.exists():
        torch.manual_seed(0)
        built = {**(options or {}), "weights": "random"}
        models.save_checkpoint(path, models.build(architecture, **built), architecture, built)
    return path


def of_shipped(name: str, files: dict[str, Path]) -> Subject:
    """A shipped model's files beside the same network, with random weights, in PyTorch."""
    architecture, options = built_as(name)
    torch.manual_seed(0)
    network = models.build(architecture, **{**options, "weights": "random"})
    return Subject(name, Scores(network.eval()), files)


def shipped_subjects() -> Iterator[Subject]:
    """The float models that this installation ships, each with its int8 file if there is one."""
    entries = shipped()
    for name, entry in entries.items():
        if entry.get("precision", "float") == "float":
            files = {"float": resolve(name)}
            if f"{name}-int8" in entries:
                files["int8"] = resolve(f"{name}-int8")
            yield of_shipped(name, files)


def any_shipped() -> bool:
    """Whether this installation carries models; a checkout before its first export does not."""
    return (FOLDER / REGISTRY).exists()


def built_as(model: str | None) -> tuple[str, dict[str, Any]]:
    """Architecture and options of a shipped model; the thesis's network for phones where it is a file."""
    entries = shipped() if any_shipped() else {}
    name = next(iter(entries), None) if model is None else model
    if name not in entries:
        return MOBILE, {}
    report = resolve(name).with_suffix(".json")
    if not report.exists():
        return str(entries[name]["architecture"]), {}
    described = json.loads(report.read_text(encoding="utf-8"))
    return str(described["architecture"]), dict(described["options"])


def model_file(model: str | None, folder: Path) -> str:
    """A model file to run: the one asked for, the shipped one, or where none is shipped an untrained one."""
    if model is None and not any_shipped():
        return str(untrained(MOBILE, folder).files["float"])
    return str(resolve(model))


def label_of(model: str | None) -> str:
    """The model's name for a report."""
    if model is not None:
        return Path(model).name
    return next(iter(shipped())) if any_shipped() else f"{MOBILE} (untrained)"


def gflop(network: nn.Module) -> float:
    """Floating-point operations for one segment, in thousands of millions; two for a multiply-add."""
    from torch.utils.flop_counter import FlopCounterMode

    segment = torch.from_numpy(made_up(1, segment_frames=SEGMENT_FRAMES).mel)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(segment)
    return counter.get_total_flops() / 1e9


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice on a quantisation that nobody will use."""
    level = logging.getLogger().level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.getLogger().setLevel(level)
