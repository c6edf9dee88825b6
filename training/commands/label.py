"""`label`: manifests from names of files, from folders, and from public data sets."""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import WhichdanceError
from training.commands.features import progress
from training.commands.given import given

if TYPE_CHECKING:
    from training.data.manifest import Recording


def add_parser(commands: Any) -> None:
    """Arguments of `label`."""
    command = commands.add_parser(
        "label",
        help="make a manifest: from file names, folders per dance, or a public data set",
        description="Writes a manifest of labelled recordings and reports what was left out and why.",
    )
    command.add_argument(
        "how",
        choices=("names", "folders", "extended-ballroom", "ballroom"),
        help="names: regular expressions over file names; folders: one folder per dance; "
        "extended-ballroom: its folder; ballroom: ISMIR04 data fetched by mirdata",
    )
    command.add_argument(
        "folder", type=Path, nargs="?", help="where the recordings are (ballroom: mirdata's place)"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="MANIFEST")
    command.add_argument("--rules", type=Path, help="TOML file of expressions per source, for `names`")
    command.add_argument(
        "--alias",
        type=Path,
        metavar="FILE",
        help='TOML file of further folder names, for `folders`: "Wiener Walzer" = "viennese_waltz"',
    )
    add_splits(command)
    command.set_defaults(func=_run)


def add_splits(command: argparse.ArgumentParser) -> None:
    """The arguments --validation, --test, --seed and --group."""
    group = command.add_argument_group("splits")
    for split in ("validation", "test"):
        group.add_argument(
            f"--{split}",
            type=float,
            default=0,
            metavar="N",
            help="to set apart: recordings per dance (6), or a share (0.1)",
        )
    group.add_argument("--seed", type=int, default=0, help="of the choice of those")
    group.add_argument(
        "--group",
        metavar="KIND",
        help="what stays in one split: album, artist or song (by column or tag), folder, file, or a column",
    )


@dataclass(frozen=True)
class Splitting:
    """What `add_splits` takes."""

    validation: float = 0
    test: float = 0
    seed: int = 0
    group: str | None = None


def with_splits(
    splitting: Splitting, recordings: "list[Recording]", replaced: Path, *, stratified: bool = False
) -> "list[Recording]":
    """Groups and splits as the arguments say; what stands in the manifest that is replaced keeps its split.

    Raises
    ------
    WhichdanceError
        If they would leave nothing to train on.
    """
    from training.data.manifest import read_manifest
    from training.data.splits import assign_splits, group_by, splits_of

    if splitting.group:
        with progress("tags"):
            recordings = group_by(recordings, splitting.group)
    if not (splitting.validation or splitting.test):
        return recordings
    kept = splits_of(read_manifest(replaced)) if replaced.exists() else {}
    if kept:
        print(f"{replaced} is there: what it has keeps its split")
    result = assign_splits(
        recordings,
        validation=splitting.validation,
        test=splitting.test,
        seed=splitting.seed,
        kept=kept,
        stratified=stratified,
    )
    every = Counter(r.dance for r in result)
    bare = sorted(every.keys() - {r.dance for r in result if r.split == "train"})
    if len(bare) == len(every):
        numbers = ", ".join(f"{dance}: {n}" for dance, n in every.items())
        raise WhichdanceError(
            f"--validation {splitting.validation:g} and --test {splitting.test:g} would leave nothing to "
            f"train on of any dance ({numbers}); nothing is written. Shares, as --validation 0.1 --test 0.1, "
            "are taken of each dance"
        )
    for dance in bare:
        print(f"{dance}: no recordings left to train on, of {every[dance]}", file=sys.stderr)
    for split, wanted in (("validation", splitting.validation), ("test", splitting.test)):
        found = {r.dance for r in result if r.split == split}
        if wanted and (
            none := [f"{dance}, of {n}" for dance, n in sorted(every.items()) if dance not in found]
        ):
            print(f"no recordings for {split}: {'; '.join(none)}", file=sys.stderr)
    return result


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError
    from training.data import imports
    from training.data.manifest import counts, write_manifest

    recordings: list[Recording]
    if args.how == "ballroom":
        recordings = imports.ballroom(args.folder)
    elif args.folder is None:
        raise ParameterError(f"`label {args.how}` needs the folder of the recordings")
    elif args.how == "folders":
        aliases = imports.read_aliases(args.alias) if args.alias else {}
        recordings, unknown = imports.folder_per_class(args.folder, aliases)
        for name, label in unknown.items():
            what = f"a class of its own, {label}" if label else "left out, since no label can be made of it"
            print(f"{name} is named after no dance that we know: {what}; --alias FILE can tell which it is")
    elif args.how == "extended-ballroom":
        recordings, differences = imports.extended_ballroom(args.folder)
        for line in differences:
            print(line)
    else:
        recordings = _by_names(args.folder, args.rules)
    if not recordings:
        raise WhichdanceError(f"{args.folder}: no recording got a label; nothing is written")
    recordings = with_splits(given(Splitting, vars(args)), recordings, args.output, stratified=True)
    write_manifest(args.output, recordings)
    if args.how != "names":
        for dance, n in counts(recordings).items():
            print(f"{dance:15} {n:6}")
    print(f"{len(recordings)} recordings in {args.output}")
    return 0


def _by_names(folder: Path, rules: Path | None) -> "list[Recording]":
    from training.data import imports, labelling

    sources = labelling.read_sources(rules) if rules else [labelling.default_source()]
    result = labelling.label(imports.audio_files(folder), folder, sources)
    for path, dances in result.conflicting:
        print(f"conflicting: {path.name} ({', '.join(dances)})")
    for path in result.unmatched:
        print(f"no match: {path.name}")
    for source in result.unused:
        print(f"source {source.name!r} has no file: nothing below {folder} is {source.files!r}")
    print(result.report())
    return result.labelled
