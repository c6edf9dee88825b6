"""An evaluation as files: `report.json`, figures, and `recordings.csv`, by which two can be compared."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from runtime.atomic import replacing
from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from training.data.collections import dance_of
from training.evaluation import plots
from training.evaluation.evaluate import Report, knows_more
from training.evaluation.metrics import Comparison, compare
from training.evaluation.shipping import Decision, decide, log_likelihoods


def write_reports(
    folder: str | Path, reports: Iterable[Report], *, model: str, sha256: str | None = None
) -> Path:
    """Write `report.json`, `recordings.csv` and the confusion matrices of every dataset into a folder.

    Parameters
    ----------
    folder : str or Path
    reports : iterable of Report
    model : str
        Name of what was measured.
    sha256 : str, optional
        Of its file, by which the export tells that a report is of the model that it exports.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    reports = list(reports)
    for report in reports:
        file = folder / f"confusion-{_file_name(report.name)}.png"
        plots.save(plots.confusion_matrices(report), file)
        if knows_more(report):
            plots.save(plots.confusion_of_all(report), file.with_stem(f"{file.stem}-all"))
    _write_recordings(folder / RECORDINGS, reports)
    path = folder / "report.json"
    with replacing(path) as temporary:
        datasets = [
            report.to_dict() | {"recordings_at_hand": any(item.path for item in report.items)}
            for report in reports
        ]
        content = {"model": model, "sha256": sha256, "datasets": datasets}
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


RECORDINGS = "recordings.csv"
ITEM = ("dataset", "recording", "path", "start", "end", "group")
COLUMNS = (*ITEM, "truth", "prediction", "right", "confidence")


def _write_recordings(path: Path, reports: Sequence[Report]) -> None:
    """A row per recording: who it is, what it is, what the network says, and its mean scores.

    The prediction is the best of all the dances that the model knows; what is left of the scores to 1 is none
    of these.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        dances = reports[0].dances
        writer.writerow([*COLUMNS, *dances])
        for report in reports:
            for item, truth, scores in zip(report.items, report.labels, report.all_scores, strict=True):
                best = int(scores.argmax())
                who = (report.name, item.recording, item.path, item.start, item.end, item.group)
                right = int(dances[best] == dance_of(truth, dances))
                answer = (truth, dances[best], right, f"{scores[best]:.6f}")
                writer.writerow([*who, *answer, *(f"{score:.6f}" for score in scores)])


def compare_reports(first: str | Path, second: str | Path) -> tuple[dict[str, Comparison], Decision | None]:
    """Compare two evaluations recording by recording, per dataset that both have.

    Top-1 is among the ten; where both models know more dances, also among all of each model's.

    Also applies the rule of which ships (`training.evaluation.shipping`) where there are any of the ten.
    Arrays number their recordings: one number and one label in several of them are taken for one song.

    Parameters
    ----------
    first, second : str or Path
        Folders that `evaluate -o` wrote, or their `recordings.csv`. Recordings are the same where the hash
        of their content and their extent are.

    Raises
    ------
    WhichdanceError
        If they have no recording in common of dances that both know, or disagree about what one is.
    """
    tables = [_read_recordings(path) for path in (first, second)]
    common = [key for key in tables[0] if key in tables[1]]
    results, of_all, gains, songs = {}, {}, {}, {}
    for dataset in dict.fromkeys(key[0] for key in common):
        keys = [key for key in common if key[0] == dataset]
        rows = [[table[key] for key in keys] for table in tables]
        for a, b in zip(*rows, strict=True):
            if a["truth"] != b["truth"]:
                raise WhichdanceError(
                    f"{a['path'] or a['recording']} is {a['truth']} in {first} and {b['truth']} in {second}"
                )
        truth = [row["truth"] for row in rows[0]]
        ten = [np.array([[float(row.get(key) or 0) for key in DANCE_KEYS] for row in part]) for part in rows]
        likelihoods = [log_likelihoods(scores, truth) for scores in ten]
        gains[dataset] = likelihoods[1] - likelihoods[0]
        songs[dataset] = [(row["group"], row["truth"]) for row in rows[0]]
        chosen = [i for i, label in enumerate(truth) if label in DANCE_KEYS]
        if chosen:
            true = np.array([DANCE_KEYS.index(truth[i]) for i in chosen])
            a_right, b_right = (scores[chosen].argmax(axis=1) == true for scores in ten)
            results[dataset] = compare(a_right, b_right, [rows[0][i]["group"] for i in chosen])
        if found := _of_all(rows, truth):
            of_all[f"{dataset}, all dances of both"] = found
    if not results and not of_all:
        raise WhichdanceError(
            f"{first} and {second} have no recordings in common of dances that both models know, in datasets "
            "of one name"
        )
    return results | of_all, decide(gains, songs, results) if results else None


def _of_all(rows: Sequence[Sequence[dict[str, str]]], truth: Sequence[str]) -> Comparison | None:
    """Compare over the recordings of all the dances that both models know; None where these are the ten."""
    dances = [[name for name in part[0] if name not in COLUMNS] for part in rows]
    both = set(dances[0]) & set(dances[1])
    chosen = [i for i, label in enumerate(truth) if dance_of(label, both) in both]
    if both <= set(DANCE_KEYS) or not chosen:
        return None
    first, second = (np.array([part[i]["right"] == "1" for i in chosen]) for part in rows)
    return compare(first, second, [rows[0][i]["group"] for i in chosen])


def _read_recordings(path: str | Path) -> dict[tuple[str, ...], dict[str, str]]:
    path = Path(path)
    path = path / RECORDINGS if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise WhichdanceError(
                    f"{path} is no {RECORDINGS} of `python -m training evaluate -o FOLDER`: it has no column "
                    f"{', '.join(sorted(missing))}"
                )
            return {tuple(row[c] for c in ("dataset", "recording", "start", "end")): row for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WhichdanceError(f"{path} cannot be read ({error})") from error


def _file_name(name: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    if not safe.strip("-."):
        raise ParameterError(f"dataset name {name!r} has no letter or digit to name a file by")
    return safe
