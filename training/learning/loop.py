"""The training loop (thesis 3.2.2, 4.4): a plain loop on Lightning Fabric that can be killed at any moment.

Nothing random lives longer than an epoch: batches are functions of their number, and torch is seeded
anew with the number of each epoch. So the last checkpoint, written at every evaluation, is all that it
takes to go on to the very weights of an uninterrupted run.
"""

import atexit
import csv
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from runtime.atomic import replacing
from runtime.dances import OTHER
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE
from training.data import provenance
from training.data.store import Stored
from training.evaluation.metrics import aggregate, top_k
from training.evaluation.scoring import network_runner, score_recordings
from training.learning.augment import Augmentation
from training.learning.consistency import contrastive_loss, output_loss
from training.learning.hall import Hall
from training.learning.normalisation import measure
from training.learning.prepared import Prepared, ReadyBatch, as_input, decoded, pictures_of
from training.learning.progress import Progress, Watcher
from training.learning.sampler import Batches
from training.networks import models
from training.networks.exported import is_exported
from training.networks.rhythmogram import RhythmNet
from training.networks.samples import SampleBatches
from training.networks.waveform import check_method
from training.networks.weights import is_checkpoint, read_checkpoint
from training.settings import SCHEDULES, WAVEFORM, Machine, Settings
from training.synthesis.credits import credits_of

LOG = "log.csv"
PATIENCE = timedelta(days=1)  # of processes that wait while the first one evaluates
OF_SPECTROGRAMS = ("stretch", "tilt", "noise", "mask", "hall", "consistency", "contrast", "shares", "teacher")
MEASURED = 24  # batches by which normalisation is measured that an exported file folded away
MACHINE = Machine()
SOFTENING = 2.0  # temperature of distillation


