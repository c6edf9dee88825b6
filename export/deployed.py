"""What a model file computes and what it says of itself, made from a checkpoint."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runtime.dances import DANCE_KEYS, OTHER, label_problem
from runtime.errors import ModelError, ParameterError
from runtime.model import FORMAT_VERSION
from training.evaluation.scoring import learnt_frames
from training.networks.models import front_end, load_checkpoint
from training.networks.models import labels as training_labels

NOT_STATED = "not stated"


class Scores(nn.Module):
    """A network with what turns its logits into the scores of the runtime's contract.

    Parameters
    ----------
    network : nn.Module
        Mel power (n, 1, 224, T) to logits (n, classes), those of 'other' last where that is a class.
    n_dances : int
        Classes that have a name.
    temperature : float
        Divides the logits; above 1 it makes an over-confident network modest (Guo et al. 2017).
    log_prior : sequence of float
        Added to the logits before that, one per class (`training.evaluation.calibrate.log_prior`); none if
        empty.
    """

    log_prior: Tensor

    def __init__(
        self,
        network: nn.Module,
        temperature: float = 1.0,
        *,
        n_dances: int = len(DANCE_KEYS),
        log_prior: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.n_dances = n_dances
        self.temperature = temperature
        self.register_buffer("log_prior", torch.tensor(tuple(log_prior)))

    def forward(self, mel: Tensor) -> Tensor:
        """Scores (n, n_dances): those of 'other' are what their sum lacks to one."""
        logits = self.network(mel)
        if len(self.log_prior):
            logits = logits + self.log_prior
        if self.temperature != 1:
            logits = logits / self.temperature
        return torch.softmax(logits, dim=1)[:, : self.n_dances]


@dataclass(frozen=True)
class Deployable:
    """A checkpoint made ready for export.

    Attributes
    ----------
    network : Scores
        In eval mode, on the CPU.
    sha256 : str
        Of the checkpoint's file.
    name, architecture : str
    options : dict
        What `training.networks.models.build` was given beside the architecture.
    labels : tuple of str
        Classes of the network: dances, and 'other' after them at most.
    context_frames : tuple of int
        Widths of windows that the network has learnt, in frames; the first is the segment's.
    fields : dict of str to str
        The model file's metadata (see `runtime.model`).
    """

    network: Scores
    sha256: str
    name: str
    architecture: str
    options: dict[str, Any]
    labels: tuple[str, ...]
    context_frames: tuple[int, ...]
    fields: dict[str, str]

    @property
    def segment_frames(self) -> int:
        """The shortest."""
        return self.context_frames[0]


def from_checkpoint(
    path: str | Path,
    *,
    name: str | None = None,
    version: str = "1",
    licence: str = NOT_STATED,
    temperature: float | None = None,
    reject_threshold: float | None = None,
    training_data: str | None = None,
) -> Deployable:
    """Load and check a checkpoint.

    Parameters
    ----------
    path : str or Path
        Written by `python -m training train`.
    name : str, optional
        The model's name; its architecture if None.
    version : str
    licence : str
        Of the model: what its owner lets others do with it. Nobody else can know.
    temperature, reject_threshold : float, optional
        Those of the checkpoint's calibration if None; where it has none, 1 and no threshold.
    training_data : str, optional
        Statement on what the network was trained on; the checkpoint's own if None.

    Raises
    ------
    ModelError
        If the checkpoint is missing, damaged, or its classes or front end are not this runtime's.
    ParameterError
        If a parameter is out of range.
    """
    network, checkpoint = load_checkpoint(path)
    if getattr(network, "takes_samples", False):
        raise ModelError(
            f"{path}: architecture {checkpoint['architecture']!r} takes samples, the runtime gives mel power"
        )
    labels = tuple(checkpoint.get("labels", ()))
    dances = _dances(path, checkpoint, labels)
    segment_frames = _segment_frames(path, checkpoint)
    calibration = checkpoint.get("calibration") or {}
    if temperature is None:
        temperature = calibration.get("temperature", 1.0)
    if reject_threshold is None:
        reject_threshold = calibration.get("reject_threshold")
    name = name or str(checkpoint["architecture"])
    _check(name, licence, temperature, reject_threshold)
    context = _context(checkpoint, segment_frames)
    prior = calibration.get("log_prior") or ()
    prior = prior if any(prior) else ()  # a uniform one needs no node
    described = {
        "name": name,
        "version": version,
        "labels": ",".join(dances),
        "normalisation": str(getattr(network, "description", NOT_STATED)),
        "training_data": training_data or training_statement(checkpoint),
        "licence": licence,
        "reject_threshold": "" if reject_threshold is None else repr(float(reject_threshold)),
    }
    return Deployable(
        network=Scores(network, float(temperature), n_dances=len(dances), log_prior=prior).eval(),
        sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        name=name,
        architecture=str(checkpoint["architecture"]),
        options=dict(checkpoint.get("options", {})),
        labels=labels,
        context_frames=context,
        fields=_fields(described, segment_frames, context, calibration),
    )


def _dances(path: str | Path, checkpoint: Mapping[str, Any], labels: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a checkpoint's classes that are dances; ModelError where a model file cannot have them."""
    dances = labels[:-1] if labels[-1:] == (OTHER,) else labels
    n_outputs = len(training_labels(checkpoint.get("options", {}).get("classes", 10)))
    problem = label_problem(dances) or (
        None if n_outputs == len(labels) else f"the network has {n_outputs} outputs"
    )
    if problem:
        raise ModelError(
            f"{path}: the checkpoint's classes are {', '.join(labels) or 'not given'}: {problem}; "
            f"a model file needs labels of dances, and '{OTHER}' after them at most"
        )
    return dances


