"""`python -m export CHECKPOINT -o DIR`."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.command.exits import Exit, run
from runtime.mel import SAMPLE_RATE
from runtime.taught import SUFFIX as TAUGHT

if TYPE_CHECKING:
    from export.beats import Papers
    from export.publish import Plan
    from export.report import ExportReport

ALWAYS = {"checkpoint", "output", "func", "command"}  # what every export is given


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m export",
        description="Turn a checkpoint of `python -m training train` into model files that whichdance "
        "loads, and prove that they are the same model.",
        epilog="Example: python -m export run/best.pt -o models --licence CC-BY-4.0 --int8 "
        "--calibrate a/manifest.csv@all --verify b/manifest.csv@all",
    )
    result.add_argument(
        "checkpoint",
        type=Path,
        help="of `python -m training train`, or a file of `whichdance teach`; an exported .onnx with "
        "--rehearse, --evidence or --int8 weights",
    )
    result.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of models")
    _add_papers(result)
    _add_files(result)
    _add_recordings(result)
    return result


def _add_papers(result: argparse.ArgumentParser) -> None:
    papers = result.add_argument_group("what the file says of itself")
    papers.add_argument("--name", help="the model's name (default: its architecture)")
    papers.add_argument("--version", help="the model's version (default: 1)")
    papers.add_argument(
        "--temperature", type=float, help="divides the logits (default: the checkpoint's, or 1)"
    )
    papers.add_argument(
        "--reject-threshold",
        type=float,
        help="confidence below which the model abstains (default: the checkpoint's)",
    )
    papers.add_argument("--training-data", help="statement on the training data (default: the checkpoint's)")
    papers.add_argument(
        "--licence",
        help="required: of your model, as Apache-2.0, CC-BY-NC-4.0 or 'all rights reserved'; mind what the "
        "recordings and weights that it was trained from allow",
    )
    papers.add_argument(
        "--evidence",
        type=Path,
        metavar="JSON",
        help="of an exported .onnx: how its scores amount to an answer, as `python -m training calibrate "
        "FILE.onnx` fitted it; the network, its files of other precisions and its papers stay",
    )
    papers.add_argument(
        "--default", action="store_true", help="list the model first: the one that is used unasked"
    )
    papers.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        metavar="JSON",
        help="report.json of `python -m training evaluate -o`, for the model card; may be repeated",
    )


def _add_files(result: argparse.ArgumentParser) -> None:
    files = result.add_argument_group("files beside the float one")
    files.add_argument("--float16", action="store_true", help="weights stored in half the space")
    files.add_argument(
        "--int8",
        nargs="?",
        const="layers",
        choices=("layers", "weights"),
        help="layers in int8, where that does not hurt (needs --calibrate and --verify); or 'weights' alone: "
        "a quarter of the size, computed in single precision, of an exported .onnx as well",
    )
    files.add_argument(
        "--ort", action="store_true", help="also in onnxruntime's own format, for a reduced mobile build"
    )
    files.add_argument(
        "--waveform",
        nargs="?",
        type=int,
        const=SAMPLE_RATE,
        metavar="HZ",
        help="also a file from samples to scores, front end included, at one sampling rate "
        f"(default: {SAMPLE_RATE}; others are its halves and doubles, as 44100)",
    )


def _add_recordings(result: argparse.ArgumentParser) -> None:
    recordings = result.add_argument_group(
        "recordings that the network was not trained on",
        "MANIFEST.csv[@SPLIT] or ARRAYS.npz of mel_db and labels, as for `python -m training evaluate`; "
        "@all takes all recordings of a manifest. May be repeated.",
    )
    recordings.add_argument(
        "--calibrate",
        action="append",
        default=[],
        metavar="FILE",
        help="for the ranges of int8 (default split: validation)",
    )
    recordings.add_argument(
        "--rehearse",
        action="append",
        default=[],
        metavar="MANIFEST",
        help="recordings of all classes, as those that the network was trained on, for the statistics of its "
        "features that `whichdance teach` needs (default split: all)",
    )
    recordings.add_argument(
        "--verify",
        action="append",
        default=[],
        metavar="FILE",
        help="to compare PyTorch and the files on, at least 1000 labelled segments for int8 "
        "(default split: test; default: made-up segments)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Export a checkpoint; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    command = parser()
    command.set_defaults(func=_run, command=written_command("export", argv))
    return run(command, argv)


def written_command(module: str, argv: Sequence[str]) -> str:
    """The command as a reader may repeat it: without the folders of this machine."""
    from export.segments import brief

    return shlex.join(["python", "-m", module, *(brief(word) for word in argv)])


def _run(args: argparse.Namespace) -> int:
    from export.beats import Papers, is_beat_checkpoint
    from export.publish import Plan
    from runtime.errors import ParameterError

    options = {
        name.replace("_", "-"): value for name, value in sorted(vars(args).items()) if name not in ALWAYS
    }
    if args.evidence is not None:
        others = options.keys() - {"evidence", "version"}
        _refuse(args.checkpoint, "evidence that is fitted anew", {name: options[name] for name in others})
        return _export_refitted(args.checkpoint, args.output, args.evidence, args.version)
    if args.checkpoint.suffix == ".onnx" and args.int8 == "weights":
        others = options.keys() - {"int8", "verify"}
        _refuse(args.checkpoint, "a file that was exported", {name: options[name] for name in others})
        return _export_lighter(args.checkpoint, args.output, args.verify, args.command)
    if args.licence is None:
        raise ParameterError("--licence is missing: say what others may do with the model, as 'CC-BY-4.0'")
    version = args.version or "1"
    if args.checkpoint.suffix == ".onnx" and args.rehearse:
        from export.teachable import make_teachable

        print(make_teachable(args.checkpoint, args.output, args.rehearse))
        return Exit.OK
    not_for_all = {  # kinds of checkpoints
        "temperature": args.temperature, "reject-threshold": args.reject_threshold, "float16": args.float16,
        "rehearse": args.rehearse, "ort": args.ort, "waveform": args.waveform,
    }  # fmt: skip
    if args.checkpoint.suffix == TAUGHT:
        not_for_all |= {
            "training-data": args.training_data, "default": args.default, "int8": args.int8,
            "calibrate": args.calibrate, "verify": args.verify, "evaluation": args.evaluation,
        }  # fmt: skip
        _refuse(args.checkpoint, "a taught head", not_for_all)
        papers = {"name": args.name, "version": version, "licence": args.licence}
        return _export_taught(args.checkpoint, args.output, **papers)
    if is_beat_checkpoint(args.checkpoint):
        not_for_all["int8 weights"] = args.int8 == "weights"
        _refuse(args.checkpoint, "a network for beats", not_for_all)
        of_beats = Papers(
            name=args.name or "beats",
            version=version,
            licence=args.licence,
            training_data=args.training_data or "recordings generated by `python -m training corpus`",
            command=args.command,
        )
        recordings = {"calibrate": args.calibrate, "verify": args.verify, "evaluations": args.evaluation}
        return _export_beats(args.checkpoint, args.output, of_beats, int8=bool(args.int8), **recordings)
    plan = Plan(
        precisions=[name for name, asked in (("float16", args.float16), ("int8", args.int8)) if asked],
        calibration=args.calibrate,
        verification=args.verify,
        evaluations=args.evaluation,
        ort=args.ort,
        waveform=args.waveform,
        rehearsal=args.rehearse,
        default=args.default,
        int8_weights=args.int8 == "weights",
    )
    fields = {
        "name": args.name, "version": version, "licence": args.licence,
        "temperature": args.temperature, "reject_threshold": args.reject_threshold,
        "training_data": args.training_data,
    }  # fmt: skip
    return _export(args.checkpoint, args.output, plan, command=args.command, fields=fields)


def _export_refitted(path: Path, folder: Path, evidence: Path, version: str | None) -> int:
    """An exported file whose evidence alone becomes another."""
    from export.refitted import with_evidence
    from runtime.errors import ParameterError
    from training.following.fitted import FittedEvidence

    if path.suffix != ".onnx":
        raise ParameterError(f"{path}: --evidence is for an exported .onnx; a checkpoint has its own")
    for file in with_evidence(path, folder, FittedEvidence.read(evidence), version=version):
        print(file)
    return Exit.OK


def _export_lighter(path: Path, folder: Path, verification: Sequence[str], command: str) -> int:
    """An exported file once more, its weights in int8."""
    from export.lighter import with_int8_weights

    print(with_int8_weights(path, folder, verification, command=command))
    return Exit.OK


def _refuse(checkpoint: Path, what: str, options: Mapping[str, object]) -> None:
    """ParameterError for options that were given and make no sense for such a checkpoint."""
    from runtime.errors import ParameterError

    for option, value in options.items():
        if value not in (None, False, []):
            raise ParameterError(f"{checkpoint}: {what} takes no --{option}; leave it out")


def _export_taught(checkpoint: Path, folder: Path, *, name: str | None, version: str, licence: str) -> int:
    """A file of `whichdance teach`: it becomes one file, in single precision."""
    from export.bake import bake

    print(bake(checkpoint, folder, name=name, version=version, licence=licence))
    return Exit.OK


def _export_beats(
    checkpoint: Path,
    folder: Path,
    papers: "Papers",
    *,
    int8: bool,
    calibrate: Sequence[str],
    verify: Sequence[str],
    evaluations: Sequence[Path],
) -> int:
    """A checkpoint of `training beats-train`."""
    from export import beats
    from export.progress import bar
    from runtime.errors import ParameterError

    if int8 and not calibrate:
        raise ParameterError("int8 needs recordings to calibrate on; give a manifest as --calibrate")
    excerpts = {
        split: [one for given in sets for one in beats.excerpts(given, split)]
        for split, sets in (("validation", calibrate), ("test", verify))
    }
    with bar() as watch:
        files = beats.publish(
            checkpoint,
            folder,
            papers,
            calibration=excerpts["validation"] if int8 else [],
            verification=excerpts["test"] or beats.made_up(),
            evaluations=evaluations,
            progress=watch,
        )
    for item in files:
        print(f"{folder / item.file}: {item.size / 1e3:.0f} kB, differs by {item.whole:.0e} from PyTorch")
    if int8 and len(files) < 2:
        print("int8 tells other beats than the float file: not written")
    return Exit.OK


def _export(checkpoint: Path, folder: Path, plan: "Plan", *, command: str, fields: Mapping[str, Any]) -> int:
    """A checkpoint of `training train`; `fields` are arguments of `from_checkpoint`."""
    from export.deployed import from_checkpoint
    from export.progress import bar
    from export.publish import publish

    deployable = from_checkpoint(checkpoint, **fields)
    with bar() as watch:
        report = publish(deployable, folder, plan, command=command, progress=watch)
    _print(report, folder)
    return Exit.OK


def _print(report: "ExportReport", folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{report.name} in {folder}", title_justify="left")
    for column in ("file", "kB", "of torch's time", "largest difference", "same answer", "top-1"):
        table.add_column(column, justify="left" if column == "file" else "right", no_wrap=column == "file")
    for item in report.files:
        for comparison in item.comparisons:
            agreement, top1 = comparison.agreement, comparison.top1
            table.add_row(
                item.file,
                f"{item.size / 1e3:.0f}",
                f"{item.latency_ratio:.0%}",
                f"{comparison.max_difference:.0e}",
                f"{agreement.value:.2%} of {agreement.total}",
                f"{top1.value:.1%} of {top1.total}" if top1.total else "–",
            )
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)
