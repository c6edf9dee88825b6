"""What an experiment is given, and the table that it gives back."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from runtime.atomic import replacing
from runtime.errors import ParameterError, WhichdanceError
from training.data.manifest import Recording
from training.data.provenance import seen
from training.data.store import Stored
from training.evaluation.evaluate import (
    Dataset,
    Report,
    evaluate,
    load_labelled_runner,
    stored_dataset,
    warning,
)
from training.evaluation.metrics import Accuracy, percent
from training.evaluation.scoring import Run
from training.markdown import table
from training.networks.weights import read_checkpoint
from training.parallel import results

OUR_METHOD = "densenet-ft"  # DenseNet-161, pre-trained, all parameters trained (thesis 4.5.2)
OURS = "our-method"  # name of its run
SAME = {"densenet161": OUR_METHOD}  # tables 4.6 and 4.7 have it by different names


class Lacking(ParameterError):
    """An input that this experiment needs and others do not."""


@contextmanager
def _unwatched(what: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes
    ----------
    run : callable
        Segments to scores.
    labels : tuple of str
        Of the scores' columns.
    seen : dict of str to set of str
        Hashes of what it was made with, see `training.data.provenance.seen`.
    """

    run: Run
    labels: tuple[str, ...]
    seen: Mapping[str, set[str]]


@dataclass(frozen=True)
class Setup:
    """What an experiment works on.

    Attributes
    ----------
    folder : Path
        Tables are written here, runs to `runs/` below.
    train : callable
        `train(run name, architecture, training recordings, options)` trains, or goes on, and gives the
        path of the best checkpoint. `options` are of `training.networks.models.build`.
    training : sequence of Stored
    test : sequence of Stored
    architecture : str
        Of "our method"; the thesis's by default.
    device : torch.device or str
        Runs trained networks.
    watch : callable
        `watch(what)` gives a context manager of a progress function (done, in all).
    made_with : str
        A hash of the data and the method, by which rows of earlier runs are told.
    datasets : sequence of Dataset
        Further named test sets.
    only : sequence of str
        Rows of the table to run; all if empty.
    extension : sequence of Stored
        Low-quality recordings to add to the training data.
    noise : Path or None
        Recording of a crowd.
    together : int
        Networks that are trained at once where a table has several, each in a process of its own; -1 for as
        many as there are cores.
    """

    folder: Path
    train: Callable[[str, str, Sequence[Stored], Mapping[str, Any]], Path]
    training: Sequence[Stored]
    test: Sequence[Stored]
    architecture: str = OUR_METHOD
    device: Any = "cpu"
    watch: Callable[[str], AbstractContextManager[Callable[[int, int], None]]] = _unwatched
    made_with: str = ""
    datasets: Sequence[Dataset] = ()
    only: Sequence[str] = ()
    extension: Sequence[Stored] = ()
    noise: Path | None = None
    together: int = 1

    def trained(self, name: str, architecture: str, *, extended: bool = False, **options: Any) -> Trained:
        """Train a network, or find it trained: one that tables know by several names is trained once."""
        if not (extended or options):
            name, architecture = self._run_of(name, architecture)
        data = [*self.training, *self.extension] if extended else list(self.training)
        path = self.train(name, architecture, data, options)
        run, _, labels = load_labelled_runner(path, self.device)
        return Trained(run, labels, seen(read_checkpoint(path)))

    def _run_of(self, name: str, architecture: str) -> tuple[str, str]:
        """Name of the run and architecture, of all names that tables have for the same."""
        same = SAME.get(architecture, architecture)
        if same == SAME.get(self.architecture, self.architecture):
            return OURS, self.architecture
        return (name, architecture) if same == architecture else (same, same)

    def prepare(self, rows: Mapping[str, str]) -> None:
        """Train side by side what `trained` will then find, if several are to be trained at once.

        Parameters
        ----------
        rows : mapping of str to str
            Architecture of each row of a table; those that are not wanted are left out.
        """
        runs = dict.fromkeys(self._run_of(a, a) for row, a in rows.items() if self.wants(row))
        if self.together != 1 and len(runs) > 1:
            for _ in results(self._train, list(runs), self.together):
                pass

    def _train(self, name: str, architecture: str) -> None:
        self.train(name, architecture, list(self.training), {})

    def our_method(self, *, extended: bool = False) -> Trained:
        """The thesis's proposed configuration, trained on the training data or on the extended ones."""
        name = OURS + "-extended" if extended else OURS
        return self.trained(name, self.architecture, extended=extended)

    def on_test(self, network: Trained) -> Report:
        """Statistics on the manifest's test split."""
        if not self.test:
            raise WhichdanceError("the manifest has no recordings in the split 'test' that are long enough")
        return self.on(network, stored_dataset("test", self.test))

    def on(self, network: Trained, dataset: Dataset) -> Report:
        """Statistics on a dataset; what the network has met of it before is told on standard error."""
        with self.watch(f"{dataset.name}: scores") as progress:
            report = evaluate(
                network.run, dataset, labels=network.labels, seen=network.seen, progress=progress
            )
        if line := warning(report):
            print(line, file=sys.stderr)
        return report

    def on_datasets(self, network: Trained) -> dict[str, Report]:
        """Statistics on the test split and on every further dataset, by name."""
        return {"test": self.on_test(network)} | {d.name: self.on(network, d) for d in self.datasets}

    def wants(self, row: str) -> bool:
        """Whether `only` includes the row."""
        return not self.only or row in self.only

    def check_only(self, rows: Sequence[str]) -> None:
        """ParameterError if `only` names a row that the table has not."""
        unknown = set(self.only) - set(rows)
        if unknown:
            raise ParameterError(
                f"--only: no row {', '.join(sorted(unknown))}; the rows are {'; '.join(rows)}"
            )

    def recordings(self) -> list[Recording]:
        """The recordings of the test split."""
        return [s.recording for s in self.test]


