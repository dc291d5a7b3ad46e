"""The private MongoDB as a process: found, shared, ended with whoever started it. A stand-in plays mongod."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from vemo.annotation import database as module
from vemo.annotation.database import database, find_mongod
from vemo.annotation.processes import answers, sigterm_as_exit
from vemo.foundation.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from vemo.annotation.database import database
with database(Path(sys.argv[1])) as uri:
    print(uri, flush=True)
    time.sleep(600)
"""


def port_of(uri: str) -> int:
    return int(uri.split(":")[2].split("/")[0])


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def hold(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that runs the database, once it does."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder.parent)
    assert process.stdout is not None
    return process, port_of(process.stdout.readline())


def test_it_runs_while_it_is_needed(fake_mongod, tmp_path: Path) -> None:
    fake_mongod()
    with database(tmp_path / "db") as uri:
        assert uri.startswith("mongodb://127.0.0.1:") and answers(port_of(uri))
        arguments = (tmp_path / "db/files/arguments").read_text()
    assert "--bind_ip=127.0.0.1" in arguments and "--nounixsocket" in arguments
    assert not answers(port_of(uri))
    assert (tmp_path / "db/files/clean").exists()
    assert not (tmp_path / "db/address.json").exists()
    assert (tmp_path / "db").stat().st_mode & 0o077 == 0


def test_an_error_within_ends_it_as_well(fake_mongod, tmp_path: Path) -> None:
    fake_mongod()
    with pytest.raises(ZeroDivisionError), database(tmp_path / "db"):
        raise ZeroDivisionError
    assert (tmp_path / "db/files/clean").exists()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux ends a killed process's children"
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whoever_runs_it_may_be_killed(fake_mongod, tmp_path: Path, number: int) -> None:
    fake_mongod()
    process, port = hold(tmp_path / "db")
    process.send_signal(number)
    process.wait(60)
    assert wait_for(lambda: (tmp_path / "db/files/clean").exists())
    assert wait_for(lambda: not answers(port))


def test_after_a_kill_the_folder_is_free_once_mongod_has_left(fake_mongod, tmp_path: Path) -> None:
    fake_mongod(slow=1.0)
    process, port = hold(tmp_path / "db")
    process.kill()
    process.wait(60)
    (tmp_path / "db/address.json").unlink()  # so that nobody shares what is about to leave
    with database(tmp_path / "db", alone=True) as uri:
        assert (tmp_path / "db/files/clean").exists()
        assert port_of(uri) != port or not answers(port)


def test_another_command_shares_it(fake_mongod, tmp_path: Path) -> None:
    fake_mongod()
    process, port = hold(tmp_path / "db")
    try:
        with database(tmp_path / "db") as uri:
            assert port_of(uri) == port
        assert answers(port), "who only shares it does not end it"
    finally:
        process.terminate()
        process.wait(60)


def test_who_wants_it_alone_is_told(fake_mongod, tmp_path: Path, monkeypatch) -> None:
    fake_mongod()
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with (
        database(tmp_path / "db"),
        pytest.raises(UserError, match="another `vemo curate` is at work there"),
        database(tmp_path / "db", alone=True),
    ):
        pass


def test_why_it_does_not_start(fake_mongod, tmp_path: Path) -> None:
    entry = '{"s": "F", "msg": "Wrong version", "attr": {"error": "too old"}}'
    fake_mongod(f"print({entry!r}); sys.exit(62)")
    with (
        pytest.raises(UserError, match=r"does not start .*Wrong version: too old"),
        database(tmp_path / "db"),
    ):
        pass


def test_a_port_that_somebody_takes_first(fake_mongod, tmp_path: Path) -> None:
    mark = f"pathlib.Path({str(tmp_path / 'taken')!r})"
    fake_mongod(f"{mark}.exists() or ({mark}.touch(), sys.exit({module.TAKEN}))")
    with database(tmp_path / "db") as uri:
        assert answers(port_of(uri))


def test_a_mongodb_of_ones_own_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MONGOD_BIN", "/nowhere")
    with database(tmp_path / "db", "mongodb://host/") as uri:
        assert uri == "mongodb://host/"
    assert not (tmp_path / "db").exists()


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_where_mongod_is_looked_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGOD_BIN", raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match="no mongod found"):
        find_mongod()
    on_path = program(tmp_path / "bin/mongod")
    assert find_mongod() == on_path
    wheel = program(tmp_path / ".cache/mongod/fiftyone/db/bin/mongod")
    assert find_mongod() == wheel
    package = type("Spec", (), {"submodule_search_locations": [str(tmp_path / "site/fiftyone")]})
    monkeypatch.setattr(module, "find_spec", lambda name: package)
    assert find_mongod() == wheel, "FiftyOne's own is passed over where its download failed"
    own = program(tmp_path / "site/fiftyone/db/bin/mongod")
    assert find_mongod() == own
    monkeypatch.setenv("MONGOD_BIN", str(program(tmp_path / "named")))
    assert find_mongod() == tmp_path / "named"
    monkeypatch.setenv("MONGOD_BIN", str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"MONGOD_BIN=.*absent: no such program"):
        find_mongod()


def test_sigterm_closes_what_is_open() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left, sigterm_as_exit():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
