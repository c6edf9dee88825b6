"""What the installed script `whichdance` calls."""

import _thread
import sys

INTERRUPTED = 130  # as `runtime.command.exits.Exit`, which cannot be imported before numpy is


def main() -> int:
    """Run the command; Ctrl-C while its libraries are still loading ends it like any other."""
    try:
        sys.unraisablehook = _again
        from runtime.command.cli import main as command

        return command()
    except KeyboardInterrupt:
        pass
    except ImportError as error:  # numpy turns an interrupt while it loads into this
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
    print("whichdance: interrupted", file=sys.stderr)
    return INTERRUPTED


def _again(ignored: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C once more: Python drops it where it comes while something is cleaned up after an import."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        _thread.start_new_thread(_thread.interrupt_main, ())  # once this function is left
    else:
        sys.__unraisablehook__(ignored)
