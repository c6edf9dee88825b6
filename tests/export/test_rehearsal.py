"""The second output of an exported file, against the checkpoint; what it carries to teach."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from export.cli import main
from export.rehearsal import Moments, statistics
from runtime.errors import ModelError
from runtime.evidence import EvidenceSettings
from runtime.model import Model
from runtime.rehearsal import FIELD, Rehearsal, softmax
from runtime.segments import windows
from runtime.taught import Taught, sha256_of
from training.data.codec import STORED
from training.data.manifest import Recording, write_manifest
from training.data.store import Store, spectrogram_file
from training.evaluation.embed import embedding_runner
from training.networks.models import build, load_checkpoint, save_checkpoint

CLASSES = ["jive", "tango", "other"]
OPTIONS = {"width": 0.25, "trunk": "dense", "classes": CLASSES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint, and a manifest of two recordings of noise per class, kept as spectrograms."""
    folder = tmp_path_factory.mktemp("rehearsal")
    torch.manual_seed(0)
    network = build("rhythmogram", **OPTIONS).eval()  # type: ignore[arg-type]
    calibration = {"temperature": 1.7, "log_prior": (0.3, -0.2, 0.0)}
    save_checkpoint(folder / "best.pt", network, "rhythmogram", OPTIONS, calibration=calibration)
    rng = np.random.default_rng(0)
    store = Store(folder / "features")
    recordings, digests = [], {}
    for i, label in enumerate([*CLASSES, *CLASSES]):
        path = folder / f"{i}.flac"
        file = spectrogram_file(store.folder, f"{i:064x}")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, rng.integers(1, 256, (300, 224), dtype=np.uint8))
        digests[path] = f"{i:064x}"
        recordings.append(Recording(path, label))
    store.keep_without_audio(digests)
    write_manifest(folder / "manifest.csv", recordings)
    write_manifest(folder / "lacking.csv", [r for r in recordings if r.dance != "jive"])
    assert main([*command(folder), "--rehearse", str(folder / "manifest.csv")]) == 0
    return folder


def command(folder: Path) -> list[str]:
    return [str(folder / "best.pt"), "-o", str(folder), "--name", "mine", "--licence", "CC0-1.0"]


def batch_of(n: int) -> np.ndarray:
    return (np.random.default_rng(0).random((n, 1, 224, 224)) ** 6).astype(np.float32)


def sums_of(network: nn.Module, batch: np.ndarray) -> list[np.ndarray]:
    """What the residual blocks of mobile nets add up of a batch, in order, by PyTorch itself."""
    caught: list[np.ndarray] = []
    with ExitStack() as stack, torch.inference_mode():
        for module in network.modules():
            if getattr(module, "use_res_connect", False):
                hook = module.register_forward_hook(lambda m, i, out: caught.append(out.numpy()))
                stack.callback(hook.remove)
        network(torch.from_numpy(batch))
    return caught


def means_of(image: np.ndarray) -> np.ndarray:
    """Of (n, channels, rows, time), each row's mean and the channel's root mean square: (n, size)."""
    rows = image.mean(axis=3) if image.shape[2] <= 4 else image.mean(axis=(2, 3))
    return np.column_stack([rows.reshape(len(image), -1), np.sqrt((image**2).mean(axis=(2, 3)))])


def file_of(tmp_path: Path, architecture: str, options: dict[str, object]) -> tuple[Model, nn.Module]:
    """A network with random weights, exported without anything to teach, and itself."""
    torch.manual_seed(0)
    network = build(architecture, **options)  # type: ignore[arg-type]
    with torch.no_grad():  # normalised by what it hears, or hardly anything would arrive in its middle
        for _ in range(20):
            network.train()(torch.from_numpy(batch_of(3)))
    save_checkpoint(tmp_path / "best.pt", network.eval(), architecture, options)
    command = [str(tmp_path / "best.pt"), "-o", str(tmp_path), "--name", "mine", "--licence", "CC0-1.0"]
    assert main(command) == 0
    return Model.load(tmp_path / "mine.onnx"), load_checkpoint(tmp_path / "best.pt")[0]


