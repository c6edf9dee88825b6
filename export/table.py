"""`python -m export.table`: every architecture in every precision, as a table in docs/export.md.

Size and latency do not depend on training. Whether the files agree does: an architecture without a
trained checkpoint gets one that was never trained and is nevertheless sure of itself (`stand_in`). Of
those all layers become int8: which of them hurt would be a question about noise.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export import card, graph, quantise, segments, verify
from export.cli import written_command
from export.deployed import Deployable, from_checkpoint
from export.segments import Segments
from runtime.atomic import replacing
from runtime.command.exits import Exit, run
from runtime.errors import ModelError
from runtime.mel import Float32
from runtime.segments import SEGMENT_FRAMES
from training.evaluation.metrics import Accuracy
from training.markdown import table
from training.networks.models import ARCHITECTURES, RHYTHMOGRAM, build, save_checkpoint

START, END = "<!-- python -m export.table -->", "<!-- end -->"
N_CALIBRATION, N_VERIFICATION = 16, 32  # segments; the large networks take half a second each
N_REPEATS = 10
CONFIDENCE = 8.0  # how far a stand-in's classes lie apart, in deviations of its features

# The cheap ones first, so that a table that was interrupted is a useful one.
BY_COST = (RHYTHMOGRAM, *sorted(ARCHITECTURES, key=lambda name: name.startswith(("vgg", "dense", "resnext"))))

HEADER = (
    "architecture", "trained", "file", "size", "latency", "of PyTorch", "same answer", "confident",
    "difference", "kept float",
)  # fmt: skip


def stand_in(architecture: str, mel: Float32) -> nn.Module:
    """A network that was never trained and yet is sure of different classes for different segments.

    Batch normalisation gets the statistics of these segments. The classes lie around a circle in the
    two directions in which the features before the classification layer vary most.

    Parameters
    ----------
    architecture : str
        See `training.networks.models`.
    mel : ndarray, shape (n, 1, 224, 224)
        Mel power.
    """
    torch.manual_seed(0)
    network = build(architecture).eval()
    power = torch.from_numpy(mel)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # of all batches alike
            module.train()
    seen: list[Tensor] = []
    head = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    with torch.no_grad():
        for batch in power.split(verify.BATCH):
            network(batch)
        network.eval()
        hook = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        for batch in power.split(verify.BATCH):
            network(batch)
        hook.remove()
        features = torch.cat(seen)
        if isinstance(head, nn.Conv2d):  # SqueezeNet: averaged over positions afterwards
            features = features.mean(dim=(2, 3))
        centre = features.mean(dim=0)
        _, deviations, directions = torch.linalg.svd(features - centre, full_matrices=False)
        axes = directions[:2] / (deviations[:2, None] / len(features) ** 0.5)
        angles = 2 * torch.pi * torch.arange(len(head.weight)) / len(head.weight)
        weight = CONFIDENCE * torch.stack([angles.cos(), angles.sin()], dim=1) @ axes
        head.weight.copy_(weight.reshape(head.weight.shape))
        assert head.bias is not None
        # SqueezeNet's ReLU comes after its classifier: keep all classes above zero.
        head.bias.copy_(10 * CONFIDENCE * isinstance(head, nn.Conv2d) - weight @ centre)
    return network


def rows(
    deployable: Deployable, trained: bool, calibration: Segments, verification: Segments, folder: Path
) -> list[tuple[str, ...]]:
    """The rows of one architecture: float, float16, int8."""
    floating = graph.to_onnx(deployable.network, frames=deployable.context_frames, fields=deployable.fields)
    quantised = quantise.to_int8(floating, calibration, search=trained)
    models = {"float": floating, "float16": quantise.to_float16(floating), "int8": quantised.model}
    paths = [folder / f"{deployable.architecture}.{precision}.onnx" for precision in models]
    for path, model in zip(paths, models.values(), strict=True):
        path.write_bytes(graph.to_bytes(model))
    reference = verify.torch_scores(deployable.network, verification.mel)
    first, *seconds = verify.one_thread_latencies(
        deployable.network, paths, verification.mel[:1], repeats=N_REPEATS
    )
    result: list[tuple[str, ...]] = []
    for precision, path, taken in zip(models, paths, seconds, strict=True):
        found = verify.compare(verification, reference, verify.file_scores(path, verification.mel))
        kept = f"{len(quantised.kept_float)} of {quantised.n_layers}" if precision == "int8" else ""
        result.append(
            (
                deployable.architecture,
                "yes" if trained else "no",
                precision,
                f"{path.stat().st_size / 1e6:.1f} MB",
                f"{1e3 * taken:.1f} ms",
                f"{taken / first:.2f}",
                _of(found.agreement),
                _of(found.confident),
                f"{found.mean_difference:.1e}",
                kept,
            )
        )
        path.unlink()
    return result


def _of(accuracy: Accuracy) -> str:
    return f"{accuracy.right} of {accuracy.total}"


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the table's marks in a Markdown file."""
    try:
        document = path.read_text("utf-8")
        before, rest = document.split(START)
        _, after = rest.split(END)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read, or lacks the marks {START} and {END} once each") from error
    with replacing(path) as temporary:
        temporary.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", "utf-8")