def train(
    settings: Settings,
    training: Sequence[Stored],
    validation: Sequence[Stored],
    run_dir: str | Path,
    *,
    test: Sequence[Stored] = (),
    training_data: str | None = None,
    machine: Machine = MACHINE,
    fabric: Fabric | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Train a network, or go on with a run that was interrupted.

    Writes `last.pt` and `log.csv` at every evaluation and `best.pt`, the epoch of the highest validation
    accuracy over segments, the earlier one of equals. Without validation data `best.pt` is the last epoch.

    Several processes of `torchrun` share the work: each draws batches of its own, gradients are averaged, and
    loss and accuracy are means over all of them. How many there are is part of the run.

    Parameters
    ----------
    settings : Settings
    training, validation, test : sequence of Stored
        Test data only appear in the history (thesis figure 4.2).
    run_dir : str or Path
        If it holds a `last.pt` of the same settings, training goes on from there.
    training_data : str, optional
        Statement on the training data for the checkpoint; what the manifest says by default.
    machine : Machine
        Device, precision, processes that load batches; their number does not change the result.
    fabric : Fabric, optional
        What `launch` has given; by default it is called with the machine's device and precision.
    watcher : Watcher, optional

    Returns
    -------
    dict
        The entry 'training' of the last checkpoint: settings, history, best epoch.
    """
    run_dir, watcher = Path(run_dir), watcher or Watcher()
    fabric = fabric or launch(machine.accelerator, machine.devices, machine.precision)
    network, optimizer, state = _start(settings, training, validation, run_dir, fabric.world_size)
    state["training_data"] = training_data or statement(training)
    if state["epoch"] >= settings.epochs:
        return state
    labels = models.labels(settings.options.get("classes", 10))
    steps = _Steps(settings, training, network, optimizer, fabric, state["epoch"], machine)
    for epoch in range(state["epoch"] + 1, settings.epochs + 1):
        torch.manual_seed(_seed(settings.seed, epoch, fabric.global_rank))
        _train_mode(steps.network)
        losses, hits = [], []
        for number in range((epoch - 1) * settings.batches_per_epoch, epoch * settings.batches_per_epoch):
            loss, hit = steps.take(number)
            losses.append(loss)
            hits.append(hit)
            if fabric.is_global_zero:
                means = _mean(losses), _mean(hits)
                watcher.report(Progress(epoch - 1, steps.done, *means, steps.speed, steps.waited))

        loss_and_accuracy = torch.tensor([_mean(losses), _mean(hits)], device=fabric.device)
        of_all: Any = fabric.all_reduce(loss_and_accuracy, reduce_op="mean")
        entry: dict[str, Any] = {"epoch": epoch, "loss": float(of_all[0]), "accuracy": float(of_all[1])}
        state["history"].append(entry)
        state["epoch"] = epoch
        if epoch % settings.evaluate_every == 0 or epoch == settings.epochs:
            if fabric.is_global_zero:
                for name, recordings in (("validation", validation), ("test", test)):
                    if recordings:
                        shown = partial(watcher.evaluating, name)
                        entry[name] = evaluate(network, recordings, labels, fabric.device, shown)
                entry["waited"] = steps.waited
                _checkpoint(run_dir, network, steps.optimizer, settings, state)
                write_log(run_dir / LOG, state["history"])
                watcher.evaluated(entry)
            state = fabric.broadcast(state)  # other processes wait here, and learn the best epoch
    return state


class _Steps:
    """The steps of the optimiser, a batch each, from where a run stands; and how long they take.

    Attributes
    ----------
    network, optimizer
        As Fabric has set them up.
    done : int
        Steps taken.
    """

    def __init__(
        self,
        settings: Settings,
        training: Sequence[Stored],
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        fabric: Fabric,
        epoch: int,
        machine: Machine,
    ) -> None:
        if settings.architecture == WAVEFORM:
            check_method(**{name: getattr(settings, name) for name in OF_SPECTROGRAMS})
        self._settings = settings
        self._fabric = fabric
        self._n_batches = settings.epochs * settings.batches_per_epoch
        labels = models.labels(settings.options.get("classes", 10))
        self._teacher = Distiller(settings.teacher, labels, fabric.device) if settings.teacher else None
        batches = _batches(settings, training, labels, network, self._teacher, rank=fabric.global_rank)
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(epoch * settings.batches_per_epoch, self._n_batches),
            num_workers=machine.workers,
            prefetch_factor=8 if machine.workers else None,
            generator=torch.Generator(),  # starting a loader draws from it, not from the seeded global one
        )
        # What is drawn more often is not to be expected more often (`Batches.log_shares`).
        drawn = getattr(batches.batches, "log_shares", torch.zeros(len(labels)))
        self._drawn = drawn.to(fabric.device)
        self._incoming: Any = iter(fabric.setup_dataloaders(loader, use_distributed_sampler=False))
        # The faster layout for convolutions, most of all on CPUs.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        learner: Any = _Learner(network, apart=settings.apart, features=bool(settings.contrast))
        if machine.compile:
            learner = torch.compile(learner)  # Fabric compiles it anew with what it wraps around it
        self.network, self.optimizer = fabric.setup(learner, optimizer)
        self.done = 0
        self._busy = self._waited = 0.0  # s

    @property
    def speed(self) -> float:
        """Images a second in all processes."""
        return self.done * self._settings.batch_size * self._fabric.world_size / self._busy

    @property
    def waited(self) -> float:
        """Share of the time that was spent waiting for batches."""
        return self._waited / self._busy

    def take(self, number: int) -> tuple[float, float]:
        """Learn from the next batch, number `number` of the run; its loss and its accuracy."""
        started = time.perf_counter()
        batch: ReadyBatch = next(self._incoming)
        self._waited += time.perf_counter() - started
        schedule = SCHEDULES[self._settings.schedule]
        for group in self.optimizer.param_groups:
            group["lr"] = self._settings.lr * schedule(number / self._n_batches)
        logits, features = self.network(*batch.pictures)
        log_probabilities = functional.log_softmax(logits.float() + self._drawn, dim=1)
        loss = self._loss(log_probabilities, features, batch)
        self._fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if not math.isfinite(loss.item()):
            epoch = 1 + number // self._settings.batches_per_epoch
            raise WhichdanceError(
                f"the loss is {loss.item()} in epoch {epoch}; try a lower lr than {self._settings.lr}"
            )
        hits = log_probabilities.argmax(dim=1) == batch.targets.repeat(len(logits) // len(batch.targets))
        told = loss.item(), hits.float().mean().item()
        self._busy += time.perf_counter() - started
        self.done += 1
        return told

    def _loss(self, log_probabilities: Tensor, features: Tensor | None, batch: ReadyBatch) -> Tensor:
        """Of the labels, the teacher, and segments that are the same music, as the settings weigh them."""
        settings = self._settings
        branches = len(log_probabilities) // len(batch.targets)
        targets = batch.targets.repeat(branches)
        if self._teacher and batch.taught is not None:
            taught = batch.taught.repeat(branches, 1)
            loss = self._teacher.loss(log_probabilities, targets, taught, settings)
        else:
            loss = _losses(log_probabilities, targets, settings.label_smoothing).mean()
        if settings.consistency:
            of_branches = log_probabilities.unflatten(0, (branches, -1))
            loss = loss + settings.consistency * output_loss(of_branches)
        if settings.contrast:
            assert features is not None
            loss = loss + settings.contrast * contrastive_loss(features, batch.targets)
        return loss


class _Learner(nn.Module):
    """A network behind its images, which come ready: logits, and features where they are asked for.

    Parameters
    ----------
    apart : bool
        Logits of each branch.
    features : bool
    """

    def __init__(self, network: nn.Module, *, apart: bool, features: bool) -> None:
        super().__init__()
        if (apart or features) and not isinstance(network, RhythmNet):
            name = "apart" if apart else "contrast"
            raise ParameterError(f"{name} is for architecture 'rhythmogram', got another")
        self.network = network
        self.apart = apart
        self.features = features

    def forward(self, *pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        if not (self.apart or self.features):
            logits: Any = getattr(self.network, "of_pictures", self.network)
            return logits(*pictures), None
        network: Any = self.network
        features = network.features(*pictures)
        return (network.apart if self.apart else network.head)(features), features


def launch(accelerator: str = "auto", devices: int | str = "auto", precision: Any = "32-true") -> Fabric:
    """The process's part in a training run: one device, or its place among the processes of `torchrun`.

    Parameters
    ----------
    accelerator, precision : str
        As for Lightning Fabric.
    devices : int or str
        1, or 'auto'. `torchrun --nproc-per-node N` starts a process per device.

    Raises
    ------
    ParameterError
        More devices than one without `torchrun`.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and "LOCAL_WORLD_SIZE" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        fabric = Fabric(
            accelerator=accelerator,
            devices=local,
            num_nodes=processes // local,
            precision=precision,
            strategy=DDPStrategy(timeout=PATIENCE),
        )
    elif str(devices) in ("auto", "1"):
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    else:
        raise ParameterError(
            f"devices is {devices!r}; one process trains on one device. For more: "
            "torchrun --nproc-per-node N -m training train …"
        )
    fabric.launch()
    if fabric.world_size != processes:
        raise WhichdanceError(f"torchrun started {processes} processes, but {fabric.world_size} train")
    if fabric.world_size > 1:
        atexit.register(_leave_group)
    return fabric


def _leave_group() -> None:
    """End the threads of the process group: at the interpreter's end they abort it now and then."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _train_mode(network: nn.Module) -> None:
    """Train mode, but for the batch normalisations of frozen layers: their statistics are frozen, too."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not any(
            p.requires_grad for p in module.parameters()
        ):
            module.eval()