@pytest.mark.parametrize(
    ("architecture", "options", "middle"),
    [  # of two branches of mobile nets, with six sums each, the third and fourth
        ("rhythmogram", {"branches": ("acf", "mel")}, (2, 3, 8, 9)),
        pytest.param("mobilenet_v3_small", {"bands": 28}, (2, 3), marks=pytest.mark.slow),
        # which adds nothing up
        pytest.param("densenet-rw-1c7x7", {"classes": CLASSES}, (), marks=pytest.mark.slow),
    ],
)
def test_features_of_the_file_are_those_of_the_checkpoint(
    tmp_path: Path, architecture: str, options: dict[str, object], middle: tuple[int, ...]
) -> None:
    model, network = file_of(tmp_path, architecture, options)
    batch = batch_of(3)
    with embedding_runner(network) as run:
        last = run(batch)
    sums = sums_of(network, batch)
    expected = [last, *(means_of(sums[i]) for i in middle)]
    found = model.embed(batch)
    ends = np.cumsum([part.shape[1] for part in expected])
    assert found.shape == (3, ends[-1])
    for part, own in zip(np.split(found, ends[:-1], axis=1), expected, strict=True):
        assert np.abs(part - own).max() < 1e-3 * np.abs(own).max()
    said = {p.key: p.value for p in onnx.load(tmp_path / "mine.onnx").metadata_props}["features"]
    assert json.loads(said) == {"output": "features", "size": found.shape[1]}
    with pytest.raises(ModelError, match=r"mine\.onnx: cannot be taught: .* --rehearse"):
        _ = model.rehearsal


@pytest.mark.slow
def test_a_network_without_a_linear_last_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(
        tmp_path / "best.pt", build("squeezenet1_1", bands=28).eval(), "squeezenet1_1", {"bands": 28}
    )
    command = [str(tmp_path / "best.pt"), "-o", str(tmp_path / "out"), "--licence", "CC0-1.0"]
    assert main([*command, "--rehearse", "none.csv"]) == 1
    assert "needs a network whose last layer is linear" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.onnx"))
    assert main(command) == 0  # it is a model, but no one to teach
    with pytest.raises(ModelError, match="has no output 'features', so that it cannot be taught"):
        Model.load(tmp_path / "out" / "squeezenet1_1.onnx").embed(batch_of(1))


def test_the_file_carries_its_last_layer_and_statistics(folder: Path) -> None:
    """Independently: the scores from the features by what the file carries; plain means of the features."""
    model = Model.load(folder / "mine.onnx")
    found = model.rehearsal
    assert found.labels == tuple(CLASSES)
    assert found.classes == tuple(CLASSES)
    assert found.recordings == 6
    batch = batch_of(4)
    expected = model.run(batch)  # dances, and what they lack to one
    assert np.allclose(found.scores(model.embed(batch)), expected, atol=2e-5)
    assert FIELD not in json.loads((folder / "mine.json").read_text())["metadata"]


def test_means_are_those_of_the_recordings(folder: Path) -> None:
    model = Model.load(folder / "mine.onnx")
    for i, label in enumerate(CLASSES):
        codes = [np.load(spectrogram_file(folder / "features", f"{n:064x}")) for n in (i, i + 3)]
        every = np.concatenate([windows(STORED.decode(c), stride=7) for c in codes])
        mean = np.concatenate([model.embed(every[j : j + 8]) for j in range(0, len(every), 8)]).mean(axis=0)
        found = model.rehearsal.means[model.rehearsal.classes.index(label)]
        assert np.abs(found - mean).max() < 0.1 * np.abs(mean).max()


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bytes(folder: Path) -> None:
    first = (folder / "mine.onnx").read_bytes()
    assert main([*command(folder), "--rehearse", str(folder / "manifest.csv")]) == 0
    assert (folder / "mine.onnx").read_bytes() == first


def test_missing_classes_are_named(folder: Path) -> None:
    model = Model.load(folder / "mine.onnx")
    with pytest.raises(ModelError, match=r"lacking\.csv: no recordings of jive"):
        statistics(model, model.rehearsal.head, [str(folder / "lacking.csv")], labels=CLASSES)


def test_a_last_layer_that_is_not_the_files_is_refused(folder: Path) -> None:
    model = Model.load(folder / "mine.onnx")
    with pytest.raises(ModelError, match="gives other scores than the network"):
        statistics(model, 2 * model.rehearsal.head, [str(folder / "manifest.csv")], labels=CLASSES)