def _segment_frames(path: str | Path, checkpoint: Mapping[str, Any]) -> int:
    """The length of the checkpoint's segments; ModelError where its front end is not the runtime's."""
    trained = checkpoint.get("front_end", {})
    segment_frames = trained.get("segment_frames", front_end()["segment_frames"])
    for key, value in (front_end() | {"segment_frames": segment_frames}).items():
        if trained.get(key, value) != value:
            raise ModelError(f"{path}: trained with {key} = {trained[key]}, this runtime has {value}")
    return int(segment_frames)


def _context(checkpoint: Mapping[str, Any], segment_frames: int) -> tuple[int, ...]:
    """Widths of windows that the network has learnt and takes, the segment's first."""
    longest = int(checkpoint.get("options", {}).get("segment_frames", segment_frames))
    context = tuple(n for n in learnt_frames(checkpoint) if segment_frames <= n <= longest)
    return context or (segment_frames,)


def _check(name: str, licence: str, temperature: float, reject_threshold: float | None) -> None:
    """ParameterError for what somebody gave and no model file may say."""
    if not licence.strip():
        raise ParameterError("licence must say what others may do with the model, as 'CC-BY-4.0'; got ''")
    if not 0 < temperature < float("inf"):
        raise ParameterError(f"temperature must be positive, got {temperature!r}")
    if reject_threshold is not None and not 0 <= reject_threshold <= 1:
        raise ParameterError(f"reject_threshold must lie between 0 and 1, got {reject_threshold!r}")
    bare = name.replace("-", "").replace("_", "").replace(".", "")
    if not bare.isalnum() or Path(name).suffix in (".onnx", ".ort"):
        raise ParameterError(f"name must be letters, digits, '-', '_' and '.' without a suffix, got {name!r}")


def _fields(
    described: Mapping[str, str], segment_frames: int, context: Sequence[int], calibration: Mapping[str, Any]
) -> dict[str, str]:
    """The metadata: what is described of the model, the front end, and what calibration found."""
    evidence, groups = calibration.get("evidence"), calibration.get("group_temperatures")
    return {
        "format_version": FORMAT_VERSION,
        **described,
        **{key: str(value) for key, value in front_end().items()},
        "segment_frames": str(segment_frames),
        **({"context_frames": ",".join(map(str, context))} if len(context) > 1 else {}),
        "evidence": json.dumps(evidence) if evidence else "",
        **({"group_temperatures": json.dumps(groups)} if groups else {}),
        "created_by": f"python -m export, {versions('whichdance', 'torch', 'onnxscript')}",
    }


def training_statement(checkpoint: Mapping[str, Any]) -> str:
    """What the checkpoint says of its training data, or that it says nothing."""
    training = checkpoint.get("training") or {}
    return str(training.get("training_data") or checkpoint.get("training_data") or NOT_STATED)


def versions(*packages: str) -> str:
    """Names and versions of installed packages, for a model's papers."""
    return ", ".join(f"{package} {metadata.version(package).split('+')[0]}" for package in packages)
