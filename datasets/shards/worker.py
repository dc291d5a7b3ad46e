"""`build_shard`: one planned shard in, one finished tar and its report out; pure, for any kind of pool."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ...foundation.errors import UserError
from ..readers import Reader, ReaderConfig, Row, SampleError
from ..sample import Sample
from .images import PackedImage, probe_image, reencode
from .layout import member_key
from .plan import PlannedShard, read_rows
from .source import open_reader
from .splits import leading_bits
from .tar import TarShard

GROUP_IMAGES, GROUP_BYTES = 32, 4 * 2**20
# Made once: json.dumps with options makes an encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class ShardSpec:
    """All that a worker needs to know, as plain values; `rows` where the file `plan` cannot be seen."""

    shard: PlannedShard
    plan: Path
    out: Path
    root: Path | str
    reader: str  # the reader's config as JSON
    short_side: int | None
    quality: int
    max_pixels: int
    mirror: Path | None = None
    sha256: str | None = None
    rows: tuple[Row, ...] | None = None


@dataclass(frozen=True)
class ShardReport:
    """What became of a shard: its figures, and every sample that is not in it and why."""

    name: str
    split: str
    samples: int
    bytes: int
    sha256: str
    index_sha256: str
    failures: list[dict[str, str]] = field(default_factory=list)


def build_shard(spec: ShardSpec) -> tuple[ShardReport, np.ndarray]:
    """Read, check and pack the samples of one shard; the same bytes for the same spec and source, always.

    The tar and its index are durable when this returns, with what `splits.image_hashes` would read in it. A
    sample that cannot be packed becomes an entry of `failures`. Raises UserError when the shard cannot be
    written.
    """
    failures: list[dict[str, str]] = []
    hashes: list[int] = []
    path = spec.out / f"{spec.shard.name}.tar"
    try:
        with TarShard(path) as tar, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; the process is ours alone
            for group in _read_groups(spec):
                _apply(lambda item: _check(item.value, spec), group, spec)
                _apply(lambda item: _describe(*item.value), group, spec)
                for item in group:
                    if item.failure is None:
                        sha256, *members = item.value
                        tar.add(*members)
                        hashes.append(leading_bits(sha256))
                    else:
                        failures.append(_failure(item.row, item.failure))
            figures = tar.finish()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}; finished shards are kept: mend that and "
            "run the same command again"
        ) from None
    report = ShardReport(spec.shard.name, spec.shard.split, failures=failures, **figures)
    return report, np.array(hashes, np.uint64)


@lru_cache(maxsize=1)
def cached_reader(
    config: str, root: Path | str, mirror: Path | None = None, sha256: str | None = None
) -> Reader:
    """A reader once a process, not once a shard: some load a table first, some roots have to be fetched."""
    return open_reader(TypeAdapter(ReaderConfig).validate_json(config), root, mirror, sha256)


@dataclass(slots=True)
class _Item:
    """A row on its way into the shard: what the last step made of it, or why it goes no further."""

    row: Row
    value: Any = None
    failure: SampleError | None = None


def _read_groups(spec: ShardSpec) -> Iterator[list[_Item]]:
    """The shard's rows, read, in groups of a few images.

    A decoder drives everything else out of the processor's caches. Doing one step for a group rather than all
    steps for one image saves half of what packing costs beside decoding.
    """
    reader = cached_reader(spec.reader, spec.root, spec.mirror, spec.sha256)
    group: list[_Item] = []
    size = 0
    rows = spec.rows
    if rows is None:
        rows = read_rows(spec.plan, spec.shard.offset, spec.shard.samples)
    for row in rows:
        group.append(_Item(row))
        _apply(lambda item: reader.read(item.row), group[-1:], spec)
        size += len(group[-1].value[1]) if group[-1].failure is None else 0
        if len(group) == GROUP_IMAGES or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    yield group


def _apply(step: Callable[[_Item], Any], group: list[_Item], spec: ShardSpec) -> None:
    """Replace every sound item's value by what `step` makes of it."""
    for item in group:
        if item.failure is None:
            try:
                item.value = step(item)
            except SampleError as error:
                item.failure = error
            except Exception as error:
                error.add_note(f"while packing {item.row.id} ({item.row.path}) into {spec.shard.name}")
                raise


def _check(read: tuple[Sample, bytes], spec: ShardSpec) -> tuple[Sample, bytes, PackedImage]:
    sample, data = read
    if spec.short_side is None:
        return sample, data, PackedImage(data, *probe_image(data, spec.max_pixels))
    return sample, data, reencode(data, spec.short_side, spec.quality, spec.max_pixels)


def _describe(sample: Sample, data: bytes, image: PackedImage) -> tuple[str, str, str, bytes, bytes]:
    """The sha256 of the source's bytes, and what `TarShard.add` takes."""
    record = _record(sample.to_record(), image)
    if "sha256" not in record["source"]:
        record["source"]["sha256"] = hashlib.sha256(data).hexdigest()
    try:
        content = _encode(record).encode()
        return record["source"]["sha256"], member_key(record["id"]), image.extension, image.data, content
    except ValueError as error:
        raise SampleError("bad_annotation", f"no JSON can hold its record: {error}") from None


def _record(known: dict[str, Any], image: PackedImage) -> dict[str, Any]:
    """The record as it is stored: with the image's size, and boxes in pixels of the stored image."""
    if image.scale != 1.0:
        for boxed in (*known.get("persons", ()), *known.get("faces", ())):
            boxed["box"] = _scaled(boxed["box"], image.scale)
            if "landmarks" in boxed:
                boxed["landmarks"] = [_scaled(point, image.scale) for point in boxed["landmarks"]]
    head = {"id": known["id"], "source": known["source"], "width": image.width, "height": image.height}
    return head | {key: value for key, value in known.items() if key not in head}


def _scaled(pixels: list[float], scale: float) -> list[float]:
    return [round(value * scale, 2) for value in pixels]


def _failure(row: Row, error: SampleError) -> dict[str, str]:
    entry = {"id": row.id, "path": row.path, "reason": error.reason, "detail": error.detail}
    # Names that are no UTF-8 must not keep the report from being written.
    return {key: str(value).encode(errors="backslashreplace").decode() for key, value in entry.items()}
