"""`label`: manifests from names of files, from folders, and from public data sets."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        "--validation", type=int, default=0, metavar="N", help="recordings per dance to set apart"
    )
    command.add_argument("--test", type=int, default=0, metavar="N", help="recordings per dance to set apart")
    command.add_argument("--seed", type=int, default=0, help="of the choice of those")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError
    from training.data import imports
    from training.data.manifest import assign_splits, counts, write_manifest

    recordings: list[Recording]
    if args.how == "ballroom":
        recordings = imports.ballroom(args.folder)
    elif args.folder is None:
        raise ParameterError(f"`label {args.how}` needs the folder of the recordings")
    elif args.how == "folders":
        recordings, unknown = imports.folder_per_class(args.folder)
        for name in unknown:
            print(f"left out: {name} is named after no dance")
    elif args.how == "extended-ballroom":
        recordings, differences = imports.extended_ballroom(args.folder)
        for line in differences:
            print(line)
    else:
        recordings = _by_names(args)
    if args.validation or args.test:
        recordings = assign_splits(recordings, validation=args.validation, test=args.test, seed=args.seed)
    write_manifest(args.output, recordings)
    if args.how != "names":
        for dance, n in counts(recordings).items():
            print(f"{dance:15} {n:6}")
    print(f"{len(recordings)} recordings in {args.output}")
    return 0


def _by_names(args: argparse.Namespace) -> "list[Recording]":
    from training.data import imports, labelling

    sources = labelling.read_sources(args.rules) if args.rules else [labelling.default_source()]
    result = labelling.label(imports.audio_files(args.folder), args.folder, sources)
    for path, dances in result.conflicting:
        print(f"conflicting: {path.name} ({', '.join(dances)})")
    for path in result.unmatched:
        print(f"no match: {path.name}")
    print(result.report())
    return result.labelled
