"""A shard set on its way behind a URL: shards are packed on a scratch disk and uploaded whole.

    s3://bucket/set/.build/begun.json          what was begun: settings and the plan's digest
    s3://bucket/set/.build/done/train-00007.json   written when that shard's tar and index have arrived: its
                                               line of shards.jsonl, and its images' hashes for the leak check

An object is there whole or not at all, so a shard is done iff its done-marker is there, whoever looks, from
whichever machine. Nobody can lock a URL: two builds of one set at a time do the same work twice, and the same
bytes arrive; a build with other settings is refused.
"""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...foundation.errors import UserError
from ...foundation.files import json_bytes
from ..remote import list_folder, read, read_if_there, read_many, remove, upload, write
from ..remote.places import folder_name
from .config import BuildConfig, refuse_other_settings
from .engine import run_tasks, warm_up
from .layout import MANIFEST, SHARDS, WORK, finished_shards, index_url
from .local_set import Line, is_done, parse_begun, refuse_strangers
from .plan import PlannedShard, read_rows
from .pool import only_build_in
from .splits import image_hashes
from .tar import index_path
from .worker import ShardSpec, build_shard


@dataclass(frozen=True)
class Shipment:
    """A shard to pack and to upload; `spec.out` is the scratch folder, which every node has for itself."""

    spec: ShardSpec
    url: str


class RemoteSet:
    """`LocalSet` behind a URL."""

    def __init__(self, config: BuildConfig) -> None:
        self.config, self.url = config, str(config.out)
        self.work = self.folder = scratch_folder(config.scratch, self.url)
        self._begun_url, self._done_url = f"{self.url}/{WORK}/begun.json", f"{self.url}/{WORK}/done"
        self._files: dict[str, int | None] = {}
        self._hashes: dict[str, np.ndarray] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the scratch folder, empty, and hold it against other builds on this machine."""
        make_scratch(self.work)
        with only_build_in(self.work):
            try:
                _empty(self.work)
                self._files = list_folder(self.url)
                begun = MANIFEST in self._files or WORK in self._files
                refuse_strangers(self.url, begun, list(self._files))
                yield
            finally:
                shutil.rmtree(self.work, ignore_errors=True)

    def warm_up(self) -> None:
        warm_up(self.config, ship_shard)

    def begun(self) -> dict[str, Any] | None:
        for url in (f"{self.url}/{MANIFEST}", self._begun_url):
            if (content := read_if_there(url)) is not None:
                return parse_begun(url, content, self.url)
        return None

    def done(self, shards: tuple[PlannedShard, ...]) -> dict[str, Line]:
        lines = finished_shards(self.url) if SHARDS in self._files else {}  # of a set that lost a shard
        for name, content in read_many(self._done_url, list_folder(self._done_url)):
            try:
                marker = json.loads(content)
                hashes = np.frombuffer(base64.b64decode(marker["image_hashes"]), "<u8")
                lines[marker["shard"]["name"]] = marker["shard"]
                self._hashes[marker["shard"]["name"]] = hashes
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{self._done_url}/{name}: damaged; remove it and build again") from None
        return {s.name: lines[s.name] for s in shards if is_done(s, lines.get(s.name), self._files.get)}

    @property
    def finished(self) -> bool:
        return MANIFEST in self._files

    def begin(self, begun: dict[str, Any], done: dict[str, Line]) -> None:
        try:
            write(self._begun_url, json_bytes(begun), new=True)
        except FileExistsError:  # ours of an earlier run, or somebody came between our look and this
            there = parse_begun(self._begun_url, read(self._begun_url), self.url)
            refuse_other_settings(self.url, there, begun)
        if self.finished:
            remove(f"{self.url}/{MANIFEST}")

    def pack(self, specs: list[ShardSpec]) -> Generator[tuple[ShardSpec, Line], None, None]:
        shipments = (Shipment(self._portable(spec), self.url) for spec in specs)
        with closing(run_tasks(self.config, ship_shard, shipments, lock=self.work)) as results:
            for shipment, (line, hashes) in results:
                self._hashes[line["name"]] = hashes
                yield shipment.spec, line

    def _portable(self, spec: ShardSpec) -> ShardSpec:
        """A spec for a worker that may see no file of this machine."""
        if self.config.engine == "local":
            return spec
        rows = read_rows(spec.plan, spec.shard.offset, spec.shard.samples)
        return replace(spec, rows=tuple(rows))

    def tar(self, shard: str) -> Any:
        return f"{self.url}/{shard}.tar"

    def image_hashes(self, shards: list[str]) -> dict[str, np.ndarray]:
        """Those that came with the shards; of shards of a finished set that lost others, read once more."""
        if tars := [self.tar(shard) for shard in shards if shard not in self._hashes]:
            with closing(run_tasks(self.config, image_hashes, tars, lock=self.work)) as results:
                for tar, hashes in results:
                    self._hashes[tar.removeprefix(f"{self.url}/").removesuffix(".tar")] = hashes
        return self._hashes

    def write(self, name: str, content: bytes) -> None:
        write(f"{self.url}/{name}", content)

    def read(self, name: str) -> bytes:
        return read(f"{self.url}/{name}")

    def leave(self) -> None:
        remove(f"{self.url}/{WORK}")

    def abandon(self) -> None:
        """Nothing to do: nothing is written there before a build is known to be welcome."""


def ship_shard(shipment: Shipment) -> tuple[Line, np.ndarray]:
    """Build a shard on the scratch disk, upload it and, last, its done-marker.

    Returns its line of shards.jsonl and `image_hashes`. Raises UserError where it cannot be written, here or
    there.
    """
    spec, url = shipment.spec, shipment.url
    make_scratch(spec.out)
    folder = spec.out / spec.shard.name
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
    try:
        folder.mkdir()
        report, hashes = build_shard(replace(spec, out=folder))
        line, tar = asdict(report), folder / f"{spec.shard.name}.tar"
        upload(tar, f"{url}/{tar.name}")
        upload(index_path(tar), index_url(f"{url}/{tar.name}"))
        marker = {"shard": line, "image_hashes": base64.b64encode(hashes.astype("<u8").tobytes()).decode()}
        write(f"{url}/{WORK}/done/{spec.shard.name}.json", json_bytes(marker))
        return line, hashes
    except OSError as error:
        message = f"{folder}: cannot be written: {error.strerror or error}; what was uploaded is kept"
        raise UserError(message) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_folder(scratch: Path | None, url: str) -> Path:
    """Where this machine keeps what is on its way to `url`; the same for every run of a user."""
    return (scratch or Path(tempfile.gettempdir())).absolute() / f"vemo-{os.getuid()}-{folder_name(url)}"


def make_scratch(folder: Path) -> None:
    """Make a scratch folder, for this user alone; UserError where somebody else has made it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise UserError(f"{folder}: is somebody else's; choose another scratch")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another scratch") from None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
