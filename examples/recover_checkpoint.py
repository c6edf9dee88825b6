"""A checkpoint that can be trained on, recovered from an exported `rhythmogram` whose checkpoint is lost.

    python examples/recover_checkpoint.py runtime/models/whichdance.onnx MANIFEST.csv OUT

writes OUT/BRANCH.pt for each branch; the prior of a calibration stands behind the network, and is left out.
`training.networks.exported` says how, and what of it has to be measured on recordings of the manifest.

`training.networks.merge` says how the head is taken apart.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import onnx
from torch import nn

from training.data.manifest import read_manifest
from training.data.store import Store, Stored
from training.learning.normalisation import measure
from training.learning.prepared import as_input, decoded
from training.learning.sampler import Batches
from training.networks.exported import options_of, read_exported, state_of
from training.networks.merge import of_branch
from training.networks.models import RHYTHMOGRAM, build, save_checkpoint
from training.networks.rhythmogram import RhythmNet

N_BATCHES = 24


def recover(
    model: Path, stored: list[Stored], *, dropout: float = 0.3
) -> tuple[nn.Module, dict[str, object]]:
    """The merged network of an exported model, in eval mode, and the options that build it."""
    exported = read_exported(model)
    architecture, options = options_of(exported)
    options = {**options, "dropout": dropout}
    network = build(architecture, **options)
    network.load_state_dict(state_of(exported, network))
    batches = Batches(stored, sorted({s.recording.dance for s in stored}), batch_size=32)
    measure(network, (as_input(decoded(batches[i][0])) for i in range(N_BATCHES)))
    return network, options


def split(network: nn.Module, options: dict[str, object], folder: Path, statement: str) -> None:
    """Write the branches of a merged network as checkpoints of their own."""
    assert isinstance(network, RhythmNet)
    for branch in network.trunks:
        part, one = of_branch(network, options, branch)
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
    args = parser.parse_args(argv)
    recordings = [r for r in read_manifest(args.manifest) if r.split == "train"][:2000]
    collection = Store(args.manifest.parent / "features").collect(recordings)
    network, options = recover(args.model, list(collection.stored))
    fields = {p.key: p.value for p in onnx.load(args.model).metadata_props}
    split(network, options, args.out, fields["training_data"])


if __name__ == "__main__":
    main()
