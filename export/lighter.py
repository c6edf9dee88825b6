"""A model that was exported before, once more in a quarter of the size: its weights in int8."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from export import card, graph, quantise, registry, segments, verify
from export.publish import N_MADE_UP, N_VERIFICATION, move, workshop_in
from export.report import ModelFile
from export.shortcuts import with_shortcuts
from runtime.errors import ModelError
from runtime.model import OUTPUT, Model
from runtime.rehearsal import FEATURES_FIELD, FIELD

INT8 = "int8"
REPEATS = 50  # of the timing


def with_int8_weights(path: Path, folder: Path, verification: Sequence[str], *, command: str) -> Path:
    """Write NAME.int8.onnx, verified against the float file; its report, card and models.toml tell of it.

    Parameters
    ----------
    path : Path
        An exported .onnx file in single precision. Its NAME.json and NAME.md, where they lie beside it, are
        brought up to date.
    folder : Path
        Where to write; may be the same folder. All of it is written, or nothing.
    verification : sequence of str
        Recordings, as `export.segments.read` takes them; made-up segments if empty.
    command : str
        For the card.

    Raises
    ------
    ModelError
        If the file is no float model of whichdance, or its papers cannot be read.
    VerificationError
        If it is not the same model within its bounds.
    """
    info = Model.load(path).info
    floating = onnx.load(path)
    fields = {p.key: p.value for p in floating.metadata_props if p.key not in (FIELD, FEATURES_FIELD)}
    others = [output for output in floating.graph.output if output.name != OUTPUT]
    for output in others:  # features are for teaching, which takes the float file
        floating.graph.output.remove(output)
    floating = with_shortcuts(graph.without_dead_ends(floating))
    lighter = quantise.to_int8_weights(floating)
    if len(lighter.graph.initializer) == len(floating.graph.initializer):  # no scales were added
        raise ModelError(f"{path}: has no layers in single precision; give the float file")
    sets = [
        segments.read(
            given, split="test", n_wanted=N_VERIFICATION, segment_frames=frames, dances=list(info.labels)
        )
        for given in verification
        for frames in sorted({info.segment_frames, info.context_frames[-1]})
    ] or [segments.made_up(N_MADE_UP, segment_frames=frames) for frames in info.context_frames]
    with workshop_in(folder) as workshop:
        target = workshop / f"{info.name}.{INT8}.onnx"
        target.write_bytes(graph.to_bytes(graph.finished(lighter, fields)))
        made = _verified(path, target, sets)
        known = {item["name"]: item for item in registry.read(path.parent)}
        entry = registry.entry(
            target,
            name=f"{info.name}-{INT8}",
            precision=INT8,
            architecture=str(known.get(info.name, {}).get("architecture", "not stated")),
            classes=list(info.labels),
        )
        _papers(path.parent, workshop, info.name, made, command)
        registry.write(workshop, registry.merged(registry.read(folder), [entry]))
        move(workshop, folder)
    return folder / target.name


def _verified(path: Path, target: Path, sets: Sequence[segments.Segments]) -> ModelFile:
    """The lighter file against the float one, and their times in the same run."""
    compared = tuple(
        verify.compare(part, verify.file_scores(path, part.mel), verify.file_scores(target, part.mel))
        for part in sets
    )
    broken = [
        f"on {one.source} {violation}"
        for one in compared
        for violation in verify.violations(one, verify.BOUNDS["int8 weights"])
    ]
    if broken:
        raise verify.VerificationError(f"{target.name} is not the model of {path.name}: {'; '.join(broken)}")
    first, second = (Model.load(file, threads=1).engine for file in (path, target))
    segment = sets[0].mel[:1]
    float_seconds, seconds = verify.latencies(
        [lambda: first.run(segment), lambda: second.run(segment)], repeats=REPEATS
    )
    data = target.read_bytes()
    return ModelFile(
        file=target.name,
        precision=INT8,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        comparisons=compared,
        milliseconds=1e3 * seconds,
        torch_milliseconds=1e3 * float_seconds,
        opset=graph.OPSET,
    )


def _papers(source: Path, workshop: Path, name: str, made: ModelFile, command: str) -> None:
    """NAME.json and NAME.md, where they are there."""
    report, sheet = source / f"{name}.json", source / f"{name}.md"
    try:
        if report.exists():
            content = json.loads(report.read_text("utf-8"))
            _put(content, made, command)
            (workshop / report.name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
            if sheet.exists():
                text = card.with_lighter(sheet.read_text("utf-8"), made, of=f"{name}.onnx", command=command)
                (workshop / sheet.name).write_text(text, "utf-8")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{report} or {sheet.name} cannot be read as an export wrote it ({error})"
        ) from error


def _put(content: dict[str, Any], made: ModelFile, command: str) -> None:
    """The file into a report, in the place of its namesake."""
    said: dict[str, Any] = {**made.to_dict(), "made_by": command}
    said["float_milliseconds"] = said.pop("torch_milliseconds")  # what it was compared with, and timed beside
    files = [item for item in content["files"] if item["file"] != made.file]
    content["files"] = [*files, said]