def make(
    architectures: Sequence[str],
    calibration: Segments,
    verification: Segments,
    *,
    checkpoints: Path | None,
    finished: Callable[[list[tuple[str, ...]]], None],
) -> None:
    """Work through the architectures.

    Parameters
    ----------
    architectures : sequence of str
    calibration, verification : Segments
    checkpoints : Path or None
        Folder in which ARCHITECTURE.pt is the trained one, where there is such a file.
    finished : callable
        Called with all rows so far after each architecture.
    """
    so_far: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for architecture in architectures:
            path = (checkpoints or folder) / f"{architecture}.pt"
            trained = path.exists()
            if not trained:
                path = folder / path.name
                save_checkpoint(path, stand_in(architecture, calibration.mel), architecture, {})
            so_far += rows(from_checkpoint(path), trained, calibration, verification, folder)
            if not trained:
                path.unlink()
            finished(so_far)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the table; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m export.table", description="Export every architecture in every precision and compare."
    )
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="put the table between its marks there")
    parser.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="trained networks: DIR/ARCHITECTURE.pt"
    )
    parser.add_argument("--architectures", nargs="+", default=BY_COST, metavar="NAME")
    parser.add_argument("--calibrate", metavar="FILE", help="as of `python -m export` (default: made up)")
    parser.add_argument("--verify", metavar="FILE", help="as of `python -m export` (default: made up)")
    parser.set_defaults(func=_make, command=written_command("export.table", argv))
    return run(parser, argv)


def _make(args: argparse.Namespace) -> Exit:
    def finished(so_far: list[tuple[str, ...]]) -> None:
        wrapped = args.command.replace(" --", " \\\n  --")
        text = f"```\n{wrapped}\n```\n\nOne thread on {card.machine()}:\n\n{table(HEADER, so_far)}"
        if args.into:
            put_into(args.into, text)
        print(f"{so_far[-1][0]} done", file=sys.stderr)
        if len(so_far) == 3 * len(args.architectures):
            print(text)

    def given(file: str | None, split: str, n_wanted: int, seed: int) -> Segments:
        if file is None:
            return segments.made_up(n_wanted, segment_frames=SEGMENT_FRAMES, seed=seed)
        return segments.read(file, split=split, n_wanted=n_wanted, segment_frames=SEGMENT_FRAMES)

    make(
        args.architectures,
        given(args.calibrate, "validation", N_CALIBRATION, 0),
        given(args.verify, "test", N_VERIFICATION, 1),
        checkpoints=args.checkpoints,
        finished=finished,
    )
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
