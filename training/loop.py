"""The training loop (thesis 3.2.2, 4.4): a plain loop on Lightning Fabric that can be killed at any moment.

Nothing random lives longer than an epoch: batches are functions of their number, and torch is seeded
anew with the number of each epoch. So the last checkpoint, written at every evaluation, is all that it
takes to go on to the very weights of an uninterrupted run.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE
from training import models
from training.augment import Augmentation
from training.data.codec import STORED
from training.data.store import Stored
from training.hall import Hall
from training.metrics import aggregate, top_k
from training.sampler import Batches
from training.scoring import network_runner, score_recordings
from training.weights import read_checkpoint


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on beside its data. The defaults are the thesis's (4.4).

    Attributes
    ----------
    architecture : str
        See `training.models.build`, which also takes `options`.
    epochs, batches_per_epoch, batch_size : int
        An epoch is only a unit of reporting: 20 batches of 8 random segments.
    lr : float
        Learning rate of Adam.
    schedule : str
        'constant' (thesis), 'cosine' (falls to 0) or 'onecycle' (rises over the first fifth, then falls).
    weight_decay, label_smoothing : float
        0 in the thesis. With weight decay the optimiser is AdamW.
    evaluate_every : int
        Epochs between evaluations, which also write the checkpoint.
    seed : int
    stretch : float
        See `training.sampler.Batches`.
    tilt, noise, mask : float
        See `training.augment.Augmentation`.
    hall : float
        See `training.hall.Hall`.
    teacher : str
        Checkpoint of a network to learn from as well (Hinton, Vinyals and Dean 2015), or ''.
    distil : float
        Share of the teacher in the loss, 0 to 1.
    """

    architecture: str = "densenet161"
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 2000
    batches_per_epoch: int = 20
    batch_size: int = 8
    lr: float = 0.0005
    schedule: str = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    evaluate_every: int = 20
    seed: int = 0
    stretch: float = 0.0
    tilt: float = 0.0
    noise: float = 0.0
    mask: float = 0.0
    hall: float = 0.0
    teacher: str = ""
    distil: float = 0.7

    def __post_init__(self) -> None:
        for name in ("epochs", "batches_per_epoch", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.distil <= 1:
            raise ParameterError(f"distil must be from 0 to 1, got {self.distil}")
        if not self.lr > 0:
            raise ParameterError(f"lr must be above 0, got {self.lr}")
        if self.schedule not in SCHEDULES:
            raise ParameterError(f"schedule must be one of {tuple(SCHEDULES)}, got {self.schedule!r}")


SCHEDULES: dict[str, Callable[[float], float]] = {  # progress 0…1 -> share of the learning rate
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 + 0.5 * math.cos(math.pi * progress),
    "onecycle": lambda progress: (
        0.04 + 0.96 * progress / 0.2
        if progress < 0.2
        else 0.5 + 0.5 * math.cos(math.pi * (progress - 0.2) / 0.8)
    ),
}


SOFTENING = 2.0  # temperature of distillation
SETTINGS_OF_METHOD = tuple(f.name for f in fields(Settings) if f.name not in ("architecture", "options"))


@dataclass
class Progress:
    """Where a run stands; handed to the caller after every batch.

    Attributes
    ----------
    epoch : int
        Finished epochs.
    batches : int
        Finished batches of this call.
    loss, accuracy : float
        Means over the epoch so far.
    images_per_second : float
        Over this call, evaluations not counted.
    waited : float
        Share of that time spent waiting for the next batch.
    """

    epoch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float
    waited: float


def train(
    settings: Settings,
    training: Sequence[Stored],
    validation: Sequence[Stored],
    run_dir: str | Path,
    *,
    test: Sequence[Stored] = (),
    training_data: str | None = None,
    workers: int = 1,
    accelerator: str = "auto",
    devices: int | str = "auto",
    precision: Any = "32-true",
    report: Callable[[Progress], None] = lambda progress: None,
    evaluated: Callable[[dict[str, Any]], None] = lambda entry: None,
) -> dict[str, Any]:
    """Train a network, or go on with a run that was interrupted.

    Writes `last.pt` at every evaluation and `best.pt`, the epoch of the highest validation accuracy over
    segments, the earlier one of equals. Without validation data `best.pt` is the last epoch.

    Parameters
    ----------
    settings : Settings
    training, validation, test : sequence of Stored
        Test data only appear in the history (thesis figure 4.2).
    run_dir : str or Path
        If it holds a `last.pt` of the same settings, training goes on from there.
    training_data : str, optional
        Statement on the training data for the checkpoint; what the manifest says by default.
    workers : int
        Processes that load batches; the result does not depend on it.
    accelerator, devices, precision
        As for Lightning Fabric; `torchrun` sets devices by itself.
    report : callable
        Called with a `Progress` after every batch, in the first process.
    evaluated : callable
        Called after every evaluation with its entry of the history, in the first process.

    Returns
    -------
    dict
        The entry 'training' of the last checkpoint: settings, history, best epoch.
    """
    run_dir = Path(run_dir)
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)
    fabric.launch()
    network, optimizer, state = _start(settings, training, validation, run_dir)
    state["training_data"] = training_data or statement(training)
    if state["epoch"] >= settings.epochs:
        return state
    # The faster layout for convolutions, most of all on CPUs.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrapped, optimizer = fabric.setup(network, optimizer)
    labels = models.labels(settings.options.get("classes", 10))
    teacher = _teacher(settings.teacher, labels, fabric.device) if settings.teacher else None
    n_batches = settings.epochs * settings.batches_per_epoch
    remaining = range(state["epoch"] * settings.batches_per_epoch, n_batches)
    loader = _loader(settings, training, labels, remaining, rank=fabric.global_rank, workers=workers)
    incoming = iter(fabric.setup_dataloaders(loader, use_distributed_sampler=False))
    augment = Augmentation(tilt=settings.tilt, noise=settings.noise, mask=settings.mask)
    hall = Hall(settings.hall)

    done = 0
    busy = waited = 0.0
    for epoch in range(state["epoch"] + 1, settings.epochs + 1):
        torch.manual_seed(_seed(settings.seed, epoch, fabric.global_rank))
        wrapped.train()
        losses, hits = [], []
        for step in range((epoch - 1) * settings.batches_per_epoch, epoch * settings.batches_per_epoch):
            started = time.perf_counter()
            codes, targets = next(incoming)
            waited += time.perf_counter() - started
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * SCHEDULES[settings.schedule](step / n_batches)
            power = 10 ** (augment(hall(codes * STORED.step + STORED.lowest)) / 10)
            log_probabilities = functional.log_softmax(wrapped(power).float(), dim=1)
            loss = _loss(log_probabilities, targets, settings.label_smoothing)
            if teacher:
                taught = distillation_loss(log_probabilities, teacher(power))
                loss = (1 - settings.distil) * loss + settings.distil * taught
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise WhichdanceError(
                    f"the loss is {losses[-1]} in epoch {epoch}; try a lower lr than {settings.lr}"
                )
            hits.append((log_probabilities.argmax(dim=1) == targets).float().mean().item())
            busy += time.perf_counter() - started
            done += 1
            rate = done * settings.batch_size * fabric.world_size / busy
            if fabric.is_global_zero:
                report(Progress(epoch - 1, done, _mean(losses), _mean(hits), rate, waited / busy))

        entry: dict[str, Any] = {"epoch": epoch, "loss": _mean(losses), "accuracy": _mean(hits)}
        state["history"].append(entry)
        state["epoch"] = epoch
        if epoch % settings.evaluate_every == 0 or epoch == settings.epochs:
            if fabric.is_global_zero:
                for name, recordings in (("validation", validation), ("test", test)):
                    if recordings:
                        entry[name] = evaluate(network, recordings, labels, fabric.device)
                entry["waited"] = waited / busy
                _checkpoint(run_dir, network, optimizer, settings, state)
                evaluated(entry)
            state = fabric.broadcast(state)  # other processes wait here, and learn the best epoch
    return state


