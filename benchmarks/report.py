"""What a benchmark found, as data; and that on the terminal, as JSON, as Markdown and as a figure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import Spread
from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from training import markdown as tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console

Value = Spread | float | int | str | None
Row = dict[str, Value]

# Unit of a column → (factor, suffix) to show it by. In the data, times are seconds and shares are 0 to 1.
UNITS = {
    "": (1.0, ""),
    "ms": (1e3, " ms"),
    "s": (1.0, " s"),
    "×": (1.0, "×"),
    "%": (100.0, " %"),
    "MB": (1e-6, " MB"),
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key : str
        Of the rows.
    heading : str
    unit : str
        One of `UNITS`.
    """

    key: str
    heading: str
    unit: str = ""


@dataclass(frozen=True)
class Chart:
    """What a figure of a table shows: `y` over `x`, a line or a bar per value of `series`."""

    x: str
    y: str
    series: str | None = None


@dataclass(frozen=True)
class Figures:
    """Rows of figures."""

    title: str
    columns: tuple[Column, ...]
    rows: list[Row]
    plot: Chart | None = None


@dataclass(frozen=True)
class Target:
    """What the project set out to reach, and what was measured.

    Attributes
    ----------
    what : str
    measured, limit : float
    at_least : bool
        True where more is better.
    """

    what: str
    measured: float
    limit: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class Section:
    """The outcome of one benchmark.

    Attributes
    ----------
    name : str
        The sub-command.
    title : str
    settings : dict
        Everything that the figures depend on beside the machine: threads, runs, lengths, models.
    tables : list of Figures
    targets : list of Target
    notes : list of str
        How to read the tables.
    """

    name: str
    title: str
    settings: dict[str, Any]
    tables: list[Figures]
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain objects that `json` accepts."""
        data = asdict(self)
        for target, entry in zip(self.targets, data["targets"], strict=True):
            entry["met"] = target.met
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Section":
        """What `to_dict` gave."""
        return cls(
            name=data["name"],
            title=data["title"],
            settings=data["settings"],
            tables=[
                Figures(
                    table["title"],
                    tuple(Column(**column) for column in table["columns"]),
                    [{key: _value(value) for key, value in row.items()} for row in table["rows"]],
                    Chart(**table["plot"]) if table["plot"] else None,
                )
                for table in data["tables"]
            ],
            targets=[Target(**{k: v for k, v in target.items() if k != "met"}) for target in data["targets"]],
            notes=data["notes"],
        )


def _value(value: Any) -> Value:
    return Spread(**value) if isinstance(value, dict) else value


def shown(value: Value, unit: str = "") -> str:
    """A value for people: three digits and its unit.

    Where it was measured repeatedly: the median ± half the distance of the quartiles, in per cent of it.
    """
    factor, suffix = UNITS[unit]
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, Spread):
        around = (value.high - value.low) / (2 * value.median) if value.median else 0.0
        return f"{_digits(value.median * factor)}{suffix} ± {around:.0%}"
    return f"{_digits(value * factor)}{suffix}"


def _digits(number: float) -> str:
    """Three significant digits, without an exponent."""
    if isinstance(number, int) or abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.3g}" if abs(number) >= 0.001 or number == 0 else f"{number:.1e}"


def settings_line(section: Section) -> str:
    """The settings in one line."""
    return ", ".join(f"{key.replace('_', ' ')} {_setting(value)}" for key, value in section.settings.items())


def _setting(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def print_section(section: Section, console: "Console") -> None:
    """Rich tables, then the targets."""
    from rich import box
    from rich.table import Table as RichTable

    console.print(f"[bold]{section.title}[/bold]  ({settings_line(section)})")
    for table in section.tables:
        shown_table = RichTable(title=table.title, title_justify="left", box=box.SIMPLE)
        for column in table.columns:
            shown_table.add_column(column.heading, justify="left" if _is_text(table, column) else "right")
        for row in table.rows:
            shown_table.add_row(*(shown(row.get(column.key), column.unit) for column in table.columns))
        console.print(shown_table)
    for target in section.targets:
        mark = "[green]reached[/green]" if target.met else "[red]missed[/red]"
        console.print(f"{mark}: {target_line(target)}", highlight=False)
    for note in section.notes:
        console.print(f"[dim]{note}[/dim]", highlight=False)
    console.print()


def _is_text(table: Figures, column: Column) -> bool:
    return all(isinstance(row.get(column.key), str) for row in table.rows)


def target_line(target: Target) -> str:
    """A target and what was measured, in words."""
    sign = "≥" if target.at_least else "≤"
    return f"{target.what} {sign} {target.limit:g}, measured {_digits(target.measured)}"


def markdown(section: Section) -> str:
    """The section as Markdown."""
    lines = [
        f"## {section.title}",
        "",
        f"`python -m benchmarks {section.name}`; {settings_line(section)}.",
        "",
    ]
    for table in section.tables:
        lines += [f"**{table.title}**", ""]
        heads = [column.heading for column in table.columns]
        rows = [[shown(row.get(c.key), c.unit) for c in table.columns] for row in table.rows]
        numbers = [not _is_text(table, column) for column in table.columns]
        lines += [tables.table(heads, rows, right=numbers), ""]
    lines += [f"- {'Reached' if t.met else '**Missed**'}: {target_line(t)}" for t in section.targets]
    lines += [f"- {note}" for note in section.notes]
    return "\n".join(lines).rstrip() + "\n"


def draw(section: Section) -> "Figure | None":
    """A figure of the section's tables that have something to show, one panel each."""
    from matplotlib.figure import Figure

    tables = [table for table in section.tables if table.plot and table.rows]
    if not tables:
        return None
    figure = Figure(figsize=(8, 1 + 3.2 * len(tables)), layout="constrained")
    figure.suptitle(section.title, x=0.01, ha="left")
    panels = figure.subplots(len(tables), squeeze=False)[:, 0]
    for table, axes in zip(tables, panels, strict=True):
        _draw_table(table, axes)
    return figure