def write_log(path: Path, history: Sequence[dict[str, Any]]) -> None:
    """The history of a run as CSV: a row per epoch, with what was measured at evaluations."""
    rows = []
    for entry in history:
        row = {name: value for name, value in entry.items() if not isinstance(value, dict)}
        for split in ("validation", "test"):
            row |= {f"{split}_{name}": value for name, value in (entry.get(split) or {}).items()}
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _start(
    settings: Settings,
    training: Sequence[Stored],
    validation: Sequence[Stored],
    run_dir: Path,
    world_size: int,
) -> tuple[nn.Module, torch.optim.Optimizer, dict[str, Any]]:
    """Network, optimiser and state of a new run, or of the one in the folder."""
    last = run_dir / "last.pt"
    checkpoint = read_checkpoint(last) if last.exists() else None
    weights = {"weights": None} if checkpoint else {}  # pre-trained ones would be overwritten at once
    torch.manual_seed(settings.seed)
    network = models.build(settings.architecture, **{**settings.options, **weights})
    if not checkpoint and is_exported(settings.options.get("weights")):
        measure(network, _power(settings, training))
        network.train()
    if settings.head_only:
        network.requires_grad_(False)
        [m for m in network.modules() if isinstance(m, nn.Linear)][-1].requires_grad_(True)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if settings.weight_decay:
        optimizer = torch.optim.AdamW(trained, settings.lr, weight_decay=settings.weight_decay)
    else:
        optimizer = torch.optim.Adam(trained, settings.lr)
    state: dict[str, Any] = {
        "settings": asdict(settings),
        "data": fingerprint(training, validation),
        "world_size": world_size,
        "recordings": _recordings(settings, training, validation),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "epoch": 0,
        "history": [],
        "best": None,
    }
    if checkpoint:
        state = _resumable(checkpoint["training"], state, run_dir)
        network.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    return network, optimizer, state


