"""torch → ONNX: the same function, simplified, without a trace of the machine."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.deployed import Scores, from_checkpoint
from export.graph import IR_VERSION, OPSET, to_bytes, to_onnx
from export.segments import Segments
from export.verify import torch_scores
from runtime.mel import Float32
from training.networks.models import build


class SmallNetwork(nn.Module):
    """Everything that the export has to simplify, and nothing else."""

    def __init__(self, classes: int, *, same_channels: bool = True) -> None:
        super().__init__()
        self.same_channels = same_channels
        self.first = nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Linear(8, classes)
        nn.init.uniform_(self.norm.running_mean, -1, 1)  # type: ignore[arg-type]
        nn.init.uniform_(self.norm.running_var, 0.5, 2)  # type: ignore[arg-type]

    def forward(self, power: Tensor) -> Tensor:
        image = torch.log10(power.clamp(min=1e-10))
        image = image.expand(-1, 3, -1, -1) if self.same_channels else torch.cat([image, -image, image], 1)
        image = self.dropout(torch.relu(self.norm(self.first(image))))
        return self.last(image.mean(dim=(2, 3)))


def exported(network: nn.Module, temperature: float = 1.0) -> tuple[Scores, onnx.ModelProto]:
    scores = Scores(network, temperature).eval()
    return scores, to_onnx(scores, frames=(224,), fields={"name": "small", "licence": "none"})


def run(model: onnx.ModelProto, mel: Float32) -> Float32:
    session = onnxruntime.InferenceSession(to_bytes(model))
    result: Float32 = session.run(["scores"], {"mel": mel})[0]
    return result


def first_kernels(model: onnx.ModelProto) -> np.ndarray:
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    return numpy_helper.to_array(
        next(tensor for tensor in model.graph.initializer if tensor.name == convolution.input[1])
    )


@pytest.fixture(scope="module")
def small() -> tuple[Scores, onnx.ModelProto]:
    torch.manual_seed(0)
    return exported(SmallNetwork(11), temperature=0.5)


def test_scores_are_those_of_pytorch_for_any_batch(
    small: tuple[Scores, onnx.ModelProto], made_up: Segments
) -> None:
    network, model = small
    for n in (1, 2, 5):
        np.testing.assert_allclose(
            run(model, made_up.mel[:n]), torch_scores(network, made_up.mel[:n]), atol=1e-5
        )


def test_eleventh_class_is_what_the_sum_lacks(
    small: tuple[Scores, onnx.ModelProto], made_up: Segments
) -> None:
    network, model = small
    logits = network.network(torch.from_numpy(made_up.mel)).detach().numpy() / 0.5
    other = 1 / np.exp(logits - logits[:, -1:]).sum(axis=1)
    scores = run(model, made_up.mel)
    assert scores.shape == (len(made_up), 10)
    assert other.max() > 0.01
    np.testing.assert_allclose(scores.sum(axis=1), 1 - other, atol=1e-4)


def test_graph_is_simplified(small: tuple[Scores, onnx.ModelProto]) -> None:
    _, model = small
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["Conv"] == 1
    assert not set(operators) & {"BatchNormalization", "Dropout", "Expand", "Identity", "Constant", "Shape"}
    assert first_kernels(model).shape == (8, 1, 3, 3)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert model.ir_version == IR_VERSION


def test_channels_that_differ_are_kept(made_up: Segments) -> None:
    network, model = exported(SmallNetwork(10, same_channels=False))
    assert first_kernels(model).shape == (8, 3, 3, 3)
    np.testing.assert_allclose(run(model, made_up.mel[:2]), torch_scores(network, made_up.mel[:2]), atol=1e-5)


def test_file_holds_the_metadata_and_nothing_of_this_machine(
    small: tuple[Scores, onnx.ModelProto],
) -> None:
    _, model = small
    data = to_bytes(model)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"name": "small", "licence": "none"}
    for trace in (Path(__file__).name, "site-packages", str(Path.home()), "stack_trace"):
        assert trace.encode() not in data
    assert not model.graph.value_info
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from export.deployed import from_checkpoint; from export.graph import *;"
        "from export import quantise, segments;"
        "d = from_checkpoint(sys.argv[1]);"
        "m = to_onnx(d.network, frames=(d.segment_frames,), fields=d.fields);"
        "q = quantise.to_int8(m, segments.made_up(4, segment_frames=d.segment_frames), search=False);"
        "models = (m, quantise.to_float16(m), q.model);"
        "open(sys.argv[2], 'wb').write(b''.join(map(to_bytes, models)))"
    )
    root = Path(__file__).parents[2]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(checkpoint), str(tmp_path / f"{seed}.onnx")],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        )
        for seed in ("1", "2")
    ]
    assert [process.wait() for process in runs] == [0, 0]
    first, second = (tmp_path / f"{seed}.onnx" for seed in ("1", "2"))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [
        "densenet161", "vgg16", "resnet18", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_small",
        "mobilenet_v3_large", "squeezenet1_1", "shufflenet_v2_x1_0", "densenet-rw-1c40x3", "rhythmogram",
    ],
)  # fmt: skip
def test_every_architecture(architecture: str, tmp_path: Path, made_up: Segments) -> None:
    from training.networks.models import build, save_checkpoint

    torch.manual_seed(0)
    save_checkpoint(tmp_path / "best.pt", build(architecture), architecture, {})
    deployable = from_checkpoint(tmp_path / "best.pt")
    model = to_onnx(deployable.network, frames=(224,), fields=deployable.fields)
    for n in (1, 3):
        some = made_up.mel[:n]
        np.testing.assert_allclose(run(model, some), torch_scores(deployable.network, some), atol=1e-4)
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Expand", "Dropout", "Identity"}
    first_operators = [node.op_type for node in model.graph.node[:12]]
    assert ("AveragePool" in first_operators) == (architecture == "rhythmogram")  # none over one band
    assert first_kernels(model).shape[1] == 1
    # DenseNet normalises before its convolutions, behind a concatenation: those cannot be folded.
    convolved = {node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    normalised = {node.input[0] for node in model.graph.node if node.op_type == "BatchNormalization"}
    assert not convolved & normalised
    assert bool(normalised) == architecture.startswith("densenet")


def test_windows_of_several_lengths_in_one_file() -> None:
    """What a file with a dynamic axis gives is what PyTorch gives at each length."""
    torch.manual_seed(0)
    network = build(
        "rhythmogram",
        classes=("jive", "rumba", "other"),
        branches=("acf", "mel"),
        trunk="dense",
        width=0.25,
        segment_frames=448,
    )
    scores = Scores(network, 1.5, n_dances=2).eval()
    model = to_onnx(scores, frames=(224, 448), fields={"name": "growing"})
    rng = np.random.default_rng(0)
    for frames in (224, 336, 448):
        mel = rng.exponential(size=(3, 1, 224, frames)).astype(np.float32)
        with torch.no_grad():
            expected = scores(torch.from_numpy(mel)).numpy()
        np.testing.assert_allclose(run(model, mel), expected, atol=1e-5)
