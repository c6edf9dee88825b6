"""The settings of a run as a TOML file in its folder, which starts it again."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from training.data import provenance
from training.data.manifest import relative_path
from training.keys import check_keys
from training.settings import SETTINGS_OF_METHOD, Data, Machine, Network, Settings

SETTINGS = "settings.toml"
TABLES = {
    "data": tuple(field.name for field in fields(Data)),
    "network": (*(field.name for field in fields(Network)), "segment_frames"),
    "method": SETTINGS_OF_METHOD,
    "machine": tuple(field.name for field in fields(Machine)),
}
FILES = ("weights", "teacher")  # settings that may name a file


def write_settings(path: Path, data: Data, settings: Settings, machine: Machine, *, world_size: int) -> None:
    """Write what a run is made of, and what made it: one entry more each time that it goes on."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)

    def named(value: Any) -> Any:
        return relative_path(Path(value), folder) if value and Path(value).is_file() else value

    options = {**settings.options, "architecture": settings.architecture}
    table: dict[str, Any] = {"manifests": [relative_path(m, folder) for m in data.manifests]}
    if data.store:
        table["store"] = relative_path(data.store, folder)
    if data.training_data:
        table["training_data"] = data.training_data
    content = {
        "data": table,
        "network": {k: named(v) if k in FILES else _plain(v) for k, v in options.items()},
        "method": {
            k: named(getattr(settings, k)) if k in FILES else getattr(settings, k) for k in SETTINGS_OF_METHOD
        },
        "machine": {k: v for k, v in asdict(machine).items() if v is not None},
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
    """Fields of `Data`, `Network`, `Settings` and `Machine` in a file that `write_settings` wrote.

    Raises
    ------
    WhichdanceError
        If it is none.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        check_keys(content, (*TABLES, "made_by"), str(path))
        for name, known in TABLES.items():
            check_keys(content[name], known, f"{path}, [{name}]")
        data = content["data"]
        tables = {k: v for name in TABLES if name != "data" for k, v in content[name].items()}
        manifests = data["manifests"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise WhichdanceError(
            f"{path}: cannot be read as the settings of a run of `training train` ({error})"
        ) from error

    def found(value: str) -> str:
        return str(path.parent / value) if (path.parent / value).is_file() else value

    arguments = {k: found(v) if k in FILES else _argument(k, v) for k, v in tables.items()}
    arguments["manifests"] = tuple(path.parent / m for m in manifests)
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
