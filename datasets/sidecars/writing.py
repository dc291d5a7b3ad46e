"""The writer: a sidecar's rows shard by shard, resumable as the builder is, and sidecar.json last.

A shard is done iff its line stands in the sidecar's shards.jsonl, its rows are the bytes that were written,
and its tar is the one they were made from. Run the command again to go on, to mend a damaged file, or to
follow a shard that was built again.
"""

import hashlib
import io
import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...foundation.config import Config
from ...foundation.errors import UserError
from ...foundation.files import append_json_line, sha256_of, write_atomically, write_json
from ...foundation.progress import Progress
from ..readers import SampleError
from ..sample import Sample
from ..shards.config import flat, refuse_other_settings
from ..shards.images import MAX_PIXELS, decode_pixels
from ..shards.layout import SHARDS, finished_shards, json_line, read_records
from ..shards.pool import map_over_processes, only_build_in
from ..stream.shardset import ShardSet
from .layout import BEGUN, FIXED, FOLDER, SIDECAR, Description, ShardRows, Sidecar, check_name, read_begun

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Part:
    """The samples of one shard, for whoever makes rows of them."""

    shards: ShardSet
    split: str
    places: range

    def records(self) -> Iterator[dict[str, Any]]:
        """Their records, edits applied."""
        return (self.shards.record(self.split, place) for place in self.places)

    def images(self) -> Iterator[np.ndarray]:
        """Their images, uint8 RGB [H, W, 3] as displayed: boxes found in them are in the record's pixels."""
        limit = self.shards.manifest.get("build", {}).get("max_pixels", MAX_PIXELS)
        for place in self.places:
            record, data = self.shards.read(self.split, place)
            try:
                yield decode_pixels(data, limit)
            except SampleError as error:
                where = f"{self.shards.folder}: {record['id']}"
                raise UserError(f"{where}: {error}; run `vemo shards verify {self.shards.folder}`") from None


Rows = Callable[[Part], Iterable[Any]]
"""One row a sample, in order: a dict of columns without the id, or of an array a numpy array of its shape."""


@dataclass(frozen=True)
class SidecarReport:
    """A finished sidecar; `found`: samples of which it says more than nothing ([] is nothing)."""

    folder: Path
    samples: int
    found: int
    shards: int
    made: int  # shards that were not there before

    @property
    def summary(self) -> str:
        """One line."""
        kept = self.shards - self.made
        before = f"; {kept:,} of {self.shards:,} shards were there already" if kept else ""
        return f"{self.folder}: says something of {self.found:,} of {self.samples:,} samples{before}"


@dataclass(frozen=True)
class _Task:
    home: Path
    description: Description
    rows: Rows
    shard: str
    split: str
    places: range
    tar_sha256: str


