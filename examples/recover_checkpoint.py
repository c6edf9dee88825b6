"""A checkpoint that can be trained on, recovered from an exported `rhythmogram` whose checkpoint is lost.

    python examples/recover_checkpoint.py runtime/models/rhythmogram.onnx MANIFEST.csv OUT --prior collected

writes OUT/BRANCH.pt for each branch; the prior that calibration added to the last bias is taken out again.
An exported model holds all that was learnt, but batch normalisation has been folded into the convolutions
before it: w' = w g/s and b' = b - m g/s, with g and b scale and shift, m and s mean and deviation of the
convolution's outputs. Any m and s give the same function; those that training goes on from without a jump
are the ones of real batches. So the outputs of every folded convolution are measured on recordings of the
manifest, and g = s, b = b' + m written beside w'.

The merged head is taken apart: it was the mean of the branches' heads (`training.networks.merge`), so each
branch gets its columns times the number of branches, and the whole bias.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from runtime.dances import OTHER
from training.data.collections import PRIORS
from training.data.manifest import read_manifest
from training.data.store import Store, Stored
from training.evaluation.calibrate import log_prior
from training.learning.prepared import as_input, decoded
from training.learning.sampler import Batches
from training.networks.models import RHYTHMOGRAM, build, save_checkpoint

N_BATCHES = 24


def recover(
    model: Path, stored: list[Stored], *, prior: str = "uniform", dropout: float = 0.3
) -> tuple[nn.Module, dict[str, object]]:
    """The merged network of an exported model, in eval mode, and the options that build it."""
    proto = onnx.load(model)
    fields = {p.key: p.value for p in proto.metadata_props}
    weights = {t.name.removeprefix("network."): numpy_helper.to_array(t) for t in proto.graph.initializer}
    branches = tuple(dict.fromkeys(name.split(".")[1] for name in weights if name.startswith("trunks.")))
    classes = fields["labels"].split(",")
    if len(classes) < len(weights["head.1.bias"]):
        classes.append(OTHER)
    options = {"classes": classes, "branches": branches, "dropout": dropout, "width": 1.0}
    network = build(RHYTHMOGRAM, **options).eval()
    norms: dict[nn.Module, nn.BatchNorm2d] = {}
    modules = dict(network.named_modules())
    with torch.no_grad():
        for name, module in modules.items():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(torch.from_numpy(weights[f"{name}.weight"].copy()))
                folded = weights.get(f"{name}.weight_bias")
                if folded is None:
                    assert module.bias is not None
                    module.bias.copy_(torch.from_numpy(weights[f"{name}.bias"].copy()))
                else:
                    parent, _, index = name.rpartition(".")
                    norm = modules[f"{parent}.{int(index) + 1}"]
                    assert isinstance(norm, nn.BatchNorm2d)
                    _identity(norm, torch.from_numpy(folded.copy()))
                    norms[module] = norm
        last = modules["head.1"].bias
        assert isinstance(last, Tensor)
        last -= torch.tensor(log_prior(prior, classes))
    batches = Batches(stored, sorted({s.recording.dance for s in stored}), batch_size=32)
    power = [as_input(decoded(batches[i][0])) for i in range(N_BATCHES)]
    _measure(network, norms, power)
    return network, options


def _identity(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Normalisation that only adds a bias."""
    norm.running_mean.zero_()  # type: ignore[union-attr]
    norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
    norm.weight.fill_(1)
    norm.bias.copy_(bias)


@torch.inference_mode()
def _measure(network: nn.Module, norms: dict[nn.Module, nn.BatchNorm2d], power: list[Tensor]) -> None:
    """Give every normalisation the statistics of what it sees; the function stays the same."""
    sums: dict[nn.Module, list[Tensor]] = {conv: [] for conv in norms}

    def note(conv: nn.Module, _: object, output: Tensor) -> None:
        x = output.double()
        sums[conv].append(torch.stack([x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))]))

    hooks = [conv.register_forward_hook(note) for conv in norms]
    for batch in power:
        network(batch)
    for hook in hooks:
        hook.remove()
    for conv, norm in norms.items():
        mean, square = torch.stack(sums[conv]).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(norm.bias.double() + mean)


def split(network: nn.Module, options: dict[str, object], folder: Path, statement: str) -> None:
    """Write the branches of a merged network as checkpoints of their own."""
    state = network.state_dict()
    branches = options["branches"]
    assert isinstance(branches, tuple)
    columns = np.split(np.arange(state["head.1.weight"].shape[1]), len(branches))  # trunks are alike
    for branch, own in zip(branches, columns, strict=True):
        one = {**options, "branches": (branch,)}
        part = build(RHYTHMOGRAM, **one)
        part.load_state_dict(
            {k: v for k, v in state.items() if k.startswith(f"trunks.{branch}.")}
            | {"head.1.weight": state["head.1.weight"][:, own] * len(branches)}
            | {"head.1.bias": state["head.1.bias"]}
        )
        path = folder / f"{branch}.pt"
        save_checkpoint(path, part, RHYTHMOGRAM, one, training={"training_data": statement})
        print(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Recover the checkpoints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="the exported file")
    parser.add_argument("manifest", type=Path, help="recordings to measure on, their spectrograms beside it")
    parser.add_argument("out", type=Path, help="folder of the checkpoints")
    parser.add_argument("--prior", choices=PRIORS, default="uniform", help="that the file was exported with")
    args = parser.parse_args(argv)
    recordings = [r for r in read_manifest(args.manifest) if r.split == "train"][:2000]
    collection = Store(args.manifest.parent / "features").collect(recordings)
    network, options = recover(args.model, list(collection.stored), prior=args.prior)
    fields = {p.key: p.value for p in onnx.load(args.model).metadata_props}
    split(network, options, args.out, fields["training_data"])


if __name__ == "__main__":
    main()
