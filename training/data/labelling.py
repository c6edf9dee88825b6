"""Labels from names of files or videos by regular expressions (thesis 3.5.2).

Every source, say a video channel, has its own expressions, since every one names its dances its own way.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from runtime.errors import WhichdanceError
from training.data.manifest import Recording, counts, label_fault
from training.keys import check_keys

# What the dances are called in most titles. "Viennese Waltz" must not match "Waltz" too.
PATTERNS: dict[str, str] = {
    "cha_cha_cha": r"\bcha[ _-]?cha",
    "jive": r"\bjive\b",
    "paso_doble": r"\bpaso[ _-]?doble|\bpaso\b",
    "quickstep": r"\bquick[ _-]?step",
    "rumba": r"\brh?umba\b",
    "samba": r"\bsamba\b",
    "slow_foxtrot": r"\bslow[ _-]?fox|\bfox[ _-]?trot",
    "slow_waltz": r"^(?!.*\b(viennese|vienna|wiener|vals)).*\bwalt?z",
    "tango": r"\btango\b",
    "viennese_waltz": r"\b(viennese|vienna|wiener)[ _-]?walt?z|\bvals\b",
}


@dataclass(frozen=True)
class Source:
    """Expressions for the files of one source.

    Attributes
    ----------
    name : str
    files : str
        Pattern of paths relative to the folder, as 'channel/*'.
    patterns : dict of str to compiled expression
        Per class label; searched in the file's name without its suffix, case ignored.
    """

    name: str
    files: str
    patterns: Mapping[str, re.Pattern[str]]


@dataclass(frozen=True)
class Labelling:
    """What became of the files.

    Attributes
    ----------
    labelled : list of Recording
    conflicting : list of (Path, tuple of str)
        Files whose name matches expressions of several dances, with the dances; left out.
    unmatched : list of Path
        Files whose name matches none, or that belong to no source; left out.
    unused : list of Source
        Sources that no file belongs to, perhaps misspelt.
    """

    labelled: list[Recording]
    conflicting: list[tuple[Path, tuple[str, ...]]]
    unmatched: list[Path]
    unused: list[Source] = field(default_factory=list)

    def report(self) -> str:
        """Counts, a line each."""
        lines = [f"{dance:15} {n:6}" for dance, n in counts(self.labelled).items()]
        lines += [
            f"{'labelled':15} {len(self.labelled):6}",
            f"{'conflicting':15} {len(self.conflicting):6}",
            f"{'no match':15} {len(self.unmatched):6}",
        ]
        return "\n".join(lines)


def default_source() -> Source:
    """All files, with `PATTERNS`."""
    return Source("", "*", _compiled(PATTERNS, "training.data.labelling.PATTERNS"))


def read_sources(path: str | Path) -> list[Source]:
    r"""Sources from a TOML file.

    A dance without an expression takes that of `PATTERNS`; an empty one matches nothing::

        [[source]]
        name = "my channel"
        files = "channel/*"
        patterns.slow_waltz = '\bEW\b'

    Raises
    ------
    WhichdanceError
        Naming the file and what is wrong.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WhichdanceError(f"{path} cannot be read ({error})") from error
    check_keys(content, ("source",), str(path))
    tables = content.get("source")
    if not (isinstance(tables, list) and tables and all(isinstance(t, dict) for t in tables)):
        raise WhichdanceError(f"{path}: there is no [[source]] in it, with two brackets on either side")
    return [_source(table, f"{path}, [[source]] number {i}") for i, table in enumerate(tables, 1)]


def _source(table: Mapping[str, object], where: str) -> Source:
    check_keys(table, ("name", "files", "patterns"), where)
    name, files, patterns = table.get("name"), table.get("files", "*"), table.get("patterns", {})
    if not (isinstance(name, str) and name):
        raise WhichdanceError(f"{where}: it needs a name, as name = 'my channel'")
    if not isinstance(files, str):
        raise WhichdanceError(f"{where}: files is {files!r}; write a pattern of paths, as 'channel/*'")
    if not isinstance(patterns, dict):
        raise WhichdanceError(f"{where}: patterns is {patterns!r}; write patterns.tango = '…'")
    return Source(name, files, _compiled(PATTERNS | patterns, where))


def _compiled(patterns: Mapping[str, str], where: str) -> dict[str, re.Pattern[str]]:
    compiled = {}
    for dance, pattern in patterns.items():
        if fault := label_fault(dance):
            raise WhichdanceError(f"{where}: {dance!r} is no dance; {fault}")
        if not isinstance(pattern, str):
            raise WhichdanceError(f"{where}: the expression for {dance} is {pattern!r}, no text in quotes")
        try:
            if pattern:
                compiled[dance] = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise WhichdanceError(f"{where}: the expression for {dance} is wrong ({error})") from error
    return compiled


def label(files: Iterable[Path], folder: Path, sources: Iterable[Source]) -> Labelling:
    """Label files by their names; the first source that a file belongs to decides.

    Parameters
    ----------
    files : iterable of Path
    folder : Path
        What `Source.files` is relative to.
    sources : iterable of Source
    """
    sources = list(sources)
    unused = list(sources)
    result = Labelling([], [], [])
    for file in files:
        relative = file.relative_to(folder).as_posix()
        source = next((s for s in sources if fnmatchcase(relative, s.files)), None)
        found = matches(file.stem, source) if source else ()
        if len(found) == 1 and source:
            result.labelled.append(Recording(file, found[0], source=source.name))
        elif found:
            result.conflicting.append((file, found))
        else:
            result.unmatched.append(file)
        if source in unused:
            unused.remove(source)
    result.unused.extend(unused)
    return result


def matches(name: str, source: Source) -> tuple[str, ...]:
    """The dances whose expression is found in a name; underscores count as blanks."""
    name = name.replace("_", " ")
    return tuple(dance for dance, pattern in source.patterns.items() if pattern.search(name))
