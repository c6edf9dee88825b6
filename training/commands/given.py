"""From parsed arguments to the dataclasses that are handed down; below the commands nobody knows argparse."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

Group = TypeVar("Group")


def given(group: type[Group], arguments: Mapping[str, object], **more: object) -> Group:
    """The fields of a dataclass of `training.settings` that stand among arguments; its defaults for the rest.

    Parameters
    ----------
    group : type
        A dataclass; an argument of the name of a field is that field, None is none.
    arguments : mapping
        As `vars` gives them.
    **more
        Win over the arguments.
    """
    names = {field.name for field in fields(group)}  # type: ignore[arg-type]
    found = {name: value for name, value in arguments.items() if name in names and value is not None}
    return group(**{**found, **more})
