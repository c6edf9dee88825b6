"""A benchmark by two commits of this repository in the same run: in turn, so that a busy machine is fair.

Each commit measures itself by its own code, in a process of its own. So a benchmark that the other commit
does not have cannot be compared, nor one whose table was another.
"""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Column, Figures, Row, Section, Value, shown
from benchmarks.revision import ROOT, checkout, environment
from benchmarks.timing import Spread
from runtime.errors import WhichdanceError

ROUNDS = 6  # with fewer the whole range is no 95 % interval of a median
PACKAGES = Path("web_app") / "node_modules"  # npm's, of which git has none


def compare(name: str, words: Sequence[str], *, against: str, rounds: int = ROUNDS) -> Section:
    """Run a benchmark by this checkout and by another commit, `rounds` times each, in turn.

    Parameters
    ----------
    name : str
        Of the benchmark.
    words : sequence of str
        Its options.
    against : str
        The other commit.
    rounds : int
        At least 1.

    Returns
    -------
    Section
        For each figure its medians, and the median ratio of the pairs with `interval_of_median`.
    """
    found: dict[Path, list[Section]] = {ROOT: []}
    with checkout(against) as other:
        found[other] = []
        if (ROOT / PACKAGES).is_dir():
            (other / PACKAGES).symlink_to(ROOT / PACKAGES)
        for _ in range(rounds):
            for tree, sections in found.items():
                sections.append(_measured(tree, name, words))
        now, before = found.values()
    columns = (
        Column("what", "of"),
        Column("figure", "figure"),
        Column("now", "now"),
        Column("before", f"at {against}"),
        Column("ratio", "ratio", "×"),
        Column("interval", "95 %"),
    )
    return Section(
        name=f"{name} --against {against}",
        title=f"{now[0].title}: this commit against {against}",
        settings={**now[0].settings, "rounds": rounds},
        tables=[Figures(t.title, columns, _compared(i, now, before)) for i, t in enumerate(now[0].tables)],
        notes=[
            "Medians of the rounds, in which both commits take turns; the ratio is the median of those "
            "within each round, with an interval that assumes no distribution"
            + (f" (of {ROUNDS} rounds or more; of fewer, the range)." if rounds < ROUNDS else "."),
        ],
    )


def _compared(number: int, now: Sequence[Section], before: Sequence[Section]) -> list[Row]:
    """The figures of one table, those of which both have the row."""
    table = now[0].tables[number]
    rows: list[Row] = []
    for i, row in enumerate(table.rows):
        settings = [c for c in table.columns if _is_setting(c, i, number, now)]
        label = ", ".join(_named(c, row[c.key]) for c in settings) or table.title
        for column in table.columns:
            if column in settings or row.get(column.key) is None:
                continue
            ours = [_number(s.tables[number].rows[i].get(column.key)) for s in now]
            theirs = [_number(_row_like(s, number, row, settings).get(column.key)) for s in before]
            if not all(map(math.isfinite, [*ours, *theirs])) or 0 in theirs:
                continue
            ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
            low, high = interval_of_median(ratios)
            rows.append(
                {
                    "what": label,
                    "figure": column.heading,
                    "now": shown(float(np.median(ours)), column.unit),
                    "before": shown(float(np.median(theirs)), column.unit),
                    "ratio": float(np.median(ratios)),
                    "interval": f"{low:.3g} to {high:.3g}",
                }
            )
    return rows


def interval_of_median(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median of whatever the values were drawn from: a pair of them, by rank.

    It is the narrowest that does so with the confidence (by the binomial distribution, as in a sign test), or
    the range of fewer than six values, which says less.
    """
    ordered, n = sorted(values), len(values)
    outside, k = 2 * 0.5**n, 0
    while k + 1 < (n + 1) // 2:
        further = outside + 2 * math.comb(n, k + 1) * 0.5**n
        if further > 1 - confidence:
            break
        outside, k = further, k + 1
    return ordered[k], ordered[n - 1 - k]


def _is_setting(column: Column, row: int, table: int, sections: Sequence[Section]) -> bool:
    """Whether a column says what was measured rather than how it came out: words, and numbers that stay."""
    values = [s.tables[table].rows[row].get(column.key) for s in sections]
    if isinstance(values[0], str):
        return True
    return not column.unit and not isinstance(values[0], Spread) and len(set(values)) == 1


def _named(column: Column, value: Value) -> str:
    return value if isinstance(value, str) else f"{column.heading} {shown(value)}"


def _number(value: Value) -> float:
    if isinstance(value, Spread):
        return value.median
    return float(value) if isinstance(value, int | float) else math.nan


def _row_like(section: Section, number: int, row: Row, settings: Sequence[Column]) -> Row:
    """The row of the same words and settings; nothing of a table that is another there."""
    rows = section.tables[number].rows if number < len(section.tables) else []
    return next((r for r in rows if all(r.get(c.key) == row.get(c.key) for c in settings)), {})


def _measured(tree: Path, name: str, words: Sequence[str]) -> Section:
    command = [sys.executable, "-m", "benchmarks", name, *words, "--json"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        where = "this commit" if tree == ROOT else "the other commit"
        raise WhichdanceError(f"--against: `benchmarks {name}` of {where} says: {said}")
    found: dict[str, Any] = json.loads(done.stdout)["sections"][name]
    return Section.from_dict(found)