def write_sidecar(home: Path, description: Description, rows: Rows, workers: int = -1) -> SidecarReport:
    """Make (or finish, or find finished) a sidecar of the shard set `home`.

    `rows` is called once a shard, in that many processes (-1: one a core; 0: here, and it need not pickle).
    Raises UserError: no finished shard set, other settings than the sidecar was begun with, records that have
    its columns already, a sample that cannot be decoded, a disk that cannot be written.
    """
    _opened.cache_clear()
    shards = _opened(home)
    folder = home / FOLDER / check_name(description.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_build_in(folder):
            return _write(shards, folder, description, rows, workers)
    except OSError as error:
        where = error.filename or folder
        raise UserError(
            f"{where}: {error.strerror or error}; mend that and run the same command again"
        ) from None
    finally:
        with suppress(OSError):
            folder.rmdir()  # which only an empty one allows: what was refused leaves nothing behind


def command_line(command: str, config: Config, leave_out: Iterable[str] = ()) -> str:
    """`vemo shards COMMAND DIR key=value …` with every setting of `config` that is not its default.

    The shard set, `workers` and the keys of `leave_out` decide no value and are left out.
    """
    given = config.model_dump(mode="json", exclude_defaults=True, exclude={"shards", "workers", *leave_out})
    said = {key: value if isinstance(value, str) else _encode(value) for key, value in flat(given).items()}
    return shlex.join(["vemo", "shards", command, "DIR", *(f"{key}={value}" for key, value in said.items())])


def _write(
    shards: ShardSet, folder: Path, description: Description, rows: Rows, workers: int
) -> SidecarReport:
    before = _before(folder, description)
    tasks = [
        _Task(shards.folder, description, rows, entry.name, split, places, entry.sha256)
        for split in shards.splits
        for entry, places in shards.parts(split)
    ]
    done = _done(folder, tasks) if before is not None and before.edits == description.edits else {}
    missing = [task for task in tasks if task.shard not in done]
    if missing or not (folder / SIDECAR).exists():
        _refuse_known(shards, description)
        _remove_leftovers(folder, done)  # first: what is kept has to be what the next line describes
        write_json(folder / BEGUN, description.model_dump(mode="json"))
        (folder / SIDECAR).unlink(missing_ok=True)
        _make(folder, missing, sum(len(task.places) for task in tasks), workers)
        done = _lines(folder)
        with write_atomically(folder / SHARDS) as stream:
            for task in tasks:
                stream.write(json_line({"name": task.shard, **done[task.shard].model_dump()}))
        known = {task.shard: done[task.shard] for task in tasks}
        sidecar = Sidecar(**description.model_dump(), shards=known)
        write_json(folder / SIDECAR, {"format": sidecar.format, **sidecar.model_dump(mode="json")})
    (folder / BEGUN).unlink(missing_ok=True)
    figures = [done[task.shard] for task in tasks]
    samples, found = (sum(getattr(rows, key) for rows in figures) for key in ("samples", "found"))
    return SidecarReport(folder, samples, found, len(tasks), len(missing))


def _make(folder: Path, tasks: list[_Task], samples: int, workers: int) -> None:
    start = samples - sum(len(task.places) for task in tasks)
    try:
        with (
            Progress(folder.name, samples, start=start) as progress,
            closing(map_over_processes(make_shard, tasks, workers, lock=folder)) as results,
        ):
            for task, made in results:
                append_json_line(folder / SHARDS, {"name": task.shard, **made.model_dump()})
                progress.update(made.samples)
    finally:
        for part in folder.glob("*.part"):  # of workers that were stopped
            part.unlink()


def make_shard(task: _Task) -> ShardRows:
    """Write one shard's rows; they are durable when this returns. Pure: the same bytes for the same task."""
    part = Part(_opened(task.home), task.split, task.places)
    path = Path(task.description.path(str(task.home), task.shard))
    if task.description.kind == "records":
        content, found = _record_rows(part, task)
    else:
        content, found = _array_rows(part, task)
    with write_atomically(path) as stream:
        stream.write(content)
    return ShardRows(
        samples=len(task.places),
        found=found,
        bytes=len(content),
        tar_sha256=task.tar_sha256,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _record_rows(part: Part, task: _Task) -> tuple[bytes, int]:
    lines, found = [], 0
    for record, row in zip(part.records(), task.rows(part), strict=True):
        if strangers := row.keys() - set(task.description.columns):
            raise ValueError(f"{task.description.name}: a row has {sorted(strangers)}, no columns of it")
        found += any(bool(value) for value in row.values())
        lines.append(_encode({"id": record["id"], **row}).encode() + b"\n")
    return b"".join(lines), found


def _array_rows(part: Part, task: _Task) -> tuple[bytes, int]:
    shape = (len(task.places), *(task.description.shape or ()))
    values = np.array(list(task.rows(part)), task.description.dtype).reshape(shape)
    whole = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not whole.all():
        record = part.shards.record(part.split, part.places[int(np.argmin(whole))])
        name = task.description.name
        raise UserError(f"{name}: the row of {record['id']} is not finite; are the weights sound?")
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue(), int(values.reshape(len(values), -1).any(axis=1).sum())


@lru_cache(maxsize=1)
def _opened(home: Path) -> ShardSet:
    """The shard set, opened once a process and not once a shard."""
    return ShardSet(home)


def _before(folder: Path, description: Description) -> Description | None:
    """What was begun or finished here, None for nothing. UserError where that was something else."""
    before = read_begun(folder)
    try:
        before = before or Sidecar.model_validate_json((folder / SIDECAR).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    same = {"command", "edits", "shards", "format"}
    old, new = (each.model_dump(mode="json", exclude=same) for each in (before, description))
    refuse_other_settings(folder, old, new, another="name")
    return before


def _lines(folder: Path) -> dict[str, ShardRows]:
    """The sound lines of the sidecar's shards.jsonl by shard."""
    lines = {}
    for name, line in finished_shards(folder).items():
        try:
            lines[name] = ShardRows.model_validate({key: line[key] for key in line.keys() - {"name"}})
        except ValidationError:
            continue
    return lines


def _done(folder: Path, tasks: list[_Task]) -> dict[str, ShardRows]:
    """The lines of shards that need no more work; rows are small, so they are hashed."""
    done, lines = {}, _lines(folder)
    for task in tasks:
        rows = lines.get(task.shard)
        if rows is None or (rows.tar_sha256, rows.samples) != (task.tar_sha256, len(task.places)):
            continue
        path = folder / task.description.file_of(task.shard)
        if path.is_file() and sha256_of(path) == rows.sha256:
            done[task.shard] = rows
    return done


def _remove_leftovers(folder: Path, done: dict[str, ShardRows]) -> None:
    """Parts, and rows without a line, that a stopped run or an older shard set left behind."""
    kept = {*done, Path(SHARDS).stem}
    for path in folder.iterdir():
        if path.suffix == ".part" or (path.suffix in (".jsonl", ".npy") and path.stem not in kept):
            path.unlink()
    with write_atomically(folder / SHARDS) as stream:
        for name, rows in done.items():
            stream.write(json_line({"name": name, **rows.model_dump()}))


def _refuse_known(shards: ShardSet, description: Description) -> None:
    """UserError for columns that nobody may give, or that records have already, before any work is done."""
    taken = set(FIXED) if description.kind == "records" else Sample.model_fields.keys()
    if wrong := sorted(taken & set(description.columns)):
        raise UserError(f"a sidecar cannot give {', '.join(wrong)}; choose another name")
    if description.replace:
        return
    for split in shards.splits:
        for entry, _ in shards.parts(split):
            tar = shards.folder / f"{entry.name}.tar"
            try:
                for record in read_records(tar):
                    if known := [column for column in description.columns if column in record]:
                        raise UserError(
                            f"{shards.folder}: {record['id']} has {', '.join(known)} already; with "
                            f"replace=true the sidecar {description.name} wins"
                        )
            except (ValueError, KeyError) as error:
                remedy = f"run `vemo shards verify {shards.folder}`"
                raise UserError(f"{tar}: damaged ({error}); {remedy}") from None