def _start(
    settings: Settings, training: Sequence[Stored], validation: Sequence[Stored], run_dir: Path
) -> tuple[nn.Module, torch.optim.Optimizer, dict[str, Any]]:
    """Network, optimiser and state of a new run, or of the one in the folder."""
    last = run_dir / "last.pt"
    checkpoint = read_checkpoint(last) if last.exists() else None
    weights = {"weights": "random"} if checkpoint else {}  # pre-trained ones would be overwritten at once
    torch.manual_seed(settings.seed)
    network = models.build(settings.architecture, **{**settings.options, **weights})
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if settings.weight_decay:
        optimizer = torch.optim.AdamW(trained, settings.lr, weight_decay=settings.weight_decay)
    else:
        optimizer = torch.optim.Adam(trained, settings.lr)
    state: dict[str, Any] = {
        "settings": asdict(settings),
        "data": fingerprint(training, validation),
        "epoch": 0,
        "history": [],
        "best": None,
    }
    if checkpoint:
        state = _resumable(checkpoint["training"], state, run_dir)
        network.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    return network, optimizer, state


def _loader(
    settings: Settings,
    training: Sequence[Stored],
    labels: Sequence[str],
    numbers: range,
    *,
    rank: int,
    workers: int,
) -> DataLoader[tuple[Tensor, Tensor]]:
    """The batches of these numbers, loaded ahead by `workers` processes."""
    batches = Batches(
        training,
        labels,
        batch_size=settings.batch_size,
        seed=settings.seed,
        rank=rank,
        stretch=settings.stretch,
        context=Hall(settings.hall).context,
    )
    return DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=8 if workers else None,
        generator=torch.Generator(),  # starting a loader draws from it, not from the seeded global one
    )


