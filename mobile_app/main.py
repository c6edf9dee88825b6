"""The entry point: `whichdance-app` on a desktop, and what the phone starts."""

import argparse
import logging
import os
import sys
from pathlib import Path

from runtime.errors import AudioError


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="whichdance-app",
        description="Which dance is this music for? Hold it up, see the dance.",
    )
    parser.add_argument("--source", metavar="FILE", help="play a recording as if it were the microphone")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        help="where history and settings are kept (default: the user's data folder)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Start the app; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if "ANDROID_ARGUMENT" in os.environ:
        return _start(None, None)

    from runtime.command.exits import run  # which phones do not carry

    command = parser()
    command.set_defaults(func=_run)
    return run(command, arguments)


def _run(options: argparse.Namespace) -> int:
    if options.source and not Path(options.source).is_file():
        raise AudioError(f"{options.source}: no such file")
    return _start(options.source, options.data)


def _start(source: str | None, data: Path | None) -> int:
    os.environ["KIVY_NO_ARGS"] = "1"  # the command line is ours, not Kivy's

    from mobile_app.ui.start import start

    return start(source, data)


if __name__ == "__main__":
    sys.exit(main())
