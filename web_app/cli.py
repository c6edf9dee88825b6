"""The command line: build the page, or serve it on this machine."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runtime.command import exits
from web_app import build, serve


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return exits.run(parser(), argv)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m web_app",
        description="whichdance as a web page: static files that work offline.",
        epilog="Example: python -m web_app build dist && rsync -r dist/ host:/var/www/dance/",
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("build", help="write the page into a folder, for any static host")
    one.add_argument("folder", type=Path, metavar="DIST", help="created, or replaced if it is a build")
    _add_model(one)
    one.set_defaults(func=_build)
    two = commands.add_parser("serve", help=f"build the page and serve it on {serve.HOST}")
    two.add_argument(
        "--port",
        type=exits.whole(0, 65_535),
        default=serve.DEFAULT_PORT,
        help="0 takes a free one (%(default)s)",
    )
    _add_model(two)
    two.set_defaults(func=_serve)
    return result


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        help="name of a shipped model, or an .onnx file (default: the shipped one, in int8 "
        "where its answers agree); float doubles the download",
    )


def _build(args: argparse.Namespace) -> int:
    built = build.build(args.folder, model=args.model)
    megabytes = built.download / 1e6
    print(
        f"{built.folder}: {len(built.sizes)} files, {megabytes:.1f} MB to download and "
        f"{built.background / 1e6:.1f} MB later, version {built.version}"
    )
    return 0


def _serve(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        built = build.build(Path(temporary) / "page", model=args.model)
        with serve.Server(built.folder, args.port) as server:
            print(f"open {server.url} in a browser; Ctrl-C ends", flush=True)
            server.serve_forever()
    return 0
