"""How every command of the repository ends: its exit status, its one line of error, and checked numbers.

A command is a parser whose result has a `func`, as argparse's own documentation does it for sub-commands:
`parser.set_defaults(func=...)`, a function of the parsed arguments. `run` calls it.
"""

import _thread
import argparse
import codecs
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from types import FrameType
from typing import NoReturn
from unicodedata import category

from runtime.atomic import STORAGE_ERRORS
from runtime.errors import ParameterError, WhichdanceError

OURS = ("runtime", "whichdance", "training", "export", "benchmarks")
NAMES = "whichdance-names"  # how text is written where the stream has not all characters: `_escaped`
JOINERS = "\u200c\u200d"  # which words of Persian and Indian languages, and some emoji, are spelt with


class Exit(IntEnum):
    """Exit statuses; from 128 on as shells count them, 128 and the number of the signal."""

    OK = 0
    FAILED = 1  # data, or something else outside the command line; the reason stands on standard error
    USAGE = 2  # the command line is wrong, as argparse has it
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Parse the command line, carry it out, and give the exit status.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Its arguments have a default `func`, a function of the arguments that returns an exit status;
        None is 0.
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        An `Exit`. Errors that a user can mend have been said in one line on standard error.

    Raises
    ------
    SystemExit
        By argparse, for a command line that it cannot parse (2) and after --help (0).
    """
    _open_closed_streams()
    args = parser.parse_args(argv)
    try:
        with _terminated_cleanly():
            status = int(args.func(args) or Exit.OK)
            sys.stdout.flush()  # what cannot be written is to be said here, not at the interpreter's end
            return status
    except WhichdanceError as error:
        say(parser.prog, error)
        return Exit.USAGE if isinstance(error, ParameterError) else Exit.FAILED
    except KeyboardInterrupt:
        say(parser.prog, "interrupted")
        return Exit.INTERRUPTED
    except ImportError as error:  # a library written in C may turn a signal while it loads into this
        if isinstance(error.__cause__, KeyboardInterrupt):
            say(parser.prog, "interrupted")
            return Exit.INTERRUPTED
        if isinstance(error.__cause__, SystemExit):
            return Exit.TERMINATED
        raise
    except BrokenPipeError:  # whoever read our output (head, less) has seen enough
        _discard_output()
        return Exit.BROKEN_PIPE
    except OSError as error:
        _discard_output()
        if (
            error.filename is None and error.errno in STORAGE_ERRORS
        ):  # files are named; this is standard output
            say(parser.prog, f"the results cannot be written ({error.strerror})")
        else:
            say(parser.prog, f"cannot go on: {error}")
        return Exit.FAILED


@contextmanager
def needing(program: str, *, extra: str) -> Iterator[None]:
    """Where a library is missing that a plain installation lacks, say which extra brings it, and end.

    Parameters
    ----------
    program : str
        As it is typed.
    extra : str
        Of this package, as in `pip install 'whichdance[training]'`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if not library or library in OURS:
            raise  # a mistake of ours, not of the installation
        say(program, f"needs {library}, which a plain installation lacks: pip install 'whichdance[{extra}]'")
        sys.exit(Exit.FAILED)


def say(program: str, message: object) -> None:
    """One line on standard error, which is everything's place but the results'."""
    print(f"{program}: {printable(str(message))}", file=sys.stderr)


def printable(text: str) -> str:
    r"""Text that a terminal shows and does not obey.

    Names of files may hold control characters, which move the cursor or end a line, and marks that turn
    the direction of writing, so that 'gpj.exe' reads 'exe.jpg': each becomes its escape, as \x1b or \u202e.
    Bytes of names that are not UTF-8 stay, for the stream to write as they are.
    """
    return "".join(
        char.encode("unicode_escape").decode()
        if category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in JOINERS
        else char
        for char in text
    )


def utf8_name(path: str) -> str:
    """A file's name for a document that is UTF-8 always: by its bytes, whatever the locale takes them for."""
    return path if os.name == "nt" else os.fsencode(path).decode("utf-8", "surrogateescape")


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of names as they are, which a terminal may well show; any other character as its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return char.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error(NAMES, _escaped)


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """An argument's `type`: a whole number from `minimum` to `maximum`."""
    span = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum or (maximum is not None and number > maximum):
            raise argparse.ArgumentTypeError(f"must be a whole number, {span}, got {text!r}")
        return number

    return convert


def fraction(text: str) -> float:
    """An argument's `type`: a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return number


def moment(text: str) -> float:
    """An argument's `type`: a time in a recording, s, written as seconds, m:ss or h:mm:ss."""
    seconds = 0.0
    try:
        for part in text.split(":"):
            seconds = 60 * seconds + float(part)
            if not 0 <= seconds < float("inf") or part.strip() != part or part.startswith(("+", "-")):
                raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time as 1:30 or 90, got {text!r}") from None
    return seconds


def _open_closed_streams() -> None:
    """Where a stream was closed (`>&-`) Python has None, and the next file opened would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # for as long as the process


def keep_streams_to_ourselves() -> None:
    """Let nobody but Python write to standard output and standard error, from here on.

    Decoders in C write to file descriptors 1 and 2 what they think of a file: into JSON, without the file's
    name, across a progress bar. Those descriptors go nowhere; ours are copies.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):  # closed, or replaced by a test
            continue
        stream.flush()
        buffering = 1 if name == "stderr" else -1
        copy = open(os.dup(number), "w", buffering, stream.encoding, NAMES)  # noqa: SIM115
        setattr(sys, name, copy)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), number)


def _discard_output() -> None:
    """What is still buffered must not fail once more at exit."""
    with suppress(OSError), open(os.devnull, "w") as nowhere:  # a stream of a test has no number
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextmanager
def _terminated_cleanly() -> Iterator[None]:
    """Let SIGTERM, and a terminal that is closed, unwind the stack like Ctrl-C.

    Temporary files go, the cursor comes back. Who ignores a signal (nohup) goes on to do so.
    """

    def unwind(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    def again(ignored: "sys.UnraisableHookArgs") -> None:
        """A signal that came while a finaliser ran, where Python drops exceptions, comes once more."""
        number = 0
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            number = signal.SIGINT
        elif isinstance(ignored.exc_value, SystemExit) and isinstance(ignored.exc_value.code, int):
            number = ignored.exc_value.code - 128
        if number > 0:  # by another thread: here it would be dropped again
            _thread.start_new_thread(_thread.interrupt_main, (signal.Signals(number),))
        else:
            hook(ignored)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread handles signals
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, unwind)
    hook, sys.unraisablehook = sys.unraisablehook, again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in caught:
            signal.signal(number, before[number])
