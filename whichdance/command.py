"""What the installed script `whichdance` calls."""

import sys

INTERRUPTED = 130  # as `runtime.command.exits.Exit`, which cannot be imported before numpy is


def main() -> int:
    """Run the command; Ctrl-C while its libraries are still loading ends it like any other."""
    try:
        from runtime.command.cli import main as command

        return command()
    except KeyboardInterrupt:
        pass
    except ImportError as error:  # numpy turns an interrupt while it loads into this
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
    print("whichdance: interrupted", file=sys.stderr)
    return INTERRUPTED
