"""Work on recordings in processes of their own: a file that brings down its decoder costs one answer."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item")
Result = TypeVar("Result")
POLL_SECONDS = 0.2
LONGEST_FOLDER = 4000  # bytes of the working folder's name with which a process can still be told to go there


def possible() -> bool:
    """Whether processes can be started from the working folder."""
    return len(os.fsencode(os.getcwd())) < LONGEST_FOLDER


def on_processes(
    items: Sequence[Item],
    jobs: int,
    prepare: Callable[..., Callable[[Item], Result]],
    given: Any,
    lost: Callable[[Item, str], Result],
) -> Generator[Result, None, None]:
    """Results for items, in their order, each worked out in one of several processes.

    One thread per process, which hands it an item and waits for the result on a pipe of its own.
    `ProcessPoolExecutor` shares one pipe among all its processes: it waits forever if one of them is
    killed while it writes, and gives up all recordings if one of them crashes the decoder.

    Parameters
    ----------
    items : sequence
        That can be pickled, as results can.
    jobs : int
        Number of processes.
    prepare : callable
        A function of a module: called with `given` in each process, gives what works out an item.
    given : object
    lost : callable
        Called with an item whose process died, and how, in words; gives the result in its place.
    """
    import multiprocessing
    from concurrent.futures import ThreadPoolExecutor, wait

    context = multiprocessing.get_context("spawn")
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # while it starts, it unblocks the signals that threads block
    workers: list[tuple[BaseProcess, Connection]] = []  # all that were started
    mine = threading.local()
    stopping = threading.Event()

    def start() -> "tuple[BaseProcess, Connection]":
        ours, theirs = context.Pipe()
        worker = context.Process(target=_serve, args=(theirs, prepare, given), daemon=True)
        worker.start()
        theirs.close()  # so that the pipe ends when the worker does
        workers.append((worker, ours))
        if stopping.is_set():
            worker.terminate()
        return worker, ours

    def ask(item: Item) -> Result:
        if not hasattr(mine, "worker"):
            mine.worker = start()
        worker, connection = mine.worker
        try:
            connection.send(item)
            result: Result = connection.recv()
        except Exception as error:  # EOFError, OSError; half a message is whatever pickle makes of it
            del mine.worker
            worker.kill()  # it may still live, with its end of the pipe in disorder
            worker.join()
            return lost(item, _end(worker, error))
        return result

    pool = ThreadPoolExecutor(jobs, "whichdance-job", initializer=_leave_interrupts_to_others)
    finished = False
    try:
        futures = deque(pool.submit(ask, item) for item in items)
        while futures:
            future = futures.popleft()
            while not wait([future], POLL_SECONDS).done:
                pass  # where a waiting thread cannot be interrupted, look up now and then
            yield future.result()
        finished = True
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if not finished:  # interrupted: do not wait for the recordings at hand
            stopping.set()
            for worker, _ in list(workers):
                worker.terminate()
        pool.shutdown()
        _wait_for_all(workers)


def _wait_for_all(workers: "Sequence[tuple[BaseProcess, Connection]]") -> None:
    for worker, connection in workers:
        connection.close()
        worker.join()
    if os.name == "posix":  # it would end when we do, and be nobody's child
        from multiprocessing import resource_tracker

        with suppress(AttributeError, ChildProcessError):
            resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def _end(worker: "BaseProcess", error: Exception) -> str:
    """How a worker ended, in words."""
    code = worker.exitcode
    if code is not None and code < 0 and code != -signal.SIGKILL:
        return f"died ({signal.Signals(-code).name}): the file brought down its decoder"
    return "died; is memory short?"


def _serve(connection: "Connection", prepare: Callable[..., Callable[[Any], Any]], given: Any) -> None:
    """Life of a worker process: results for items, until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    # Libraries written in C print what they think of a file; the parent says what is wrong with it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    work = prepare(given)
    with suppress(EOFError, OSError):
        while True:
            connection.send(work(connection.recv()))


def _leave_interrupts_to_others() -> None:
    """Block Ctrl-C in this thread: it goes to the main one.

    Worker processes inherit that, and print no traceback when Ctrl-C comes before they are ready.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
