"""An evaluation as files: `report.json` and figures."""

import json
from collections.abc import Iterable
from pathlib import Path

from runtime.atomic import replacing
from runtime.errors import ParameterError
from training import plots
from training.evaluate import Report


def write_reports(folder: str | Path, reports: Iterable[Report], *, model: str) -> Path:
    """Write `report.json` and the confusion matrices of every dataset into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    reports = list(reports)
    for report in reports:
        plots.save(plots.confusion_matrices(report), folder / f"confusion-{_file_name(report.name)}.png")
    path = folder / "report.json"
    with replacing(path) as temporary:
        content = {"model": model, "datasets": [report.to_dict() for report in reports]}
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _file_name(name: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    if not safe.strip("-."):
        raise ParameterError(f"dataset name {name!r} has no letter or digit to name a file by")
    return safe
