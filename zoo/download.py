"""A release on this machine: fetched from the first mirror that has it, checked whole, then renamed in place.

CACHE/checkpoints/NAME-0123456789ab.part/   while it is fetched: whole files, and the part of one
CACHE/checkpoints/NAME-0123456789ab/        a release: there is no half of one
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..datasets.remote.reading import Broken, RemoteFile
from ..foundation.errors import UserError
from ..foundation.files import PART_SUFFIX, alone_in, fsync_folder, sha256_of, write_json
from ..foundation.progress import Progress
from .places import OFFLINE, WEIGHTS, cached, is_offline, sources
from .registry import Entry, ReleaseFile

BLOCK = 2**20
WORTH_KEEPING = 2**20  # bytes; less is sooner fetched again than explained
RELEASE = "release.json"  # what every kind of release says of itself


def download(entry: Entry, folder: Path | None = None) -> Path:
    """The folder of a whole release: in the cache (or `folder`), fetched where it is not there yet.

    Every file's size and sha256 are compared with the registry. What is refused leaves nothing behind; what
    the network broke off goes on the next time. Other processes that want the same wait.

    Raises UserError: no mirror has it, a file is another than the registry says, offline, disk full.
    """
    home = Path(folder).absolute() if folder else cached(entry)
    if found := whole_folder(entry, folder):
        return found
    if folder and home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise UserError(f"{folder}: is there and is not {entry.name}; give a new or an empty folder")
    if not all(sources(entry, file.path) for file in entry.files):
        why = f"{' or '.join(OFFLINE)} is set" if entry.mirrors and is_offline() else "it has no mirror"
        raise UserError(f"{entry.name}: not on this machine (looked for {home}), and {why}")
    missing = [parent for parent in home.parents if not parent.exists()]
    staging = home.with_name(home.name + PART_SUFFIX)
    try:
        with alone_in(staging):
            if found := whole_folder(entry, folder):  # by whoever was waited for
                shutil.rmtree(staging, ignore_errors=True)
                return found
            return _fetch_all(entry, staging, home)
    except OSError as error:
        raise UserError(f"{error.filename or home}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # where something is in it, or somebody was faster
            for parent in missing:
                parent.rmdir()


def whole_folder(entry: Entry, folder: Path | None = None) -> Path | None:
    """Where a release lies whole, every byte of it compared: in `folder`, or in the cache or zoo/weights."""
    places = (Path(folder).absolute(),) if folder else (cached(entry), WEIGHTS / entry.name)
    return next((place for place in places if not _faults(entry, place)), None)


def _faults(entry: Entry, folder: Path) -> list[str]:
    return [fault for file in entry.files if (fault := fault_of(folder / file.path, file))]


def fault_of(path: Path, file: ReleaseFile) -> str | None:
    """What is wrong with a file of a release, in a line; None: it is the one that `file` tells of."""
    if not path.is_file():
        return f"{path}: missing"
    if (size := path.stat().st_size) != file.bytes:
        return f"{path}: damaged: {size} bytes, expected {file.bytes}"
    if (found := sha256_of(path)) != file.sha256:
        return f"{path}: damaged: its sha256 is {found}, expected {file.sha256}"
    return None


def _fetch_all(entry: Entry, staging: Path, home: Path) -> Path:
    keep = False
    try:
        free = shutil.disk_usage(staging).free
        if free < entry.bytes:
            raise UserError(f"{staging}: {entry.name} needs {entry.bytes:,} bytes, and {free:,} are free")
        total = entry.bytes // 10**6
        with Progress(f"fetching {entry.name}", total, "MB", enabled=total > 0) as bar:
            for file in entry.files:
                _fetch(entry, file, staging / file.path, bar)
        _check_contents(entry, staging)
        if home.exists():  # damaged, or empty
            shutil.rmtree(home)
        fsync_folder(staging)
        staging.rename(home)
        fsync_folder(home.parent)
        return home
    except (Broken, KeyboardInterrupt):
        keep = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file()) >= WORTH_KEEPING
        raise
    finally:
        if not keep:
            shutil.rmtree(staging, ignore_errors=True)


def _fetch(entry: Entry, file: ReleaseFile, target: Path, bar: Progress) -> None:
    """A file from the first mirror that has the right one."""
    problems: list[UserError] = []
    if fault_of(target, file) is None:  # of an attempt that was broken off later
        bar.update(file.bytes // 10**6)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for url, token in sources(entry, file.path):
        try:
            _fetch_from(url, token, file, target, bar)
            return
        except UserError as problem:
            problems.append(problem)
    text = "; ".join(str(each) for each in problems)
    broken = any(isinstance(each, Broken) for each in problems)
    raise (Broken if broken else UserError)(f"{entry.name}: {text}") from problems[-1]


def _fetch_from(url: str, token: str | None, file: ReleaseFile, target: Path, bar: Progress) -> None:
    part, state = (target.with_name(target.name + suffix) for suffix in (PART_SUFFIX, ".from"))
    going_on = part.exists() and 0 < part.stat().st_size <= file.bytes
    try:
        _receive(url, token, file, part, state, bar, going_on)
    except Broken:
        raise
    except UserError:
        part.unlink(missing_ok=True)
        state.unlink(missing_ok=True)
        if not going_on:
            raise
        # What was there may have been of another file: once more, from the beginning.
        return _fetch_from(url, token, file, target, bar)
    state.unlink()
    part.rename(target)
    return None


def _receive(
    url: str, token: str | None, file: ReleaseFile, part: Path, state: Path, bar: Progress, going_on: bool
) -> None:
    """Fetch what is missing of `part`, and compare; the server's tag of it is kept in `state`."""
    at = part.stat().st_size if going_on else 0
    before = _read_state(state) if going_on else {}
    bar.update(at // 10**6)
    tag = before.get("tag") if before.get("url") == url else None
    remote = RemoteFile(url, file.bytes, "the registry", at, guarded=True, tag=tag, token=token)
    try:
        if at < file.bytes:
            remote.open()
        write_json(state, {"url": url, "tag": remote.tag})
        with part.open("ab" if going_on else "wb") as stream:
            while content := remote.read(BLOCK):
                stream.write(content)
                bar.update(remote.at // 10**6 - at // 10**6)
                at = remote.at
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        remote.close()
    if fault := fault_of(part, file):
        raise UserError(f"{url}: {fault.partition(': ')[2]}")


def _read_state(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_contents(entry: Entry, folder: Path) -> None:
    """Names and hashes fit; the contents must be what the names say, and of this release."""
    for file in entry.files:
        if fault := unreadable(folder / file.path):
            raise UserError(f"{entry.name}: {file.path}: {fault}, though its sha256 is the registry's")
    if (folder / RELEASE).is_file():
        said = json.loads((folder / RELEASE).read_bytes())
        stated = [said.get(key) for key in ("name", "kind")] if isinstance(said, dict) else [None, None]
        if stated != [entry.name, entry.kind]:
            raise UserError(
                f"{entry.name}: its {RELEASE} is of {stated[0]} ({stated[1]}): files of another entry"
            )


def unreadable(path: Path) -> str | None:
    """Why a .safetensors or .json file is not what its name says; None: it is, or is of another kind."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as opened:
                opened.keys()
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
    except (SafetensorError, ValueError, RecursionError) as error:
        return f"not a {path.suffix[1:]} file ({' '.join(str(error).split())[:120]})"
    return None
