"""The settings of a run as a TOML file in its folder, which starts it again."""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from training.data import provenance
from training.data.manifest import relative_path
from training.keys import check_keys
from training.settings import SETTINGS_OF_METHOD, Settings

SETTINGS = "settings.toml"
MACHINE = ("threads", "workers", "accelerator", "devices", "precision", "jobs", "backend")
NETWORK = (
    *("architecture", "classes", "weights", "channels", "normalisation", "bands", "dropout"),
    *("branches", "width"),
)
TABLES = {"network": NETWORK, "method": SETTINGS_OF_METHOD, "machine": MACHINE}
DATA = ("manifests", "store", "training_data")
FILES = ("weights", "teacher")  # settings that may name a file


def write_settings(
    path: Path, args: argparse.Namespace, settings: Settings, manifests: Sequence[Path], *, world_size: int
) -> None:
    """Write what a run is made of, and what made it: one entry more each time that it goes on."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)

    def named(value: Any) -> Any:
        return relative_path(Path(value), folder) if value and Path(value).is_file() else value

    options = {**settings.options, "architecture": settings.architecture}
    data: dict[str, Any] = {"manifests": [relative_path(m, folder) for m in manifests]}
    if args.store:
        data["store"] = relative_path(args.store, folder)
    if getattr(args, "training_data", None):
        data["training_data"] = args.training_data
    content = {
        "data": data,
        "network": {k: named(v) if k in FILES else _plain(v) for k, v in options.items()},
        "method": {
            k: named(getattr(settings, k)) if k in FILES else getattr(settings, k) for k in SETTINGS_OF_METHOD
        },
        "machine": {k: getattr(args, k) for k in MACHINE if getattr(args, k, None) is not None},
        "made_by": [
            *_earlier(path),
            {
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "commit": provenance.commit() or "unknown",
                "processes": world_size,
                "versions": provenance.versions(),
            },
        ],
    }
    with replacing(path) as temporary:
        text = f"# python -m training train {SETTINGS} -o ANOTHER_FOLDER\n\n{tomli_w.dumps(content)}"
        temporary.write_text(text, encoding="utf-8")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Arguments of `train` in a file that `write_settings` wrote, by their names there.

    Raises
    ------
    WhichdanceError
        If it is none.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        check_keys(content, ("data", *TABLES, "made_by"), str(path))
        for name, known in {"data": DATA, **TABLES}.items():
            check_keys(content[name], known, f"{path}, [{name}]")
        data, tables = content["data"], {k: v for name in TABLES for k, v in content[name].items()}
        manifests = data["manifests"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise WhichdanceError(
            f"{path}: cannot be read as the settings of a run of `training train` ({error})"
        ) from error

    def found(value: str) -> str:
        return str(path.parent / value) if (path.parent / value).is_file() else value

    arguments = {k: found(v) if k in FILES else _argument(k, v) for k, v in tables.items()}
    arguments["manifests_of_settings"] = [str(path.parent / m) for m in manifests]
    if "store" in data:
        arguments["store"] = path.parent / data["store"]
    if "training_data" in data:
        arguments["training_data"] = data["training_data"]
    return arguments


def scalars(entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an entry of a run's history by name, as 'loss/validation'."""
    found = {f"{name}/train": float(entry[name]) for name in ("loss", "accuracy")}
    for split in ("validation", "test"):
        found |= {f"{name}/{split}": float(value) for name, value in (entry.get(split) or {}).items()}
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _argument(name: str, value: Any) -> Any:
    if name == "branches":
        return ",".join(value)
    return tuple(value) if isinstance(value, list) else value


def _earlier(path: Path) -> list[dict[str, Any]]:
    try:
        made_by = tomllib.loads(path.read_text(encoding="utf-8")).get("made_by", [])
        return made_by if isinstance(made_by, list) else []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
