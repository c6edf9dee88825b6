"""The entry point: `whichdance-app` on a desktop, and what the phone starts."""

import argparse
import logging
import os
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="whichdance-app",
        description="Which ballroom dance is this music for? Hold it up, see the dance.",
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
    android = "ANDROID_ARGUMENT" in os.environ
    options = parser().parse_args([] if android else arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if options.source and not Path(options.source).is_file():
        print(f"whichdance-app: {options.source}: no such file", file=sys.stderr)
        return 2
    os.environ["KIVY_NO_ARGS"] = "1"  # the command line is ours, not Kivy's

    from mobile_app.ui.start import start

    return start(options.source, options.data)


if __name__ == "__main__":
    sys.exit(main())
