"""`manifest`: join manifests, say what is in one, assign its splits, write its card."""

import argparse
import sys
from pathlib import Path
from typing import Any

from training.commands.features import progress
from training.commands.given import given
from training.commands.label import Splitting, add_splits, with_splits


def add_parser(commands: Any) -> None:
    """Arguments of `manifest`."""
    command = commands.add_parser("manifest", help="join manifests, look into them, assign splits")
    kinds = command.add_subparsers(title="what to do", metavar="WHAT", required=True)

    merge = kinds.add_parser(
        "merge",
        help="write the rows of manifests into one, wherever it lies",
        description="Paths are rewritten for the new place, so this is also how a manifest moves. A recording"
        " that is in several is taken once; where they disagree on its dance or split nothing is written.",
    )
    merge.add_argument("manifests", nargs="+", metavar="MANIFEST[@SPLIT]")
    merge.add_argument("-o", "--output", type=Path, required=True, metavar="MANIFEST")
    merge.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="where the manifests lay when their relative paths were right, if they were moved alone",
    )
    merge.set_defaults(func=_merge)

    info = kinds.add_parser(
        "info",
        help="recordings, hours, groups and sources by dance and split; what is missing; status 1 if any is",
    )
    info.add_argument("manifest", type=Path)
    info.set_defaults(func=_info)

    split = kinds.add_parser("split", help="assign splits, or write the folds of a cross-validation")
    split.add_argument("manifest", type=Path)
    split.add_argument("-o", "--output", type=Path, required=True, metavar="MANIFEST")
    split.add_argument(
        "--folds", type=int, metavar="K", help="write K manifests beside the output: MANIFEST-fold1.csv…"
    )
    add_splits(split)
    split.set_defaults(func=_split)

    card = kinds.add_parser(
        "card",
        help="a dataset card in Markdown, as Hugging Face reads it, and FILE.croissant.json beside it: what "
        "is in a manifest, for a repository",
    )
    card.add_argument("manifest", type=Path)
    card.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.md")
    card.add_argument("--name", help="of the data set (default: the manifest's)")
    card.add_argument("--licence", required=True, help="of the recordings, or why they cannot be shared")
    card.add_argument("--description", default="", help="where they come from and how they were labelled")
    card.set_defaults(func=_card)


def _merge(args: argparse.Namespace) -> int:
    from training.data.manifest import write_manifest
    from training.data.summary import merged

    recordings = merged(args.manifests, root=args.root)
    write_manifest(args.output, recordings)
    print(f"{len(recordings)} recordings in {args.output}")
    return 0


def _info(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from training.data.manifest import read_manifest
    from training.data.summary import summarise

    recordings = read_manifest(args.manifest)
    with progress("recordings"):
        summary = summarise(recordings)
    table = Table(*summary.heads, title=str(args.manifest))
    for row in summary.rows:
        table.add_row(*row)
    Console().print(table)
    for line in summary.remarks:
        print(line)
    for line in summary.faults:
        print(line, file=sys.stderr)
    return 1 if summary.faults else 0


def _split(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError
    from training.data.manifest import read_manifest, write_manifest
    from training.data.splits import folds, group_by

    recordings = read_manifest(args.manifest)
    if not args.folds:
        if not (args.validation or args.test):
            raise ParameterError("say how much to set apart by --validation and --test, or give --folds K")
        recordings = with_splits(given(Splitting, vars(args)), recordings, args.output)
        write_manifest(args.output, recordings)
        print(f"{len(recordings)} recordings in {args.output}")
        return 0
    if args.group:
        with progress("tags"):
            recordings = group_by(recordings, args.group)
    for number, fold in enumerate(folds(recordings, args.folds, args.seed), 1):
        path = args.output.with_stem(f"{args.output.stem}-fold{number}")
        write_manifest(path, fold)
        tested = sum(r.split == "test" for r in fold)
        print(f"{path}: {tested} of {len(fold)} recordings to test")
    return 0


def _card(args: argparse.Namespace) -> int:
    from runtime.atomic import replacing
    from training.data.croissant import metadata
    from training.data.manifest import read_manifest
    from training.data.summary import card
    from training.synthesis.credits import credits_of

    recordings, name = read_manifest(args.manifest), args.name or args.manifest.stem
    rights = {
        "licence": args.licence,
        "description": args.description,
        "attributions": credits_of(recordings),
    }
    with progress("recordings"):
        texts = {
            args.output: card(name, recordings, **rights),
            args.output.with_suffix(".croissant.json"): metadata(
                name, args.manifest, folder=args.output.parent, **rights
            ),
        }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    return 0
