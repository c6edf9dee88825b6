"""Recipes: several commands of this repository, one after the other, written as one would type them."""

import shlex
import subprocess
import sys
from collections.abc import Mapping


def commands(text: str, phrases: Mapping[str, str] | None = None, **values: object) -> list[list[str]]:
    """The words of each command of a text.

    Parameters
    ----------
    text : str
        A command per line, 'MODULE WORD …' for `python -m MODULE WORD …`, quoted as in a shell; indented
        lines go on with the one before.
    phrases : mapping of str to str
        Words that several commands share, for names in braces; may themselves hold names of values.
    **values
        For the other names in braces. A value stays within its word, whatever spaces or quotes it holds.

    >>> commands('''
    ... training corpus {folder}/music
    ...     --hours 1
    ... ''', folder="my songs")
    [['training', 'corpus', 'my songs/music', '--hours', '1']]
    """
    for name, words in (phrases or {}).items():
        text = text.replace(f"{{{name}}}", words)
    lines = text.strip().replace("\n    ", " ").splitlines()
    return [[word.format(**values) for word in shlex.split(line)] for line in lines]


def follow(text: str, phrases: Mapping[str, str] | None = None, **values: object) -> None:
    """Run the commands of a text, see `commands`; the first that fails ends it, with its exit status."""
    for words in commands(text, phrases, **values):
        print(f"\n$ {shlex.join(['python', '-m', *words])}", flush=True)
        status = subprocess.run([sys.executable, "-m", *words]).returncode
        if status:
            sys.exit(status)
