"""The model card: what a model is for, what it was made from, how well it does, with the commands."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.deployed import Deployable, versions
from export.report import ExportReport, ModelFile
from runtime.errors import ModelError
from runtime.evidence import EvidenceSettings
from training.data.croissant import front_matter, licence_entries
from training.evaluation.metrics import Accuracy, percent
from training.markdown import table

PURPOSE = """\
Tells which of {n} dances a piece of music is for, from segments of {seconds:.1f} s, on a phone or a
laptop, without a network: {dances}. Evidence from the segments heard so far is
the answer; a few bars more make it surer. For dancers, teachers and DJs who sort music, and for research.

Not for: deciding what may be danced (many pieces suit several dances), any judgement about people,
speech, or copyright; recognising a particular recording; music that is none of these dances, where the
model abstains at best, and where it has no threshold answers all the same."""

UNREPEATABLE = (
    "† Measured on spectrograms of recordings that are not ours to give away: nobody outside can repeat it."
)

QUANTISATION = "## Quantisation"


def read_evaluation(path: Path) -> dict[str, Any]:
    """The report.json that `python -m training evaluate -o FOLDER` wrote."""
    try:
        evaluation = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as an evaluation ({error})") from error
    if not isinstance(evaluation, dict) or not isinstance(evaluation.get("datasets"), list):
        raise ModelError(f"{path} holds no evaluation written by `python -m training evaluate -o FOLDER`")
    return evaluation


def check_model(
    path: Path, evaluation: Mapping[str, Any], deployable: Deployable, files: Sequence[Path] | None = None
) -> None:
    """Refuse an evaluation of another model, by the hash of the file that it measured.

    Parameters
    ----------
    path : Path
        Of the evaluation, for the message.
    evaluation : mapping
        As `read_evaluation` returns it.
    deployable : Deployable
        Its checkpoint may be what was measured.
    files : sequence of Path, optional
        The files that were made of it: one of them may be. None before they are made; evaluations of
        model files pass then.

    Raises
    ------
    ModelError
    """
    measured, digest = Path(str(evaluation.get("model"))), evaluation.get("sha256")
    if not digest:
        raise ModelError(
            f"{path} does not say which file it measured (no sha256); evaluate again with this version"
        )
    of_a_file = measured.suffix in (".onnx", ".ort")
    if digest == deployable.sha256 or (of_a_file and files is None):
        return
    if digest in [hashlib.sha256(file.read_bytes()).hexdigest() for file in files or ()]:
        return
    raise ModelError(
        f"{path} is an evaluation of another model: it measured a {measured.name} of SHA-256 {digest[:12]}…, "
        f"the checkpoint has {deployable.sha256[:12]}…; evaluate the checkpoint that is exported"
    )


def markdown(report: ExportReport, evaluations: Sequence[Mapping[str, Any]] = ()) -> str:
    """The card of a model.

    Parameters
    ----------
    report : ExportReport
    evaluations : sequence of mapping
        As `read_evaluation` returns them.
    """
    fields = report.metadata
    seconds = int(fields["segment_frames"]) * int(fields["hop_length"]) / int(fields["sample_rate"])
    labels = [label.replace("_", " ") for label in fields["labels"].split(",")]
    threshold = fields["reject_threshold"]
    longer = fields.get("context_frames", "")
    context = [("windows that grow", f"{longer} frames, while the same music plays")] if longer else []
    parts = [
        "\n".join(
            front_matter(
                **licence_entries(fields["licence"]),
                library_name="onnx",
                pipeline_tag="audio-classification",
                tags=["music", "dance", "ballroom"],
            )
        ),
        f"# {report.name}",
        "Written by `python -m export`; do not edit.",
        "## What it is for, and what not",
        PURPOSE.format(seconds=seconds, n=len(labels), dances=", ".join(labels)),
        "## What it is",
        table(
            ("", ""),
            [
                ("architecture", report.architecture),
                ("version", fields["version"]),
                ("classes", f"{len(report.classes)}: {', '.join(report.classes)}"),
                ("temperature", f"{report.temperature:g}"),
                ("abstains below", f"score {float(threshold):g}" if threshold else "never: not calibrated"),
                *_answer(fields.get("evidence", "")),
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
                *context,
                ("normalisation", fields["normalisation"]),
            ],
        ),
        "## Files: size, latency, and whether they are the same model",
        f"Made, verified and timed by `{report.command}` ({report.machine}). Latency: one segment on "
        "one thread, shortest of 20, and relative to PyTorch in the same run. A segment is confident where "
        f"PyTorch's highest score is at least {report.confident_from:g}.",
        _files(report.files),
        *_waveform(report.files),
        *_quantisation(report.files),
        *(part for evaluation in evaluations for part in _evaluation(evaluation)),
    ]
    if not evaluations:
        parts += [
            "## Evaluation",
            "None given (`--evaluation`, from `python -m training evaluate -o FOLDER`).",
        ]
    return "\n\n".join(parts) + "\n"


def with_answer(text: str, fields: Mapping[str, str]) -> str:
    """A card that was written before, where a model's evidence, and its version, have become others.

    Raises
    ------
    ValueError
        If the card does not say from when on dances are named.
    """
    lines = text.splitlines(keepends=True)
    for name, said in [("version", fields["version"]), *_answer(fields["evidence"])]:
        (place,) = [i for i, line in enumerate(lines) if line.startswith(f"| {name} | ")]
        lines[place] = f"| {name} | {said} |\n"
    return "".join(lines)


def _answer(evidence: str) -> list[tuple[str, str]]:
    """From which probability on a dance, or two, are named by default."""
    settings = EvidenceSettings.from_json(evidence) if evidence else EvidenceSettings()
    return [
        ("the answer", "evidence (docs/following.md); the threshold above is that of `--aggregation mean`"),
        ("names a dance", f"from {settings.name_at:g}, lets it go below {settings.release_at:g}"),
        ("shows two", f"from {settings.two_at:g} together, lets them go below {settings.two_release_at:g}"),
    ]


def _files(files: Sequence[ModelFile]) -> str:
    header = (
        "file", "size", "latency", "of PyTorch", "segments", "largest, mean difference", "same answer",
        "confident ones", "top-1 (PyTorch)", "top-2 (PyTorch)",
    )  # fmt: skip
    return table(header, [row for item in files for row in _rows(item, f"{item.latency_ratio:.2f}")])


def _rows(item: ModelFile, of_pytorch: str) -> list[tuple[str, ...]]:
    """A row for each set of segments that a file was compared on."""
    return [
        (
            f"`{item.file}`",
            f"{item.size / 1e6:.2f} MB",
            f"{item.milliseconds:.2f} ms",
            of_pytorch,
            comparison.source,
            f"{comparison.max_difference:.1e}, {comparison.mean_difference:.1e}",
            share(comparison.agreement),
            share(comparison.confident),
            f"{share(comparison.top1)} ({percent(comparison.reference_top1.value)})",
            f"{share(comparison.top2)} ({percent(comparison.reference_top2.value)})",
        )
        for comparison in item.comparisons
    ]


def with_lighter(text: str, item: ModelFile, *, of: str, command: str) -> str:
    """A card that was written before, where a file with lighter weights was made of the float one.

    Parameters
    ----------
    text : str
        The card.
    item : ModelFile
        The file, compared with the float one, and timed beside it.
    of : str
        The float file.
    command : str

    Raises
    ------
    ValueError
        If the card has no row of the float file, or says nothing of its evaluation.
    """
    lines = [line for line in text.splitlines() if not line.startswith(f"| `{item.file}` |")]
    last = max(i for i, line in enumerate(lines) if line.startswith(f"| `{of}` |"))
    rows = table(("",) * 10, _rows(item, "–")).splitlines()[2:]
    lines[last + 1 : last + 1] = rows
    headings = [i for i, line in enumerate(lines) if line.startswith("## ")]
    evaluation = lines.index("## Evaluation")
    begin = lines.index(QUANTISATION) if QUANTISATION in lines else evaluation
    end = min((i for i in headings if i > begin), default=evaluation) if begin < evaluation else evaluation
    told = (
        f"{_of_weights(item.file)} It was made, compared with `{of}` in the place of PyTorch, and timed "
        f"beside it ({item.latency_ratio:.2f} of its time) by `{command}`."
    )
    return "\n".join([*lines[:begin], QUANTISATION, "", told, "", *lines[end:]]) + "\n"


def _of_weights(file: str) -> str:
    return (
        f"`{file}`: the weights of its layers are int8, with a scale for each output channel; they are "
        "multiplied back when it is loaded, and it computes in single precision."
    )


def _waveform(files: Sequence[ModelFile]) -> list[str]:
    return [
        f"`{item.file}` takes samples instead of mel power (docs/export.md). Its latency, and PyTorch's that "
        "it is relative to, include the front end."
        for item in files
        if item.precision == "waveform"
    ]


def _quantisation(files: Sequence[ModelFile]) -> list[str]:
    parts = []
    for item in files:
        if item.quantisation is None:
            if item.precision == "int8" and item.file.endswith(".onnx"):
                parts += [QUANTISATION, _of_weights(item.file)]
            continue
        made = item.quantisation
        text = (
            f"`{item.file}`: calibrated on {made.calibration_segments} segments of "
            f"{made.calibrated_on}, a tensor's range being the {made.ranges} of the batches' ranges; "
            f"of {made.layers} layers {len(made.kept_float)} stay float."
        )
        parts += [QUANTISATION, text]
        if made.kept_float:
            rows = [
                (f"`{layer}`", *(f"{ratio:.0f} dB" for ratio in (noise.scores, noise.weights, noise.input)))
                for layer, noise in made.kept_float.items()
            ]
            parts += [
                "Signal to quantisation noise ratios by `onnxruntime.quantization.qdq_loss_debug`: of the "
                "scores if that layer alone were int8, and of its weights and input.",
                table(("kept in float", "scores", "weights", "input"), rows),
            ]
    return parts


def _evaluation(evaluation: Mapping[str, Any]) -> list[str]:
    """Accuracies, rejection and confusions of one report.json, per dataset."""
    datasets = [data | {"name": data["name"] + _mark(data)} for data in evaluation["datasets"]]
    parts = [
        "## Evaluation",
        f"By `python -m training evaluate {evaluation['model']} …`; 95 % intervals. Confidence is the "
        "highest mean score of a recording.",
        *([UNREPEATABLE] if any(_mark(data) for data in evaluation["datasets"]) else []),
        table(
            ("dataset", "top-1", "top-2", "top-1 of single segments", "calibration error"),
            [
                (
                    data["name"],
                    _read(data["top1"]),
                    _read(data["top2"]),
                    _read(data["segment_top1"]),
                    "–" if data["calibration_error"] is None else f"{data['calibration_error']:.3f}",
                )
                for data in datasets
            ],
        ),
    ]
    rejecting = [data for data in datasets if data["threshold"] is not None]
    if rejecting:
        header = ("dataset", "threshold", "accepted", "right among them", "other music rejected", "AUC")
        rows = [
            (
                data["name"],
                f"{data['threshold']:.3f}",
                _read(data["coverage"]),
                _read(data["accepted_top1"]),
                _read(data["others_rejected"]),
                "–" if data["others_auc"] is None else f"{data['others_auc']:.2f}",
            )
            for data in rejecting
        ]
        parts += ["### Abstaining", table(header, rows)]
    parts += ["### Known confusions", "Recordings of a dance that are taken for another, 10 % and more."]
    confused = [
        (data["name"], true, taken, f"{100 * part:.0f} %")
        for data in datasets
        for part, true, taken in _confusions(data)
    ]
    parts.append(table(("dataset", "dance", "taken for", "share"), confused) if confused else "None.")
    return parts


def _mark(data: Mapping[str, Any]) -> str:
    """Marks datasets of which only spectrograms were there: nobody outside has the recordings."""
    return "" if data.get("recordings_at_hand", True) else " †"


def _confusions(data: Mapping[str, Any], least: float = 0.1) -> list[tuple[float, str, str]]:
    """(share, true dance, dance taken for it), the largest first."""
    classes = data["classes"]
    found = [
        (part, true.replace("_", " "), taken.replace("_", " "))
        for true, row in zip(classes, data["confusion"], strict=True)
        for taken, part in zip(classes, row, strict=True)
        if true != taken and part is not None and part >= least
    ]
    return sorted(found, key=lambda item: (-item[0], item[1], item[2]))


def machine() -> str:
    """Where latencies were measured: kind of processor and versions, nothing that names the machine."""
    return f"{platform.machine()}, {versions('onnxruntime', 'torch', 'numpy')}"


def share(accuracy: Accuracy) -> str:
    """A share in percent with its interval and the number that it is of."""
    return f"{accuracy} of {accuracy.total}" if accuracy.total else str(accuracy)


def _read(accuracy: Mapping[str, Any]) -> str:
    """The same of an accuracy in a report.json, with the interval that stands there."""
    interval = accuracy.get("interval")
    clustered = (interval[0], interval[1]) if accuracy["total"] and interval else None
    return share(Accuracy(accuracy["right"], accuracy["total"], clustered))
