"""A model that was exported before, with evidence that was fitted anew: other metadata, the same network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from export import card, graph, registry
from export.publish import move, workshop_in
from runtime.errors import ModelError
from runtime.model import Model
from training.following.fitted import GROUPS, FittedEvidence


def with_evidence(
    path: Path, folder: Path, fitted: FittedEvidence, *, version: str | None = None
) -> list[Path]:
    """Write a model's files of every precision, its report, its card and models.toml with that evidence.

    Parameters
    ----------
    path : Path
        One of its .onnx files. Those beside it that its models.toml lists under the same name, as int8, go
        along; so do NAME.json and NAME.md.
    folder : Path
        Where to write; may be the same folder. All of it is written, or nothing.
    fitted : FittedEvidence
    version : str, optional
        Of the model that it becomes; as before if None.

    Returns
    -------
    list of Path
        The .onnx files.

    Raises
    ------
    ModelError
        If something of it cannot be read or written.
    """
    info = Model.load(path).info
    name, fields = info.name, {**fitted.fields, "version": version or info.version}
    beside = registry.read(path.parent)
    listed = {item["file"]: item for item in beside if _named(path.parent / str(item["file"])) == name}
    if path.name not in listed:
        raise ModelError(f"{path}: is not in {path.parent / registry.REGISTRY}; give a file that is listed")
    with workshop_in(folder) as workshop:
        entries = []
        for file, item in listed.items():
            target = workshop / file
            _stamp(path.parent / file, target, fields)
            known = {key: item[key] for key in ("name", "precision", "architecture", "classes")}
            entries.append(registry.entry(target, **known))
        _papers(path.parent, workshop, name, entries, fields)
        registry.write(workshop, registry.merged(registry.read(folder), entries))
        move(workshop, folder)
    return [folder / file for file in listed]


def _named(path: Path) -> str | None:
    """The name that a listed file says it has; None where it is not a model's that we can read."""
    try:
        return Model.load(path).info.name
    except ModelError:
        return None


def _stamp(source: Path, target: Path, fields: Mapping[str, str]) -> None:
    """The same graph with other metadata."""
    model = onnx.load(source)
    kept = {p.key: p.value for p in model.metadata_props if p.key != GROUPS}  # were fitted to the other
    helper.set_model_props(model, dict(sorted({**kept, **fields}.items())))
    target.write_bytes(graph.to_bytes(model))
    Model.load(target)


def _papers(
    source: Path, workshop: Path, name: str, entries: Sequence[Mapping[str, Any]], fields: Mapping[str, str]
) -> None:
    """NAME.json and NAME.md, where they are there."""
    report, sheet = source / f"{name}.json", source / f"{name}.md"
    try:
        if report.exists():
            content = json.loads(report.read_text("utf-8"))
            content["metadata"].pop(GROUPS, None)
            content["metadata"].update(fields)
            known = {item["file"]: item for item in entries}
            for item in content["files"]:
                item.update(
                    {key: known[item["file"]][key] for key in ("sha256", "size") if item["file"] in known}
                )
            (workshop / report.name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        if sheet.exists():
            (workshop / sheet.name).write_text(card.with_answer(sheet.read_text("utf-8"), fields), "utf-8")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{report} or {sheet.name} cannot be read as an export wrote it ({error})"
        ) from error
