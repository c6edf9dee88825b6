"""From a checkpoint to a folder of verified model files with their papers: all of it, or nothing."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from export import card, graph, registry, segments, verify
from export.deployed import Deployable, versions
from export.segments import Segments
from runtime.errors import ModelError
from runtime.model import REGISTRY

PRECISIONS = ("float", "float16", "int8")
N_MADE_UP = 64  # segments that show parity where no recordings are given
N_CALIBRATION = 256  # segments; onnxruntime's ranges hardly move beyond


@dataclass(frozen=True)
class Plan:
    """What to make beside the float file, and with which recordings.

    Attributes
    ----------
    precisions : sequence of str
        Out of 'float16' and 'int8'.
    corpus : Path or None
        Manifest of held-out recordings: its validation rows calibrate, its test rows verify.
    calibration : sequence of Path
        Further manifests (their validation rows) or .npz files of real spectrograms that calibrate.
    labelled : sequence of Path
        Further manifests (their test rows) or .npz files that verify.
    evaluations : sequence of Path
        JSON files of `python -m training evaluate` for the model card.
    ort : bool
        Also write every file in onnxruntime's own format, with its list of operators.
    default : bool
        List the model first: the one that `runtime` takes unasked.
    """

    precisions: Sequence[str] = ()
    corpus: Path | None = None
    calibration: Sequence[Path] = ()
    labelled: Sequence[Path] = ()
    evaluations: Sequence[Path] = ()
    ort: bool = False
    default: bool = False


def publish(
    deployable: Deployable,
    folder: Path,
    plan: Plan,
    *,
    command: str,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Make, verify and write the model files, the card, the report and the entry in models.toml.

    Everything is made in a temporary folder beside the targets and moved when all of it is there.

    Parameters
    ----------
    deployable : Deployable
    folder : Path
        Made where it does not exist.
    plan : Plan
    command : str
        For the card.
    progress : callable
        Called with what is being done, in words.

    Returns
    -------
    dict
        The report, as in NAME.json.

    Raises
    ------
    VerificationError
        If a file is not the same model within its bounds.
    ModelError
        If something given cannot be read, or the folder cannot be written to.
    """
    listed = registry.read(folder)
    card_evaluations = [card.read_evaluation(path) for path in plan.evaluations]
    name, width = deployable.name, deployable.segment_frames
    with _workshop(folder) as workshop:
        progress("reading segments")
        sets = [
            segments.read(path, split="test", n_wanted=verify.MIN_LABELLED, segment_frames=width)
            for path in (*([plan.corpus] if plan.corpus else []), *plan.labelled)
        ] or [segments.made_up(N_MADE_UP, segment_frames=width)]

        progress("PyTorch to ONNX")
        fields = deployable.fields
        floating = graph.to_onnx(deployable.network, segment_frames=width, fields=fields)
        models = {"float": floating}
        notes: dict[str, dict[str, Any]] = {}
        paths = {
            precision: workshop / (f"{name}.onnx" if precision == "float" else f"{name}.{precision}.onnx")
            for precision in models
        }
        for precision, path in paths.items():
            path.write_bytes(graph.to_bytes(models[precision]))

        progress("verifying")
        files = _verified(deployable, paths, sets, progress)
        for item in files:
            item |= _contents(models[item["precision"]]) | notes.get(item["precision"], {})

        report: dict[str, Any] = {
            "name": name,
            "architecture": deployable.architecture,
            "classes": list(deployable.labels),
            "temperature": deployable.network.temperature,
            "metadata": dict(fields),
            "command": command,
            "machine": f"{platform.machine()}, {versions('onnxruntime', 'torch', 'numpy')}",
            "confident_from": verify.CONFIDENT,
            "files": files,
        }
        (workshop / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        (workshop / f"{name}.md").write_text(card.markdown(report, card_evaluations), "utf-8")
        entries = [
            registry.entry(
                paths[precision],
                name=name if precision == "float" else f"{name}-{precision}",
                precision=precision,
                architecture=deployable.architecture,
                classes=fields["labels"].split(","),
            )
            for precision in paths
        ]
        registry.write(workshop, registry.merged(listed, entries, default=plan.default))
        _move(workshop, folder)
    return report


def _verified(
    deployable: Deployable,
    paths: dict[str, Path],
    sets: Sequence[Segments],
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    references = [verify.torch_scores(deployable.network, part.mel) for part in sets]
    files: list[dict[str, Any]] = []
    for precision, path in paths.items():
        progress(f"verifying {path.name}")
        comparisons = [
            verify.compare(part, reference, verify.file_scores(path, part.mel))
            for part, reference in zip(sets, references, strict=True)
        ]
        broken = [
            f"on {comparison.source} {violation}"
            for comparison in comparisons
            for violation in verify.violations(comparison, verify.BOUNDS[precision])
        ]
        if broken:
            raise verify.VerificationError(f"{path.name} is not the checkpoint's model: {'; '.join(broken)}")
        data = path.read_bytes()
        files.append(
            {
                "file": path.name,
                "precision": precision,
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "comparisons": [comparison.to_dict() for comparison in comparisons],
            }
        )
    progress("timing")
    torch_seconds, *seconds = verify.one_thread_latencies(
        deployable.network, list(paths.values()), sets[0].mel[:1]
    )
    for item, taken in zip(files, seconds, strict=True):
        item |= {
            "milliseconds": 1e3 * taken,
            "torch_milliseconds": 1e3 * torch_seconds,
            "latency_ratio": taken / torch_seconds,
        }
    return files


def _contents(model: onnx.ModelProto) -> dict[str, Any]:
    operators: dict[str, int] = {}
    for node in model.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    return {"opset": graph.OPSET, "operators": dict(sorted(operators.items()))}


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A temporary folder inside the target folder; neither stays behind if the export fails."""
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".export-", dir=folder))
    except OSError as error:
        raise ModelError(f"{folder}: models cannot be written there ({error.strerror})") from error
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def _move(workshop: Path, folder: Path) -> None:
    """Move the finished files; the list of models comes last, so that it never names a missing file."""
    for path in sorted(workshop.iterdir(), key=lambda path: path.name == REGISTRY):
        path.chmod(0o644)
        os.replace(path, folder / path.name)