@dataclass
class ThesisTable:
    """A table of the thesis with our numbers beside its own.

    Attributes
    ----------
    name, title : str
    head : str
        Heading of the first column.
    columns : tuple of str
    bold : bool
        Print the highest of our values in each column bold, as the thesis does where rows compete.
    rows : list of (name, ours, thesis's)
        Ours are accuracies, or None where the row was not run; the thesis's are percentages or None.
    made_with : str
        `Setup.made_with` of the rows that are run now.
    kept : dict of str to str
        That of rows that an earlier run made.
    """

    name: str
    title: str
    head: str
    columns: tuple[str, ...]
    bold: bool = False
    rows: list[tuple[str, tuple[Accuracy | None, ...], tuple[float | None, ...]]] = field(
        default_factory=list
    )
    made_with: str = ""
    kept: dict[str, str] = field(default_factory=dict)

    def add(
        self, row: str, ours: Sequence[Accuracy | None] | None, thesis: Sequence[float | None] | None
    ) -> None:
        """Add a row; None stands for numbers that do not exist."""
        missing = (None,) * len(self.columns)
        self.rows.append((row, tuple(ours or missing), tuple(thesis or missing)))

    def keep_earlier_rows(self, folder: Path) -> None:
        """Rows that were not run now have what an earlier run left in the folder (`--only` adds to it)."""
        try:
            content = json.loads((folder / f"{self.name}.json").read_text(encoding="utf-8"))
            earlier = {row["row"]: row for row in content["rows"] if any(row["ours"])}
        except (OSError, ValueError, KeyError, TypeError):
            return
        for i, (row, ours, thesis) in enumerate(self.rows):
            if not any(ours) and row in earlier and len(earlier[row]["ours"]) == len(ours):
                found = tuple(a and accuracy_from(a) for a in earlier[row]["ours"])
                self.rows[i] = (row, found, thesis)
                self.kept[row] = earlier[row].get("made_with", "")

    def markdown(self) -> str:
        """The table, our values with 95 % intervals."""
        best = [
            max((accuracy.value for _, ours, _ in self.rows if (accuracy := ours[c])), default=None)
            for c in range(len(self.columns))
        ]
        compared = any(value is not None for _, _, thesis in self.rows for value in thesis)
        heads = [self.head, *self.columns]
        if compared:
            heads += [f"thesis: {column}" for column in self.columns]
        rows, strange = [], False
        for row, ours, thesis in self.rows:
            other = self.kept.get(row, self.made_with) != self.made_with
            strange |= other
            cells = [f"{row} ‡" if other else row]
            for accuracy, highest in zip(ours, best, strict=True):
                text = str(accuracy) if accuracy else "–"
                cells.append(f"**{text}**" if self.bold and accuracy and accuracy.value == highest else text)
            if compared:
                cells += ["–" if value is None else percent(value / 100) for value in thesis]
            rows.append(cells)
        note = "\n‡ from an earlier run with other data or settings\n" if strange else ""
        return f"# {self.title}\n\n{table(heads, rows, right=(False, True))}\n{note}"

    def write(self, folder: Path) -> Path:
        """Write `<name>.md` and `<name>.json`, beside the rows that are there."""
        folder.mkdir(parents=True, exist_ok=True)
        self.keep_earlier_rows(folder)
        content = [
            {
                "row": row,
                "ours": [a and a.to_dict() for a in ours],
                "thesis": thesis,
                "made_with": self.kept.get(row, self.made_with),
            }
            for row, ours, thesis in self.rows
        ]
        with replacing(folder / f"{self.name}.json") as temporary:
            temporary.write_text(json.dumps({"columns": self.columns, "rows": content}, indent=1) + "\n")
        path = folder / f"{self.name}.md"
        with replacing(path) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")
        return path