def statement(recordings: Sequence[Stored]) -> str:
    """How many recordings, of what length, from which sources."""
    hours = sum(r.n_frames for r in recordings) / FRAME_RATE / 3600
    sources = sorted({r.recording.source for r in recordings if r.recording.source})
    named = (
        ", ".join(sources) if len(sources) <= 5 else f"{', '.join(sources[:5])} and {len(sources) - 5} others"
    )
    return f"{len(recordings)} recordings, {hours:.1f} hours" + (f"; sources: {named}" if named else "")


def fingerprint(*splits: Sequence[Stored]) -> str:
    """A hash of the recordings' contents, labels, extents and order, wherever they lie."""
    digest = hashlib.sha256()
    for split in splits:
        rows = [(s.file.name, s.first, s.last, s.recording.dance) for s in split]
        digest.update(repr(rows).encode())
    return digest.hexdigest()


def _seed(*numbers: int) -> int:
    """One seed of several numbers, so that neighbouring epochs and runs share no random numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _loss(log_probabilities: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Negative log likelihood; with smoothing, part of it against the uniform distribution."""
    loss = functional.nll_loss(log_probabilities, targets)
    return (1 - smoothing) * loss - smoothing * log_probabilities.mean() if smoothing else loss


def _teacher(path: str, labels: Sequence[str], device: torch.device) -> Callable[[Tensor], Tensor]:
    """The logits of a trained network, as a function of mel power."""
    network, checkpoint = models.load_checkpoint(path)
    if tuple(checkpoint["labels"]) != tuple(labels):
        raise ParameterError(
            f"teacher {path} tells {len(checkpoint['labels'])} classes apart, this network {len(labels)}; "
            "set classes to the teacher's"
        )
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda power: network(power).float()


def distillation_loss(log_probabilities: Tensor, teacher_logits: Tensor) -> Tensor:
    """Divergence of the network from its teacher, both softened (Hinton, Vinyals and Dean 2015, section 2).

    Parameters
    ----------
    log_probabilities, teacher_logits : Tensor, shape (n, classes)

    Returns
    -------
    Tensor
        Kullback–Leibler divergence in nats at temperature 2, times its square: gradients stay as large as
        those of the labels.
    """
    softened = functional.log_softmax(log_probabilities / SOFTENING, dim=1)
    target = functional.softmax(teacher_logits / SOFTENING, dim=1)
    return SOFTENING**2 * functional.kl_div(softened, target, reduction="batchmean")


def evaluate(
    network: nn.Module, recordings: Sequence[Stored], labels: Sequence[str], device: torch.device
) -> dict[str, float]:
    """Loss and accuracy over segments, accuracy over recordings; left out what it has no class for."""
    recordings = [r for r in recordings if models.class_of(r.recording.dance, labels) in labels]
    if not recordings:
        return {}
    scores = score_recordings(network_runner(network, device), recordings)
    truth = np.array([labels.index(models.class_of(r.recording.dance, labels)) for r in recordings])
    of_segments = np.concatenate(scores)
    segment_truth = np.repeat(truth, [len(s) for s in scores])
    likelihood = of_segments[np.arange(len(segment_truth)), segment_truth]
    return {
        "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "accuracy": top_k(of_segments, segment_truth, 1).value,
        "aggregated_accuracy": top_k(aggregate(scores), truth, 1).value,
    }


def _checkpoint(
    run_dir: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    state: dict[str, Any],
) -> None:
    """Write best.pt, where this epoch is the best, and then last.pt.

    A run killed in between goes on from the old last.pt and writes the same best.pt once more.
    """
    entry = state["history"][-1]
    score = entry.get("validation", {}).get("accuracy")
    best = state["best"]
    if score is None or best is None or score > best["accuracy"]:
        state["best"] = {"epoch": entry["epoch"], "accuracy": score}
        models.save_checkpoint(
            run_dir / "best.pt", network, settings.architecture, settings.options, training=state
        )
    models.save_checkpoint(
        run_dir / "last.pt",
        network,
        settings.architecture,
        settings.options,
        training=state,
        optimizer=optimizer.state_dict(),
    )


def _resumable(old: dict[str, Any], new: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    """The state of the interrupted run, if it had the same data and settings, but perhaps for `epochs`."""
    earlier = asdict(Settings()) | old["settings"]  # settings that came later had no effect then
    changed = [
        name for name in new["settings"] if name != "epochs" and earlier[name] != new["settings"][name]
    ]
    if old.get("data", new["data"]) != new["data"]:
        changed.append("the recordings")
    if changed:
        raise ParameterError(
            f"{run_dir} holds a run that differs in {', '.join(changed)}; train into another folder, "
            "or take what that run had"
        )
    return old | {"settings": new["settings"]}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
