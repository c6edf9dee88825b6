"""`download`: recordings from a list of links."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Arguments of `download`."""
    command = commands.add_parser(
        "download",
        help="fetch recordings from a list of links by yt-dlp and ffmpeg",
        description="Skips what is there and tries again what failed, so the same command resumes. Only "
        "download what its licence and your law allow.",
    )
    command.add_argument(
        "links",
        type=Path,
        help="CSV file: url (also of a channel, playlist or feed), and where known dance, split, source",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--format", default="flac", choices=("flac", "wav"))
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from training.data import download
    from training.data.manifest import write_manifest

    links = download.read_links(args.links)
    with Progress() as bar:
        task = bar.add_task("download", total=len(links))

        def progress(done: int, total: int, link: download.Link) -> None:
            bar.update(task, completed=done, total=total)
            if link.error:
                bar.console.print(f"failed: {link.url}: {link.error}", highlight=False, markup=False)

        finished = download.download(
            links,
            args.output,
            audio_format=args.format,
            fetch=download.fetch,
            items=download.items,
            progress=progress,
        )
    failed = sum(bool(link.error) for link in finished)
    labelled = download.recordings(finished, args.output)
    print(f"{len(finished) - failed} of {len(finished)} links are in {args.output}; see {download.LOG} there")
    if labelled:
        write_manifest(args.output / "manifest.csv", labelled)
        print(f"{len(labelled)} labelled recordings in {args.output / 'manifest.csv'}")
    if len(labelled) < len(finished) - failed:
        print(f"label the others by their names: python -m training label names {args.output / 'unlabelled'}")
    if failed:
        print(f"{failed} failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0
