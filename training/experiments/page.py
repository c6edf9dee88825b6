"""A page of all tables and figures in a folder, and of what they say beside the thesis."""

from pathlib import Path

from runtime.atomic import replacing
from training.experiments.findings import findings

NAME = "page.md"


def write_page(folder: Path, before: str = "") -> Path:
    """Write `page.md` of what experiments have left in a folder.

    Parameters
    ----------
    folder : Path
    before : str
        Markdown on the data and the method, above the tables.
    """
    from training.experiments import EXPERIMENTS

    parts = ["# The thesis's tables and figures, made again", before]
    if text := findings(folder):
        parts += [
            "## What helps, what hurts",
            text,
            "Differences are of top-1 accuracies, with 95 % intervals as if of different recordings "
            "(Newcombe 1998): too wide where both are of the same. *Not told*: it may be either way.",
        ]
    for name in EXPERIMENTS:
        try:
            table = (folder / f"{name}.md").read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        parts.append(f"#{table.strip()}")
        parts += [f"![{f.stem}]({f.name})" for f in _figures(folder, name)]
    path = folder / NAME
    with replacing(path) as temporary:
        temporary.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    return path


FIGURES = {"table4.4": "figure4.4", "table4.5": "figure4.5", "table4.8": "figure4.6"}


def _figures(folder: Path, name: str) -> list[Path]:
    """The figures that an experiment has left."""
    path = folder / f"{FIGURES.get(name, name)}.png"
    return [path] if path.exists() else []