def _draw_table(table: Figures, axes: "Axes") -> None:
    plot = table.plot
    assert plot is not None
    columns = {column.key: column for column in table.columns}
    factor, suffix = UNITS[columns[plot.y].unit]
    groups: dict[Value, list[Row]] = {}
    for row in table.rows:
        if row.get(plot.y) is not None:
            groups.setdefault(row.get(plot.series) if plot.series else None, []).append(row)
    numeric = all(isinstance(row[plot.x], int | float) for rows in groups.values() for row in rows)
    names = list(dict.fromkeys(str(row[plot.x]) for rows in groups.values() for row in rows))
    for i, (name, rows) in enumerate(groups.items()):
        spreads = [row[plot.y] for row in rows]
        y = [factor * (s.median if isinstance(s, Spread) else float(s)) for s in spreads]  # type: ignore[arg-type]
        label = None if name is None else str(name)
        if numeric:
            x = [float(row[plot.x]) for row in rows]  # type: ignore[arg-type]
            axes.plot(x, y, "o-", label=label)
        else:
            height = 0.8 / len(groups)
            places = [names.index(str(row[plot.x])) + i * height for row in rows]
            axes.barh(places, y, height=height, label=label)
    label_y = columns[plot.y].heading + (f" ({suffix.strip()})" if suffix else "")
    if numeric:
        axes.set_xlabel(columns[plot.x].heading)
        axes.set_ylabel(label_y)
        axes.set_ylim(bottom=0)
    else:
        axes.set_yticks([i + 0.4 - 0.4 / len(groups) for i in range(len(names))], names)
        axes.invert_yaxis()
        axes.set_xlabel(label_y)
    axes.set_title(table.title, loc="left", fontsize=10)
    axes.grid(alpha=0.3)
    if plot.series:
        axes.legend()


def read_results(path: Path) -> dict[str, Any]:
    """A file of results.

    Raises
    ------
    WhichdanceError
        If it is not one.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        for section in data["sections"].values():
            Section.from_dict(section)
        data["machine"], data["date"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WhichdanceError(f"{path} cannot be read as benchmark results ({error})") from error
    return dict(data)


def save_results(
    folder: Path, sections: Sequence[Section], machine: Mapping[str, Any], slug: str, date: str
) -> Path:
    """Put sections into the machine's file of results, DATE-MACHINE.json; sections measured before stay.

    Parameters
    ----------
    folder : Path
    sections : sequence of Section
    machine : mapping
        From `benchmarks.machine.describe`.
    slug : str
        The machine's part of the file name; one file per machine is kept.
    date : str
        Today, as 2026-01-31.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted(folder.glob(f"????-??-??-{slug}.json"))
    kept = read_results(earlier[-1])["sections"] if earlier else {}
    stamp = {"date": date, "commit": machine.get("commit", "")}
    stamp |= {"versions": machine["versions"], "load_average": machine["load_average"]}
    fresh = {section.name: stamp | section.to_dict() for section in sections}
    data = {"date": date, "machine": dict(machine), "sections": kept | fresh}
    path = folder / f"{date}-{slug}.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for old in earlier:
        if old != path:
            old.unlink()
    return path
