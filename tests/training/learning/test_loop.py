import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import ParameterError, WhichdanceError
from training.data import provenance
from training.data.codec import STORED
from training.data.store import Stored
from training.learning import loop
from training.learning.loop import SCHEDULES, Machine, Settings, train
from training.learning.progress import Watcher
from training.networks import models
from training.networks.weights import read_checkpoint

TINY = Settings(
    architecture="rhythmogram",
    options={"width": 0.25, "dropout": 0.2},
    epochs=4,
    batches_per_epoch=3,
    batch_size=4,
    evaluate_every=2,
    lr=0.002,
    tilt=3.0,
    noise=0.5,
    mask=0.5,
    stretch=0.04,
)
MACHINE = Machine(workers=0, accelerator="cpu", devices="1")
Splits = dict[str, list[Stored]]


def run(
    settings: Settings, splits: Splits, folder: Path, machine: Machine = MACHINE, **options: Any
) -> dict[str, Any]:
    return train(settings, splits["train"], splits["validation"], folder, machine=machine, **options)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def uninterrupted(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    told: list[tuple[str, int, int]] = []

    class Told(Watcher):
        def evaluating(self, split: str, done: int, total: int) -> None:
            told.append((split, done, total))

    run(TINY, splits, folder, test=splits["test"], watcher=Told())
    one = [(name, n, len(splits[name])) for name in ("validation", "test") for n in range(1, 4)]
    assert told == 2 * one  # at both evaluations, recording by recording: no long silence
    return folder


def test_defaults_are_the_thesiss() -> None:
    s = Settings()
    assert (s.batch_size, s.batches_per_epoch, s.epochs, s.evaluate_every) == (8, 20, 2000, 20)
    assert (s.lr, s.schedule, s.weight_decay, s.label_smoothing) == (0.0005, "constant", 0, 0)
    assert (s.stretch, s.tilt, s.noise, s.mask) == (0, 0, 0, 0)


@pytest.mark.slow
def test_what_is_drawn_more_often_is_not_expected_more_often(splits: Splits, tmp_path: Path) -> None:
    """The same music under two names, one of which comes nine times of ten: nothing tells them apart."""
    music = splits["train"][:1]
    two = [replace(s, recording=replace(s.recording, dance=d)) for s in music for d in ("rumba", "tango")]
    settings = replace(
        TINY,
        options={"width": 0.25, "classes": ("rumba", "tango")},
        shares="rumba=0.9",
        epochs=10,
        batches_per_epoch=6,
        batch_size=16,
        evaluate_every=10,
    )
    entry = run(settings, {"train": two, "validation": two}, tmp_path)["history"][-1]
    assert entry["loss"] < 0.5  # that of a coin that falls nine times of ten to one side is .33
    assert entry["validation"]["loss"] < 0.8  # that of a fair coin .69; told 9 : 1 it would be 1.2


@pytest.mark.slow
def test_pairs_draw_halls_towards_what_is_heard_without_them(splits: Splits, tmp_path: Path) -> None:
    one = {"train": splits["train"], "validation": []}
    options = {"width": 0.25, "branches": ("acf", "mel"), "trunk": "dense"}
    paired = replace(TINY, options=options, apart=True, consistency=1.0, contrast=0.5, epochs=1)
    assert math.isfinite(run(paired, one, tmp_path / "paired")["history"][-1]["loss"])
    with pytest.raises(ParameterError, match="batch_size must be even"):
        replace(paired, batch_size=5)
    with pytest.raises(ParameterError, match="contrast must be 0 or more"):
        replace(paired, contrast=float("nan"))
    with pytest.raises(ParameterError, match="contrast is for architecture 'rhythmogram'"):
        run(
            replace(paired, architecture="mobilenet_v3_small", options={}, apart=False),
            one,
            tmp_path / "other",
        )


def test_checkpoints_and_history(uninterrupted: Path) -> None:
    assert sorted(p.name for p in uninterrupted.iterdir()) == ["best.pt", "last.pt", "log.csv"]
    training = read_checkpoint(uninterrupted / "last.pt")["training"]
    assert [entry["epoch"] for entry in training["history"]] == [1, 2, 3, 4]
    evaluated = [entry for entry in training["history"] if "validation" in entry]
    assert [entry["epoch"] for entry in evaluated] == [2, 4]
    assert set(evaluated[0]["test"]) == {"loss", "accuracy", "aggregated_accuracy"}
    assert 0 <= evaluated[0]["waited"] <= 1
    assert training["training_data"].startswith("9 recordings, 0.0 hours; sources: clicks")
    network, checkpoint = models.load_checkpoint(uninterrupted / "best.pt")
    best = max(evaluated, key=lambda entry: entry["validation"]["accuracy"])  # the first of equals
    assert checkpoint["training"]["best"]["epoch"] == best["epoch"]
    assert not network.training


def test_same_seed_same_weights_whatever_the_workers(
    uninterrupted: Path, splits: Splits, tmp_path: Path
) -> None:
    run(TINY, splits, tmp_path / "again", replace(MACHINE, workers=1))
    assert same(weights(tmp_path / "again" / "last.pt"), weights(uninterrupted / "last.pt"))
    run(replace(TINY, seed=1), splits, tmp_path / "other")
    assert not same(weights(tmp_path / "other" / "last.pt"), weights(uninterrupted / "last.pt"))


def test_compiled_steps_learn_the_same(
    uninterrupted: Path, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced by the compiler, without the minutes of making machine code of it."""
    asked: list[Any] = []

    def traced(module: Any, **options: Any) -> Any:
        asked.append(module)
        return compiled(module, **{**options, "backend": "eager"})

    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", traced)
    run(TINY, splits, tmp_path / "compiled", replace(MACHINE, compile=True))
    assert asked
    ours, theirs = weights(tmp_path / "compiled" / "last.pt"), weights(uninterrupted / "last.pt")
    assert ours.keys() == theirs.keys()  # no names of the compiler's in the checkpoint
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)
    resumed = run(replace(TINY, epochs=6), splits, tmp_path / "compiled")["history"]
    assert [entry["epoch"] for entry in resumed] == [1, 2, 3, 4, 5, 6]


KILLED = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from training.data.manifest import read_manifest
from training.data.store import Store
from training.learning.loop import Machine, Settings, train
from training.learning.progress import Watcher
manifest, folder, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
stored = Store(manifest.parent / "features").collect(read_manifest(manifest)).stored
split = {n: [s for s in stored if s.recording.split == n] for n in ("train", "validation")}
class Told(Watcher):
    def report(self, progress):
        print(progress.epoch, progress.batches, flush=True)
machine = Machine(workers=0, accelerator="cpu", devices="1")
train(Settings(**settings), split["train"], split["validation"], folder, machine=machine, watcher=Told())
"""


def test_killed_and_started_again_gives_the_same_weights(
    uninterrupted: Path, splits: Splits, manifest: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(manifest), str(folder), json.dumps(asdict(TINY))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split() == ["2", "8"]:  # in the middle of epoch 3; the last checkpoint is of epoch 2
                os.kill(process.pid, signal.SIGKILL)
                break
        time.sleep(0.1)
    assert process.returncode == -signal.SIGKILL
    assert read_checkpoint(folder / "last.pt")["training"]["epoch"] == 2
    state = run(TINY, splits, folder)
    assert state["epoch"] == 4
    assert same(weights(folder / "last.pt"), weights(uninterrupted / "last.pt"))
    assert same(weights(folder / "best.pt"), weights(uninterrupted / "best.pt"))
    before, after = (read_checkpoint(f / "last.pt") for f in (uninterrupted, folder))
    assert [e["loss"] for e in after["training"]["history"]] == [
        e["loss"] for e in before["training"]["history"]
    ]
    for key, moments in before["optimizer"]["state"].items():
        assert torch.equal(moments["exp_avg_sq"], after["optimizer"]["state"][key]["exp_avg_sq"])


def test_a_crash_while_writing_leaves_the_old_checkpoint(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, checkpoint = models.load_checkpoint(uninterrupted / "last.pt")
    path = tmp_path / "last.pt"
    models.save_checkpoint(path, network, checkpoint["architecture"], checkpoint["options"])
    before = path.read_bytes()

    def dies(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        models.save_checkpoint(path, network, checkpoint["architecture"], checkpoint["options"])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_finished_run_can_be_prolonged_but_not_changed(
    uninterrupted: Path, splits: Splits, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.pt").write_bytes((uninterrupted / "last.pt").read_bytes())
    before = weights(folder / "last.pt")
    assert run(TINY, splits, folder)["epoch"] == 4  # nothing to do
    assert same(weights(folder / "last.pt"), before)
    with pytest.raises(ParameterError, match="differs in lr, seed"):
        run(replace(TINY, lr=0.1, seed=9), splits, folder)
    with pytest.raises(ParameterError, match="differs in the recordings"):
        run(TINY, splits | {"train": splits["train"][1:]}, folder)
    assert run(replace(TINY, epochs=6), splits, folder)["epoch"] == 6


def test_learns_a_simple_task(splits: Splits, tmp_path: Path) -> None:
    settings = Settings(
        architecture="rhythmogram",
        options={"width": 0.25},
        epochs=3,
        batches_per_epoch=30,
        evaluate_every=3,
        lr=0.003,
        schedule="onecycle",
    )
    state = run(settings, splits, tmp_path / "run", test=splits["test"])
    assert state["history"][-1]["loss"] < 0.5 * state["history"][0]["loss"]
    assert state["history"][-1]["test"]["aggregated_accuracy"] == 1.0


def test_frozen_parameters_stay(splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.build

    def frozen(architecture: str, **options: Any) -> torch.nn.Module:
        network = original(architecture, **options)
        network.requires_grad_(False)
        network.get_submodule("head").requires_grad_(True)
        return network

    monkeypatch.setattr(models, "build", frozen)
    torch.manual_seed(TINY.seed)
    before = frozen(TINY.architecture, **TINY.options).state_dict()
    run(replace(TINY, epochs=1), splits, tmp_path / "run")
    after = weights(tmp_path / "run" / "last.pt")
    changed = {k for k in before if not torch.equal(before[k], after[k])}  # no statistics either
    assert changed == {"head.1.weight", "head.1.bias"}


def test_without_validation_the_last_epoch_is_the_best(splits: Splits, tmp_path: Path) -> None:
    state = run(TINY, splits | {"validation": []}, tmp_path / "run")
    assert state["best"] == {"epoch": 4, "accuracy": None}


def test_bf16_weight_decay_and_smoothing(splits: Splits, tmp_path: Path) -> None:
    settings = replace(TINY, epochs=1, evaluate_every=1, weight_decay=0.01, label_smoothing=0.1)
    state = run(settings, splits, tmp_path / "run", replace(MACHINE, precision="bf16-mixed"))
    assert state["epoch"] == 1
    assert all(w.dtype != torch.bfloat16 for w in weights(tmp_path / "run" / "last.pt").values())


def test_loss_is_the_negative_log_likelihood() -> None:
    logits, targets = torch.randn(5, 10), torch.tensor([0, 3, 9, 1, 1])
    log_probabilities = logits.log_softmax(dim=1)
    expected = torch.nn.functional.cross_entropy(logits, targets)
    assert loop._losses(log_probabilities, targets, 0.0).mean() == pytest.approx(expected.item())
    smooth = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    assert loop._losses(log_probabilities, targets, 0.1).mean() == pytest.approx(smooth.item(), rel=1e-5)


def test_distillation_loss_is_a_divergence() -> None:
    teacher = torch.tensor([[2.0, 0.0, -2.0]])
    assert float(loop.distillation_losses(teacher.log_softmax(1), teacher)) == pytest.approx(0, abs=1e-6)
    uniform = torch.zeros(1, 3).log_softmax(1)
    p = (teacher / 2).softmax(1)
    expected = 4 * float((p * (3 * p).log()).sum())
    assert float(loop.distillation_losses(uniform, teacher)) == pytest.approx(expected)


def test_a_network_comes_near_its_teacher(splits: Splits, tmp_path: Path, uninterrupted: Path) -> None:
    teacher = str(uninterrupted / "last.pt")
    plain = {"tilt": 0.0, "noise": 0.0, "mask": 0.0, "stretch": 0.0, "seed": 5}
    settings = replace(TINY, epochs=12, evaluate_every=12, teacher=teacher, distil=1.0, **plain)
    history = run(settings, splits, tmp_path / "taught")["history"]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_a_teacher_of_classes_that_the_learner_lacks_is_refused(
    splits: Splits, tmp_path: Path, uninterrupted: Path
) -> None:
    options = {**TINY.options, "classes": "rumba,jive,other"}
    settings = replace(TINY, teacher=str(uninterrupted / "last.pt"), options=options)
    with pytest.raises(ParameterError, match=r"teacher .* tells .*tango.* apart, this network does not"):
        run(settings, splits, tmp_path / "taught")


@pytest.fixture
def of_three(tmp_path: Path) -> Path:
    """A teacher of two dances and the rest."""
    options = {"classes": "jive,rumba,other", "branches": ("acf",), "width": 0.25}
    network = models.build("rhythmogram", **options)
    path = tmp_path / "three.pt"
    models.save_checkpoint(path, network, "rhythmogram", options)
    return path


def test_a_teacher_of_fewer_classes_speaks_of_what_it_knows(of_three: Path) -> None:
    labels = ("jive", "rumba", "polka", "zouk", "other")
    teacher = loop.Distiller(str(of_three), labels, torch.device("cpu"))
    p = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]])
    assert teacher.grouped(p.log()).exp().numpy() == pytest.approx(np.array([[0.1, 0.2, 0.7]]), abs=1e-6)

    log_p = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    taught = teacher.network(torch.rand(4, 1, 224, 224, generator=torch.Generator().manual_seed(1)))
    settings = Settings(distil=1.0)
    strangers = torch.tensor([2, 3, 4, 2])  # polka, zouk, other: the labels alone count
    assert teacher.loss(log_p, strangers, taught, settings) == pytest.approx(
        float(torch.nn.functional.nll_loss(log_p, strangers))
    )
    known = torch.tensor([0, 1, 0, 1])  # the teacher alone counts
    heard = teacher.loss(log_p, known, taught, settings)
    assert heard == pytest.approx(float(teacher.loss(log_p, known.flip(0), taught, settings)))
    assert heard != pytest.approx(float(torch.nn.functional.nll_loss(log_p, known)), rel=1e-3)


def test_teacher_and_images_on_the_device_of_the_batch(of_three: Path) -> None:
    """On the meta device, where no number exists, every tensor that was made elsewhere is an error."""
    meta = torch.device("meta")
    labels = ("jive", "rumba", "polka", "zouk", "other")
    teacher = loop.Distiller(str(of_three), labels, meta)
    log_p = torch.empty(4, 5, device=meta)
    loss = teacher.loss(log_p, torch.empty(4, dtype=torch.long, device=meta), log_p[:, :3], Settings())
    assert loss.device == meta
    for architecture, options in (
        ("rhythmogram", {"branches": ("acf", "mel"), "trunk": "dense", "segment_frames": 448}),
        ("mobilenet_v3_small", {}),
    ):
        network = models.build(architecture, **options).to(meta)
        images = network.images(torch.empty(2, 1, 224, 448, device=meta))
        assert {image.device for image in images} == {meta}
        assert network.of_pictures(*images).device == meta


@pytest.mark.slow
def test_the_teacher_hears_what_is_stored_whatever_the_learner_hears(
    splits: Splits, tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[torch.Tensor] = []

    class Attentive(loop.Distiller):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.network.register_forward_pre_hook(lambda network, inputs: heard.append(inputs[0].clone()))

    monkeypatch.setattr(loop, "Distiller", Attentive)
    teacher = str(uninterrupted / "last.pt")
    degraded = {"hall": 1.0, "noise": 1.0, "tilt": 6.0, "stretch": 0.0}
    settings = replace(TINY, epochs=1, evaluate_every=1, teacher=teacher, **degraded)
    run(settings, splits, tmp_path / "taught")
    stored = [s.codes() for s in splits["train"]]
    for segment in heard[0][:, 0]:  # (224, T): each stands in a recording as it is
        codes = ((10 * segment.log10() - STORED.lowest) / STORED.step).round().numpy().astype(np.uint8).T
        assert any(
            np.array_equal(recording[i : i + len(codes)], codes)
            for recording in stored
            for i in range(len(recording) - len(codes) + 1)
        )


def test_schedules() -> None:
    progress = [i / 100 for i in range(101)]
    assert {SCHEDULES["constant"](p) for p in progress} == {1.0}
    cosine = [SCHEDULES["cosine"](p) for p in progress]
    assert cosine == sorted(cosine, reverse=True)
    assert (cosine[0], cosine[-1]) == (1.0, pytest.approx(0))
    onecycle = [SCHEDULES["onecycle"](p) for p in progress]
    assert max(onecycle) == onecycle[20] == pytest.approx(1)
    assert onecycle[0] < 0.05
    assert onecycle[-1] == pytest.approx(0)


def test_divergence_is_reported(splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(WhichdanceError, match="lower lr"):
        run(replace(TINY, lr=1e30, epochs=4), splits, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("schedule", "step"),
        ("distil", 1.5),
    ],
)
def test_settings_are_checked(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=name):
        Settings(**{name: value})


def test_the_log_is_the_history(uninterrupted: Path) -> None:
    history = read_checkpoint(uninterrupted / "last.pt")["training"]["history"]
    with (uninterrupted / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [entry["loss"] for entry in history]
    evaluated = [row for row in rows if row["validation_accuracy"]]
    assert [row["epoch"] for row in evaluated] == ["2", "4"]
    assert float(evaluated[0]["test_aggregated_accuracy"]) == history[1]["test"]["aggregated_accuracy"]


def test_checkpoints_know_what_they_have_seen(uninterrupted: Path, splits: Splits, tmp_path: Path) -> None:
    seen = provenance.seen(read_checkpoint(uninterrupted / "best.pt"))
    assert seen == {name: set(provenance.hashes(splits[name])) for name in ("train", "validation")}
    assert len(seen["train"]) == 9
    assert provenance.hash_of_file(splits["train"][0].recording.path) in seen["train"]
    # and what a teacher, or the network that they start from, has seen
    teacher = str(uninterrupted / "best.pt")
    other = splits | {"train": splits["train"][:3]}
    settings = replace(TINY, epochs=1, evaluate_every=1, teacher=teacher)
    run(settings, other, tmp_path / "taught")
    assert provenance.seen(read_checkpoint(tmp_path / "taught" / "best.pt"))["train"] == seen["train"]
    settings = replace(TINY, epochs=1, evaluate_every=1, options={**TINY.options, "weights": teacher})
    run(settings, other, tmp_path / "tuned")
    assert provenance.seen(read_checkpoint(tmp_path / "tuned" / "best.pt"))["train"] == seen["train"]


def test_more_devices_need_torchrun(splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="torchrun --nproc-per-node"):
        run(TINY, splits, tmp_path / "run", replace(MACHINE, devices="2"))


def test_head_only_changes_the_last_layer_alone(uninterrupted: Path, splits: Splits, tmp_path: Path) -> None:
    """Not a weight, nor a statistic of a batch normalisation, of what is frozen."""
    before = weights(uninterrupted / "best.pt")
    settings = replace(
        TINY, options=TINY.options | {"weights": str(uninterrupted / "best.pt")}, head_only=True, hall=0.5
    )
    run(settings, splits, tmp_path)
    after = weights(tmp_path / "last.pt")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"head.1.weight", "head.1.bias"}
