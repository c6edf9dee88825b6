"""models.toml: the list of models in a folder, from which `runtime` resolves `--model NAME`."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.atomic import replacing
from runtime.errors import ModelError
from runtime.model import REGISTRY

HEADER = "# Written by `python -m export`; the first model is the default.\n"


def entry(
    path: Path, *, name: str, precision: str, architecture: str, classes: Sequence[str]
) -> dict[str, Any]:
    """What models.toml says of a model file.

    Parameters
    ----------
    path : Path
        The finished file.
    name : str
        What `--model` calls it.
    precision : str
        'float', 'float16' or 'int8'.
    architecture : str
    classes : sequence of str
        In the order of the scores.
    """
    data = path.read_bytes()
    return {
        "name": name,
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "precision": precision,
        "architecture": architecture,
        "classes": list(classes),
    }


def read(folder: Path, registry: str = REGISTRY) -> list[dict[str, Any]]:
    """The entries of a folder's models.toml, or of another such list; none where there is no such file."""
    path = folder / registry
    try:
        entries = list(tomllib.loads(path.read_text("utf-8"))["models"])
        if not all(isinstance(entry, dict) and isinstance(entry["name"], str) for entry in entries):
            raise TypeError("its models are no tables with names")
        return entries
    except FileNotFoundError:
        return []
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as a list of models ({error}); mend or remove it") from error


def merged(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], *, default: bool = False
) -> list[Mapping[str, Any]]:
    """Entries with the new ones in the place of their namesakes, or at the end.

    Parameters
    ----------
    old, new : sequence of mapping
    default : bool
        Put the first of the new entries before all others: the model that `runtime` takes unasked.
    """
    replaced = {item["name"]: item for item in [*old, *new]}
    if default:
        first = new[0]["name"]
        replaced = {first: replaced[first], **replaced}
    return list(replaced.values())


def write(folder: Path, entries: Sequence[Mapping[str, Any]], registry: str = REGISTRY) -> None:
    """Write models.toml, or another such list, atomically."""
    tables = []
    for item in entries:
        # JSON's strings, whole numbers and lists are TOML's as well.
        lines = [f"{key} = {json.dumps(value)}" for key, value in item.items()]
        tables.append("\n".join(["[[models]]", *lines, ""]))
    with replacing(folder / registry) as temporary:
        temporary.write_text("\n".join([HEADER, *tables]), "utf-8")
