"""A pool of processes for work on shards, and the lock that keeps two builds out of one folder."""

import fcntl
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, TypeVar

from ...foundation.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
LOCK_SECONDS = 10.0


def core_count() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_over_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, lock: Path | None = None
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, function(task)) as they are done; -1 workers: one a core, 0: in this process.

    Workers die with this process, however it dies, and at once when the iterator is closed early (use
    `contextlib.closing`). While they live they share the lock on the folder `lock`. An exception of
    `function` ends the iteration; a worker that is killed becomes a UserError.
    """
    tasks = list(tasks)
    workers = min(core_count() if workers < 0 else workers, len(tasks))
    if workers == 0:
        yield from ((task, function(task)) for task in tasks)
        return
    context = _context(function)
    receiver, sender = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(receiver, lock))
    queue = iter(tasks)
    try:
        running: dict[Future[Result], Task] = {}
        while True:
            for task in islice(queue, 2 * workers - len(running)):
                running[pool.submit(function, task)] = task
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
        pool.shutdown()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed (out of memory?) or its decoder crashed; what is finished is kept: "
            "run the same command again, with fewer workers, or with workers=0 to see where it stops"
        ) from None
    finally:
        sender.close()  # whoever is still at work stops here
        pool.shutdown(cancel_futures=True)
        receiver.close()


def warm_up(function: Callable[..., Any], workers: int) -> None:
    """Let the process that workers are forked from import what `function` needs, while this one does other
    things; it dies with this process."""
    if workers and _context(function).get_start_method() == "forkserver":
        forkserver.ensure_running()


def _context(function: Callable[..., Any]) -> Any:
    # Never plain fork: the parent may hold threads (a progress bar, torch), whose locks a fork would copy.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([function.__module__])
    return context


def _start_worker(stop: Any, lock: Path | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    if lock is not None:
        _lock(lock, fcntl.LOCK_SH)  # held until this process ends

    def leave_with_parent() -> None:
        with suppress(EOFError, OSError):
            stop.recv()
        os._exit(1)  # not sys.exit: a worker busy in a decoder has to go, too

    threading.Thread(target=leave_with_parent, daemon=True).start()


@contextmanager
def only_build_in(folder: Path) -> Iterator[None]:
    """Hold `folder` against other builds; UserError when there is one.

    Held exclusively for a moment, which proves that neither another build nor an orphan worker of a killed
    one is alive; then shared, so that our own workers can hold it, too.
    """
    descriptor = _lock(folder, fcntl.LOCK_EX)
    try:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path, kind: int) -> int | None:
    descriptor = os.open(folder, os.O_RDONLY)
    patience = threading.Event()  # workers of a build that was just killed need a moment to die
    for attempt in range(21):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            patience.wait(LOCK_SECONDS / 20 if attempt < 20 else 0)
        except OSError:  # a file system without locks
            os.close(descriptor)
            return None
    os.close(descriptor)
    raise UserError(f"{folder}: another build is writing here; wait for it, or end it")
