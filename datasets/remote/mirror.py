"""Local copies of what lies behind URLs, and archives unpacked: made once, gone on with where they stopped.

data/mirrors/EmoSet-118K-3f2a…/      for a folder, say s3://bucket/EmoSet-118K
  files/        what readers get as their root
  listing.json  what was there to fetch, with sizes and tags: a file that was replaced is fetched again
  mirror.json   written last: the copy is whole
data/mirrors/dataset.tar.gz-91bc…/   for an archive, here or elsewhere
  dataset.tar.gz
  files/        …unpacked
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ...foundation.files import PART_SUFFIX, alone_in, sha256_of, write_json
from ...foundation.progress import Progress
from .archives import is_archive, leads_out, unpack
from .places import folder_name, is_url, is_web, list_tree, name_of, read_many
from .reading import BLOCK, RemoteFile

MIRRORS = Path("data") / "mirrors"
FILES, LISTING, MARKER = "files", "listing.json", "mirror.json"
Listing = Mapping[str, tuple[int | None, str | None]]  # path → size and tag, None where unknown


def local_folder(
    root: Path | str,
    mirror: Path | None = None,
    sha256: str | None = None,
    listing: Callable[[], Listing] | None = None,
) -> Path:
    """`root` itself where it is a folder; the folder `files` of its local copy where it is a URL or archive.

    The copy is made in `mirror` (default: one below data/mirrors) by whoever comes first; others wait. A
    finished one is taken as it is, without asking the place again. `sha256` is that of an archive;
    `listing` says, when asked, what is in a folder of a web server, which cannot be listed.

    Raises UserError: the place cannot be reached, an archive that is damaged, unsafe or not the one of
    `sha256`, `mirror` holds something else, the disk is full.
    """
    archived = is_archive(name_of(root)) and not (isinstance(root, Path) and root.is_dir())
    if sha256 is not None and not archived:
        raise UserError(f"sha256 is that of an archive, and {root} is none")
    if isinstance(root, Path) and not archived:
        return root
    home, source = mirror_of(root, mirror), _source(root)
    sha256 = None if sha256 is None else sha256.lower()
    try:
        done = _finished(home, source)
        if done is None:
            with alone_in(home):
                done = _finished(home, source) or _make(root, home, source, archived, sha256, listing)
    except OSError as error:
        where = error.filename or home
        message = f"{where}: {error.strerror or error}; mend that and run the same command again"
        raise UserError(message) from None
    if sha256 not in (None, done["sha256"]):
        raise UserError(f"{root}: its sha256 is {done['sha256']}, expected {sha256}")
    return home / FILES


def mirror_of(root: Path | str, mirror: Path | None = None) -> Path:
    """The absolute path of the folder for the local copy of `root`."""
    return (mirror or MIRRORS / folder_name(root)).absolute()


def download(url: str, target: Path, size: int | None = None, go_on: bool = False) -> None:
    """Fetch a file by way of `target.part`. `go_on`: a part that is there is of the same file.

    Raises UserError as RemoteFile does.
    """
    _receive(RemoteFile(url, size, guarded=True), target, go_on)


def _receive(file: RemoteFile, target: Path, go_on: bool, show: bool = False) -> None:
    part = target.with_name(target.name + PART_SUFFIX)
    target.parent.mkdir(parents=True, exist_ok=True)
    there = part.stat().st_size if go_on and part.exists() else 0
    if there and (file.size is None or there <= file.size):
        file.close()
        file.at = there
    total = None if file.size is None else file.size // 10**6
    with (
        part.open("ab" if file.at else "wb") as stream,
        Progress(f"fetching {target.name}", total, "MB", start=file.at // 10**6, enabled=show) as progress,
    ):
        try:
            while content := file.read(BLOCK):
                stream.write(content)
                progress.update(file.at // 10**6 - progress.done)
        finally:
            file.close()
    part.replace(target)


def _make(
    root: Path | str,
    home: Path,
    source: dict[str, Any],
    archived: bool,
    sha256: str | None,
    listing: Callable[[], Listing] | None,
) -> dict[str, Any]:
    """Fetch, check, unpack; returns what the marker says."""
    _refuse_strangers(home, source)
    (home / MARKER).unlink(missing_ok=True)
    found = None
    if archived:
        archive = root if isinstance(root, Path) else _fetch_archive(root, home, source)
        found = sha256_of(archive)
        if sha256 not in (None, found):
            if is_url(root):
                archive.unlink()
            raise UserError(f"{root}: its sha256 is {found}, expected {sha256}")
        unpack(archive, home / FILES)
    else:
        _fetch_tree(str(root), home, source, listing or (lambda: _listed(str(root))))
    os.sync()  # all of it is on the disk before the marker says so
    done = {"source": source, "sha256": found}
    write_json(home / MARKER, done)
    return done


def _fetch_archive(url: str, home: Path, source: dict[str, Any]) -> Path:
    archive = home / name_of(url)
    file = RemoteFile(url, guarded=True)
    file.open()
    try:
        _keep_what_is_current(home, home, source, {archive.name: (file.size, file.tag)})
        if not archive.exists():
            _receive(file, archive, go_on=file.tag is not None, show=True)
    finally:
        file.close()
    return archive


def _listed(url: str) -> Listing:
    if is_web(url):
        raise UserError(
            f"{url}: a web server does not say what is in a folder; give an archive (.zip, .tar, .tar.gz, "
            ".tgz), or a place that can be listed (s3://, gs://, hf://)"
        )
    return list_tree(url)


def _fetch_tree(url: str, home: Path, source: dict[str, Any], list_files: Callable[[], Listing]) -> None:
    listing = list_files()
    if unsafe := next((name for name in listing if leads_out(name)), None):
        raise UserError(f"{url}: {unsafe!r} would lie outside the folder")
    files = home / FILES
    files.mkdir(exist_ok=True)
    _keep_what_is_current(home, files, source, listing)
    missing = {name: size for name, (size, _) in listing.items() if not (files / name).exists()}
    small = {name: size for name, size in missing.items() if size is not None and size <= BLOCK}
    with Progress("mirroring", len(listing), "files", start=len(listing) - len(missing)) as progress:
        # A web server's files one by one: fsspec would want aiohttp for them.
        together = {} if is_web(url) else small
        for name, content in read_many(url, together):
            _write(files / name, content)
            progress.update()
        for name in missing.keys() - together.keys():
            size, tag = listing[name]
            download(f"{url}/{name}", files / name, size, go_on=tag is not None)
            progress.update()


def _keep_what_is_current(home: Path, folder: Path, source: dict[str, Any], listing: Listing) -> None:
    """Remove what an earlier run fetched of files that were replaced since, and note what is there now."""
    before = (_read(home / LISTING) or {}).get("files", {})
    for name, known in listing.items():
        if before.get(name) != [*known]:
            (folder / name).unlink(missing_ok=True)
            (folder / f"{name}{PART_SUFFIX}").unlink(missing_ok=True)
    write_json(
        home / LISTING, {"source": source, "files": {name: [*known] for name, known in listing.items()}}
    )


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + PART_SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content)
    part.replace(path)


def _source(root: Path | str) -> dict[str, Any]:
    """What a copy is a copy of; of a URL without its query, which may hold a key."""
    if isinstance(root, str):
        return {"url": root.partition("?")[0] if is_web(root) else root}
    try:
        state = root.stat()
    except OSError as error:
        raise UserError(f"{root}: cannot be read: {error.strerror}") from None
    return {"archive": root.name, "bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _refuse_strangers(home: Path, source: dict[str, Any]) -> None:
    """UserError where `home` holds anything but a copy of the same source, finished or not."""
    known = _read(home / MARKER) or _read(home / LISTING)
    if known is not None:
        before = known.get("source", {})
        if before.get("url") != source.get("url") or before.get("archive") != source.get("archive"):
            what = before.get("url") or before.get("archive")
            raise UserError(f"{home}: holds a copy of {what}; choose another mirror, or remove the folder")
    elif strangers := sorted(p.name for p in home.iterdir() if p.name not in (FILES, FILES + PART_SUFFIX)):
        raise UserError(
            f"{home}: holds {strangers[0]}, but no mirror; choose a new or empty folder for mirror"
        )


def _finished(home: Path, source: dict[str, Any]) -> dict[str, Any] | None:
    """What the marker of a finished copy of this very source says."""
    done = _read(home / MARKER)
    whole = done is not None and done.get("source") == source and (home / FILES).is_dir()
    return done if whole else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