def _power(settings: Settings, training: Sequence[Stored]) -> Iterator[Tensor]:
    """Mel power of a few batches, as they are stored."""
    labels = models.labels(settings.options.get("classes", 10))
    batches = Batches(training, labels, batch_size=32, seed=settings.seed, segment_frames=settings.frames[0])
    for i in range(MEASURED):
        yield as_input(decoded(batches[i][0]))


def _recordings(
    settings: Settings, training: Sequence[Stored], validation: Sequence[Stored]
) -> dict[str, list[str]]:
    """Hashes of what the network will have seen, itself or through its teacher or what it starts from."""
    parts: list[Any] = [{"train": provenance.hashes(training), "validation": provenance.hashes(validation)}]
    for path in (settings.teacher, settings.options.get("weights")):
        if path and Path(path).is_file() and is_checkpoint(path):
            parts.append(provenance.seen(read_checkpoint(path)))
    return provenance.joined(parts)


def _batches(
    settings: Settings,
    training: Sequence[Stored],
    labels: Sequence[str],
    network: nn.Module,
    teacher: "Distiller | None",
    *,
    rank: int,
) -> Prepared:
    """The batches of a run by their numbers, ready for the network."""
    hall = Hall(1.0 if settings.paired else settings.hall)
    batch_size = settings.batch_size // 2 if settings.paired else settings.batch_size
    batches: Batches | SampleBatches
    if settings.architecture == WAVEFORM:
        batches = SampleBatches(
            training, labels, batch_size=settings.batch_size, seed=settings.seed, rank=rank
        )
    else:
        batches = Batches(
            training,
            labels,
            batch_size=batch_size,
            seed=settings.seed,
            rank=rank,
            stretch=settings.stretch,
            context=hall.context,
            segment_frames=settings.frames,
            shares=settings.shares,
        )
    augment = Augmentation(tilt=settings.tilt, noise=settings.noise, mask=settings.mask)
    taught = teacher.network if teacher else None
    return Prepared(batches, hall, augment, pictures_of(network), taught, paired=settings.paired)


def statement(recordings: Sequence[Stored]) -> str:
    """How many recordings, of what length, from which sources, and whose work is heard in generated ones."""
    hours = sum(r.n_frames for r in recordings) / FRAME_RATE / 3600
    sources = sorted({r.recording.source for r in recordings if r.recording.source})
    named = (
        ", ".join(sources) if len(sources) <= 5 else f"{', '.join(sources[:5])} and {len(sources) - 5} others"
    )
    said = f"{len(recordings)} recordings, {hours:.1f} hours" + (f"; sources: {named}" if named else "")
    return ". ".join([said, *credits_of(r.recording for r in recordings)])


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