def test_low_rank_and_diagonal_make_the_covariance() -> None:
    rng = np.random.default_rng(1)
    true = rng.standard_normal((3, 12)) * 4
    within = rng.standard_normal((4000, 3)) @ true + rng.standard_normal((4000, 12)) * rng.uniform(0.5, 1, 12)
    directions, spread = Moments(("a",), np.zeros((1, 12)), within).low_rank(3)
    made = directions.T @ directions + np.diag(spread**2)
    expected = np.cov(within, rowvar=False)
    assert np.allclose(np.diag(made), np.diag(expected), rtol=1e-2)
    assert np.abs(made - expected).max() < 0.05 * np.abs(expected).max()
    drawn = Rehearsal(
        ("a", "b"), np.zeros((2, 13), np.float32), ("a",), np.full((1, 12), 5, np.float32),
        directions.astype(np.float32), spread.astype(np.float32), 1,
    ).draws("a", 20_000)  # fmt: skip
    assert np.allclose(drawn.mean(axis=0), 5, atol=0.2)
    assert np.abs(np.cov(drawn, rowvar=False) - expected).max() < 0.08 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"size": "12"}, "'size' is '12'"),
        ({"size": 10**9}, "'size' is 1000000000"),
        ({"labels": ["tango", "tango", "other"]}, "no list of different labels"),
        ({"labels": ["samba", "tango", "other"]}, "is of other dances than the model"),
        ({"means": "AAAA"}, "3 bytes of numbers where"),
        ({"means": "é"}, "no base64"),
        ({"head": 5}, "no base64"),
    ],
)
def test_hostile_statistics_get_one_line(folder: Path, change: dict[str, object], problem: str) -> None:
    metadata = Model.load(folder / "mine.onnx").engine.metadata  # type: ignore[attr-defined]
    metadata = metadata | {FIELD: json.dumps(json.loads(metadata[FIELD]) | change)}
    with pytest.raises(ModelError, match=r"^mine\.onnx: metadata field 'rehearsal'") as caught:
        Rehearsal.from_metadata("mine.onnx", metadata, ("jive", "tango"))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_lies_about_its_features_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    model = onnx.load(folder / "mine.onnx")
    fields = {p.key: p.value for p in model.metadata_props}
    for said, problem in (
        ('{"size": 7}', "says that it gives 7 features"),
        ("[1]", "'features' is malformed"),
    ):
        helper.set_model_props(model, fields | {"features": said})
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=problem):
            Model.load(path)


def test_softmax_is_scipys() -> None:
    from scipy.special import softmax as reference

    logits = np.random.default_rng(0).normal(0, 30, (5, 7)).astype(np.float32)
    assert np.allclose(softmax(logits), reference(logits, axis=1), atol=1e-6)


def test_a_taught_head_is_baked_into_a_file_of_its_own(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Independently of the taught model: the softmax of the head on the base's features."""
    base = Model.load(folder / "mine.onnx")
    rng = np.random.default_rng(0)
    head = rng.normal(0, 0.3, (4, base.rehearsal.n_features + 1)).astype(np.float16).astype(np.float32)
    labels = ("jive", "tango", "hully_gully", "other")
    evidence = EvidenceSettings(temperature=1.3)
    taught = Taught("mine", "1", sha256_of(folder / "mine.onnx"), labels, head, evidence, {"tango": 3}, 1.0)
    taught.write(folder / "my.whichdance")
    arguments = [str(folder / "my.whichdance"), "-o", str(tmp_path), "--licence", "CC0-1.0"]
    assert main([*arguments, "--int8"]) == 2
    assert "takes no --int8" in capsys.readouterr().err
    assert main(arguments) == 0
    baked = Model.load(tmp_path / "my.onnx")
    assert baked.info.labels == ("jive", "tango", "hully_gully")
    assert baked.info.evidence == evidence
    batch = batch_of(3)
    features = base.embed(batch).astype(np.float64)
    logits = features @ head[:, :-1].T + head[:, -1]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(baked.run(batch), expected, atol=1e-5)
    assert "hully_gully" in (tmp_path / "models.toml").read_text()


def test_a_file_without_features_becomes_the_one_with_them(folder: Path, tmp_path: Path) -> None:
    """A model that was exported before them, against the export of its checkpoint."""
    old = onnx.load(folder / "mine.onnx")
    fields = {p.key: p.value for p in old.metadata_props if p.key not in (FIELD, "features")}
    old.graph.node.remove(next(node for node in old.graph.node if "features" in node.output))
    old.graph.output.remove(next(output for output in old.graph.output if output.name == "features"))
    helper.set_model_props(old, fields)
    onnx.save(old, tmp_path / "mine.onnx")
    arguments = [str(tmp_path / "mine.onnx"), "-o", str(tmp_path), "--licence", "CC0-1.0"]
    assert main([*arguments, "--rehearse", str(folder / "manifest.csv")]) == 0
    made, expected = Model.load(tmp_path / "mine.onnx"), Model.load(folder / "mine.onnx")
    assert made.rehearsal.labels == expected.rehearsal.labels
    assert np.allclose(made.rehearsal.head, expected.rehearsal.head, atol=1e-6)
    assert np.array_equal(made.rehearsal.means, expected.rehearsal.means)
    assert np.array_equal(made.run(batch_of(2)), expected.run(batch_of(2)))