COLUMNS = ("Top-1 accuracy", "Top-2 accuracy", "Top-1 without aggregation")


def accuracies(report: Report) -> tuple[Accuracy, ...]:
    """The numbers under `COLUMNS`."""
    return report.top1, report.top2, report.segment_top1


def accuracy_from(entry: Mapping[str, Any]) -> Accuracy:
    """An accuracy as `Accuracy.to_dict` wrote it."""
    plain = Accuracy(entry["right"], entry["total"])
    interval = tuple(entry["interval"] or ())
    return plain if not interval or interval == plain.interval else replace(plain, clustered=interval)


def repeated(tables: Mapping[str, ThesisTable]) -> str:
    """Several runs of one experiment as a table: mean ± standard deviation of each value, and each run's.

    Parameters
    ----------
    tables : mapping of str to ThesisTable
        By the name of the run, 'seed 0' or 'fold 1'.
    """
    first = next(iter(tables.values()))
    heads = [first.head, "", "mean ± sd", *tables]
    rows = []
    for i, (row, _, _) in enumerate(first.rows):
        for c, column in enumerate(first.columns):
            found = [t.rows[i][1][c] for t in tables.values()]
            values = [100 * a.value for a in found if a]
            if values:
                spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
                each = [percent(a.value) if a else "–" for a in found]
                rows.append([row, column, f"{np.mean(values):.1f}{spread} %", *each])
    return f"# {first.title}\n\n{table(heads, rows, right=(False, False, True))}\n"


def table_of_datasets(
    name: str, title: str, reports: Mapping[str, Report], thesis: Mapping[str, tuple[str, tuple[float, ...]]]
) -> ThesisTable:
    """A row per dataset: those of the thesis beside its numbers, whether measured or not, others below."""
    table = ThesisTable(name, title, "Dataset", COLUMNS)
    for dataset, (row, numbers) in thesis.items():
        table.add(row, accuracies(reports[dataset]) if dataset in reports else None, numbers)
    for dataset, report in reports.items():
        if dataset not in thesis:
            table.add(dataset, accuracies(report), None)
    return table
