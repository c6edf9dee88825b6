"""The model card: what a model is for, what it was made from, how well it does, with the commands."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import ModelError

PURPOSE = """\
Tells which of ten ballroom dances a piece of music is for, from segments of {seconds:.1f} s, on a phone or a
laptop, without a network: {dances}. The mean over the segments of a recording is the answer; a few bars
more make it surer. For dancers, teachers and DJs who sort music, and for research.

Not for: deciding what may be danced (many pieces suit several dances), any judgement about people,
speech, or copyright; recognising a particular recording; music that is none of the ten dances, where the
model abstains at best, and where it has no threshold answers all the same."""


def read_evaluation(path: Path) -> dict[str, Any]:
    """What `python -m training evaluate --json` wrote."""
    try:
        evaluation = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as an evaluation ({error})") from error
    if not isinstance(evaluation, dict):
        raise ModelError(f"{path} holds no evaluation written by `python -m training evaluate --json`")
    return evaluation


def markdown(report: Mapping[str, Any], evaluations: Sequence[Mapping[str, Any]] = ()) -> str:
    """The card of a model.

    Parameters
    ----------
    report : mapping
        As `export.publish.publish` returns it.
    evaluations : sequence of mapping
        As `read_evaluation` returns them.
    """
    fields = report["metadata"]
    seconds = int(fields["segment_frames"]) * int(fields["hop_length"]) / int(fields["sample_rate"])
    dances = ", ".join(label.replace("_", " ") for label in fields["labels"].split(","))
    threshold = fields["reject_threshold"]
    parts = [
        f"# {report['name']}",
        "Written by `python -m export`; do not edit.",
        "## What it is for, and what not",
        PURPOSE.format(seconds=seconds, dances=dances),
        "## What it is",
        table(
            ("", ""),
            [
                ("architecture", report["architecture"]),
                ("version", fields["version"]),
                ("classes", f"{len(report['classes'])}: {', '.join(report['classes'])}"),
                ("temperature", f"{report['temperature']:g}"),
                ("abstains below", f"score {float(threshold):g}" if threshold else "never: not calibrated"),
                ("training data", fields["training_data"]),
                ("licence", fields["licence"]),
                ("made by", fields["created_by"]),
            ],
        ),
        "## Front end",
        "The file takes mel power as `runtime.mel` computes it; all from `normalisation` on happens inside.",
        table(
            ("parameter", "value"),
            [
                ("sample rate", f"{fields['sample_rate']} Hz"),
                ("n_fft", fields["n_fft"]),
                ("hop_length", fields["hop_length"]),
                ("n_mels", fields["n_mels"]),
                ("fmin, fmax", f"{fields['fmin']} Hz, {fields['fmax']} Hz"),
                ("segment", f"{fields['segment_frames']} frames, {seconds:.2f} s"),
                ("normalisation", fields["normalisation"]),
            ],
        ),
        "## Files: size, latency, and whether they are the same model",
        f"Made, verified and timed by `{report['command']}` ({report['machine']}). Latency: one segment on "
        "one thread, median, and relative to PyTorch in the same run. A segment is confident where PyTorch's "
        f"highest score is at least {report['confident_from']:g}.",
        _files(report["files"]),
    ]
    return "\n\n".join(parts) + "\n"


def _files(files: Sequence[Mapping[str, Any]]) -> str:
    header = (
        "file", "size", "latency", "of PyTorch", "segments", "largest, mean difference", "same answer",
        "confident ones", "top-1 (PyTorch)", "top-2 (PyTorch)",
    )  # fmt: skip
    rows = [
        (
            f"`{item['file']}`",
            f"{item['size'] / 1e6:.2f} MB",
            f"{item['milliseconds']:.2f} ms",
            f"{item['latency_ratio']:.2f}",
            comparison["source"],
            f"{comparison['max_difference']:.1e}, {comparison['mean_difference']:.1e}",
            share(comparison["agreement"]),
            share(comparison["confident"]),
            f"{share(comparison['top1'])} ({share(comparison['reference_top1'], brief=True)})",
            f"{share(comparison['top2'])} ({share(comparison['reference_top2'], brief=True)})",
        )
        for item in files
        for comparison in item["comparisons"]
    ]
    return table(header, rows)


def share(accuracy: Mapping[str, Any], *, brief: bool = False) -> str:
    """A share in percent with its interval and the number that it is of."""
    if accuracy["value"] is None:
        return "–"
    percent = f"{100 * accuracy['value']:.1f} %"
    low, high = accuracy["interval"]
    return percent if brief else f"{percent} [{100 * low:.1f}, {100 * high:.1f}] of {accuracy['total']}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
