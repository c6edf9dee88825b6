"""Training of the beat network."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from runtime.atomic import replacing
from runtime.errors import ModelError, ParameterError
from training.beats.examples import Annotated, Excerpts
from training.beats.network import LOOK_AHEAD, BeatNetwork
from training.learning.hall import Hall

FORMAT = 3
TOLERANCE = 1  # frames, 23 ms, by which a beat may be early or late at no cost
POSITIVE_WEIGHT = (2.0, 3.0)  # of frames with a beat, and with a downbeat: they are rare
WARM_UP = 43  # frames at the start of an excerpt that do not count
REPORT_EVERY = 100  # steps, after which the checkpoint is written too


@dataclass(frozen=True)
class BeatSettings:
    """How a beat network is trained.

    Attributes
    ----------
    kind : str
        'tcn' or 'gru'.
    steps : int
        Batches.
    batch_size : int
        Excerpts of 18 s.
    learning_rate : float
        The highest, after a tenth of the steps; it falls to zero as a cosine.
    hall : float
        Share of the excerpts that are heard in a hall.
    told : bool
        Whether the network is told dances.
    seed : int
    harmony : bool
        Whether the network sees where chords change.
    """

    kind: str = "tcn"
    steps: int = 2000
    batch_size: int = 16
    learning_rate: float = 3e-3
    hall: float = 0.5
    told: bool = True
    seed: int = 0
    harmony: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ParameterError(
                f"steps and batch_size must be at least 1, got {self.steps}, {self.batch_size}"
            )
        if not self.learning_rate > 0:
            raise ParameterError(f"learning_rate must be above 0, got {self.learning_rate}")


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy that does not mind a beat a frame early or late (Foscarin et al. 2024).

    Where a beat is, the highest activation near it counts; frames near it that are no beat do not count.

    Parameters
    ----------
    logits, targets : Tensor, shape (n, 2, T)
        Of the same frames; targets 0 or 1.
    """
    near = functional.max_pool1d(logits, 2 * TOLERANCE + 1, 1, TOLERANCE)
    apart = 2 * TOLERANCE
    free = 1 - functional.max_pool1d(targets, 2 * apart + 1, 1, apart)
    weight = torch.tensor(POSITIVE_WEIGHT, device=logits.device)[:, None]
    cost = weight * targets * functional.softplus(-near) + free * functional.softplus(logits)
    return cost.mean()


def _rate(step: int, steps: int) -> float:
    """Of the learning rate, at a step."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _cost(network: BeatNetwork, features: Tensor, dances: Tensor, targets: Tensor) -> Tensor:
    logits, _ = network(features, dances, network.initial_state(len(features)))
    logits = logits[..., WARM_UP + LOOK_AHEAD :]
    return loss(logits, targets[..., WARM_UP:-LOOK_AHEAD])


def train(
    recordings: Sequence[Annotated],
    validation: Sequence[Annotated],
    settings: BeatSettings,
    output: Path,
    *,
    start: BeatNetwork | None = None,
    resume: bool = False,
    compiled: bool = False,
    report: Callable[[str], None] = print,
) -> BeatNetwork:
    """Train a network and write its checkpoint.

    Parameters
    ----------
    recordings, validation : sequence of Annotated
        What it learns from; what its loss is reported on, in halls too.
    settings : BeatSettings
    output : Path
        A .pt file.
    start : BeatNetwork, optional
        Of the same kind, whose weights are started from.
    resume : bool
        Whether to go on where a training with these settings that wrote to `output` was stopped. Their
        number of steps may differ: the learning rate then falls towards the new end.
    compiled : bool
        Whether steps are compiled (`torch.compile`): faster, after a minute of compiling.
    report : callable
        Called with a line now and then.
    """
    torch.manual_seed(settings.seed)
    network = BeatNetwork(settings.kind, harmony=settings.harmony)
    if start is not None:
        if start.described != network.described:
            raise ParameterError(f"weights of a {start.described} cannot start a {network.described}")
        network.load_state_dict(start.state_dict())
    hall = Hall(settings.hall)
    batches = Excerpts(
        recordings, batch_size=settings.batch_size, seed=settings.seed, hall=hall, told=settings.told
    )
    checks = Excerpts(validation, batch_size=16, seed=settings.seed + 1, hall=hall, told=settings.told)
    checked = [checks(i) for i in range(4)] if validation else []
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    first = _resumed(output, network, optimiser, settings) if resume else 0
    learner = cast(BeatNetwork, torch.compile(network)) if compiled else network
    begun, recent = time.process_time(), []
    for step in range(first, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _rate(step, settings.steps)
        cost = _cost(learner, *batches(step))
        optimiser.zero_grad(set_to_none=True)
        cost.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        recent.append(float(cost.detach()))
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.steps:
            network.eval()
            with torch.no_grad():
                held = sum(float(_cost(network, *batch)) for batch in checked) / max(1, len(checked))
            network.train()
            report(
                f"step {step + 1} of {settings.steps}: loss {sum(recent) / len(recent):.4f}, "
                f"validation {held:.4f}, {time.process_time() - begun:.0f} s of a core"
            )
            recent.clear()
            ended = step + 1 == settings.steps
            save(network, settings, output, progress=None if ended else (step + 1, optimiser.state_dict()))
    return network.eval()


def save(
    network: BeatNetwork,
    settings: BeatSettings,
    path: Path,
    *,
    progress: tuple[int, dict[str, Any]] | None = None,
) -> None:
    """Write a checkpoint; with steps done and the state of the optimiser one that can be resumed."""
    content = {"beats_format": FORMAT, "settings": asdict(settings), "state_dict": network.state_dict()}
    if progress is not None:
        content |= {"step": progress[0], "optimiser": progress[1]}
    with replacing(path) as temporary:
        torch.save(content, temporary)


def _resumed(
    path: Path, network: BeatNetwork, optimiser: torch.optim.Optimizer, settings: BeatSettings
) -> int:
    """Give network and optimiser the state that `path` has of them; steps that are done."""
    checkpoint = _read(path)
    if "step" not in checkpoint:
        raise ModelError(f"{path} is a finished training; start from it with --weights")
    before = BeatSettings(**checkpoint["settings"])
    if replace(before, steps=settings.steps) != settings:
        raise ParameterError(f"{path} was trained with other settings ({before}); resume with these")
    network.load_state_dict(checkpoint["state_dict"])
    optimiser.load_state_dict(checkpoint["optimiser"])
    return int(checkpoint["step"])


def _read(path: Path) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except Exception as error:  # zipfile, pickle and torch each have their own
        raise ModelError(f"{path} cannot be read as PyTorch weights ({error})") from error
    if not isinstance(checkpoint, dict) or checkpoint.get("beats_format") != FORMAT:
        raise ModelError(f"{path} is no checkpoint of `python -m training beats-train` of this version")
    return checkpoint


def load(path: Path) -> tuple[BeatNetwork, BeatSettings]:
    """Read a checkpoint; the network is in eval mode."""
    checkpoint = _read(path)
    settings = BeatSettings(**checkpoint["settings"])
    network = BeatNetwork(settings.kind, harmony=settings.harmony)
    try:
        network.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise ModelError(f"the weights in {path} do not fit the network: {error}") from error
    return network.eval(), settings
