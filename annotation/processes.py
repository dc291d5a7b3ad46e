"""Processes that live no longer than the one that starts them, however that one ends."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOME = "127.0.0.1"  # neither the App nor the database asks who is there, so nobody else may reach them
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start(
    arguments: Sequence[str | Path], log: Path, *, cwd: Path | None = None, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to `log` and that Ctrl-C in our terminal does not reach.

    On Linux the kernel sends it SIGTERM when this process ends, be it by kill -9; elsewhere only `stop` ends
    it. To be called from the main thread: the kernel looks at the thread that started it.
    """
    with log.open("ab") as stream:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=_leaving_with_parent(),
        )


def stop(process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Ask it to end and wait; kill it where it does not within `seconds`."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port on this machine that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOME, 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOME, port)) == 0


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM raise SystemExit within, so that what is open is closed in order."""

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leaving_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None), os.getpid()  # loaded here: little is safe between fork and exec

    def ask_kernel() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)

    return ask_kernel
