"""Tables as a Markdown parser reads them."""

import pytest
from markdown_it import MarkdownIt

from training.markdown import table


def read(text: str) -> list[list[tuple[str, str | None]]]:
    """Cells and their alignment, by a parser of CommonMark with GitHub's tables."""
    rows: list[list[tuple[str, str | None]]] = []
    style = None
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            style = token.attrGet("style")
        elif token.type == "inline":
            rows[-1].append((token.content, None if style is None else str(style)))
    return rows


def test_header_rows_and_alignment() -> None:
    found = read(table(("", "n", "share"), [("ours", 3, "5 %"), ("theirs", 40, "")], right=(False, True)))
    right = "text-align:right"
    assert found == [
        [("", None), ("n", right), ("share", right)],
        [("ours", None), ("3", right), ("5 %", right)],
        [("theirs", None), ("40", right), ("", right)],
    ]


def test_pipes_are_text() -> None:
    assert read(table(("a|b", "c"), [("`x|y`", "none | at all")])) == [
        [("a|b", None), ("c", None)],
        [("`x|y`", None), ("none | at all", None)],
    ]


def test_a_row_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="3 cells under 2"):
        table(("a", "b"), [(1, 2, 3)])
