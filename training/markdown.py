"""Tables in Markdown: of experiments, datasets, benchmarks and model cards."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[bool] = ()) -> str:
    """A table; pipes within cells are escaped.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence
        As many cells as the header has.
    right : sequence of bool, optional
        Per column: aligned to the right, as numbers are; the last value holds for the columns after it.
    """
    align = [*right, *[right[-1] if right else False] * (len(header) - len(right))]
    rule = ["---:" if to_the_right else "---" for to_the_right in align]
    lines = [_line(header), _line(rule)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under {len(header)} headings: {row!r}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