def _losses(log_probabilities: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Negative log likelihood of each, (n,); with smoothing, part of it against the uniform distribution."""
    losses = functional.nll_loss(log_probabilities, targets, reduction="none")
    return (1 - smoothing) * losses - smoothing * log_probabilities.mean(dim=1) if smoothing else losses


class Distiller:
    """A trained network to learn from as well (Hinton, Vinyals and Dean 2015).

    It hears every segment as it is stored, the learner what augmentation and halls have made of it, so that
    the same music means the same to it whatever has been done to the sound. A teacher of fewer classes speaks
    of the segments whose dance it knows; the learner's further classes count as its 'other' then.

    Parameters
    ----------
    path : str
        A checkpoint.
    labels : sequence of str
        The learner's classes; the teacher's must be among them.
    device : torch.device
    """

    def __init__(self, path: str, labels: Sequence[str], device: torch.device) -> None:
        network, checkpoint = models.load_checkpoint(path)
        own = checkpoint["labels"]
        unknown = [label for label in own if label not in labels]
        if unknown:
            raise ParameterError(
                f"teacher {path} tells {', '.join(unknown)} apart, this network does not; "
                "set classes so that the teacher's are among them"
            )
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network  # where batches are loaded
        named = labels if set(own) == set(labels) else [label for label in own if label != OTHER]
        self._speaks = torch.tensor([label in named for label in labels], device=device)
        # column of the teacher for each class of the learner; none without a rest
        rest = own.index(OTHER) if OTHER in own else -1
        columns = [own.index(label) if label in own else rest for label in labels]
        self._groups = [
            torch.tensor([i for i, c in enumerate(columns) if c == column], dtype=torch.long, device=device)
            for column in range(len(own))
        ]

    def loss(self, log_probabilities: Tensor, targets: Tensor, taught: Tensor, settings: Settings) -> Tensor:
        """Loss of the labels, and of the teacher, by its logits `taught`, where it speaks by its share."""
        labelled = _losses(log_probabilities, targets, settings.label_smoothing)
        distilled = distillation_losses(self.grouped(log_probabilities), taught.float())
        share = settings.distil * self._speaks[targets]
        return ((1 - share) * labelled + share * distilled).mean()

    def grouped(self, log_probabilities: Tensor) -> Tensor:
        """The learner's log probabilities (n, classes) of the teacher's classes, (n, classes of the teacher).

        Without an 'other' the teacher knows nothing of further classes: they are left out of the sum.
        """
        columns = [log_probabilities.index_select(1, group).logsumexp(dim=1) for group in self._groups]
        return functional.log_softmax(torch.stack(columns, dim=1), dim=1)


def distillation_losses(log_probabilities: Tensor, teacher_logits: Tensor) -> Tensor:
    """Divergence of the network from its teacher, both softened (Hinton, Vinyals and Dean 2015, section 2).

    Parameters
    ----------
    log_probabilities, teacher_logits : Tensor, shape (n, classes)

    Returns
    -------
    Tensor, shape (n,)
        Kullback–Leibler divergence in nats at temperature 2, times its square: gradients stay as large as
        those of the labels.
    """
    softened = functional.log_softmax(log_probabilities / SOFTENING, dim=1)
    target = functional.softmax(teacher_logits / SOFTENING, dim=1)
    return SOFTENING**2 * functional.kl_div(softened, target, reduction="none").sum(dim=1)


def evaluate(
    network: nn.Module,
    recordings: Sequence[Stored],
    labels: Sequence[str],
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Loss and accuracy over segments, accuracy over recordings; left out what it has no class for."""
    recordings = [r for r in recordings if models.class_of(r.recording.dance, labels) in labels]
    if not recordings:
        return {}
    scores = score_recordings(network_runner(network, device), recordings, progress=progress)
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
    if old.get("world_size", 1) != new["world_size"]:
        changed.append(f"the number of processes ({old.get('world_size', 1)}, now {new['world_size']})")
    if changed:
        raise ParameterError(
            f"{run_dir} holds a run that differs in {', '.join(changed)}; train into another folder, "
            "or take what that run had"
        )
    return old | {name: new[name] for name in ("settings", "recordings", "versions", "commit")}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
