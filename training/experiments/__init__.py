"""The comparisons of the thesis, each end to end on any manifest: a module per table or figure.

A module has `TITLE`, and `run(setup)`, which trains what it needs, evaluates, and writes the table in the
thesis's layout beside the thesis's own numbers. Those numbers stand in the module as data.
"""

from types import ModuleType

from training.experiments import (
    figure4_7,
    figure4_9,
    section5,
    table4_4,
    table4_5,
    table4_6,
    table4_7,
    table4_8,
    table4_9,
)

EXPERIMENTS: dict[str, ModuleType] = {
    "table4.4": table4_4,
    "table4.5": table4_5,
    "table4.6": table4_6,
    "table4.7": table4_7,
    "table4.8": table4_8,
    "table4.9": table4_9,
    "figure4.7": figure4_7,
    "figure4.9": figure4_9,
    "section5": section5,
}
