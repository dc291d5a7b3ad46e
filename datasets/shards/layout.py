"""Names and files of a shard set: what lies where in the folder, and how a sample is called inside a tar."""

import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...foundation.files import parse_json_lines, read_json_lines
from ..remote import read, read_if_there, read_ranges
from .tar import index_path, index_url

FORMAT = 1
MANIFEST = "manifest.json"
SHARDS = "shards.jsonl"
FAILURES = "failures.jsonl"
WORK = ".build"  # the plan of an unfinished build; gone when the manifest is there
SHARD_FILE = re.compile(r"^[a-z0-9_-]+-\d{5,}\.(tar|index\.npy)(\.part)?$")
SPLIT_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,40}$")
MAX_KEY = 80
# Records behind a URL: a request costs as much as some 100 KB of images that nobody asked for.
MAX_GAP, MAX_STRETCH, STRETCHES_AT_ONCE = 128 * 2**10, 4 * 2**20, 16
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")


def shard_name(split: str, index: int) -> str:
    """`train`, 7 → `train-00007`."""
    return f"{split}-{index:05d}"


def member_key(identifier: str) -> str:
    """A sample's name inside a tar: readable, without dot, slash or anything but ASCII, ≤ 80 characters.

    webdataset cuts names at the first dot, so ids that had to be changed carry 12 digits of their sha256.
    """
    plain = _NOT_PLAIN.sub("_", identifier)
    if plain == identifier and len(plain) <= MAX_KEY:
        return plain
    return f"{plain[: MAX_KEY - 13]}-{sha256_of_text(identifier).hex()[:12]}"


def sha256_of_text(text: str) -> bytes:
    """The 32 bytes of a text's sha256; file names that are no UTF-8 have one too."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def json_line(value: dict[str, Any]) -> bytes:
    """A line of shards.jsonl or failures.jsonl: the same bytes for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def has_manifest(folder: Path | str) -> bool:
    """Whether the shard set in a folder, or behind a URL, is finished."""
    if isinstance(folder, str):
        return read_if_there(f"{folder}/{MANIFEST}") is not None
    return (folder / MANIFEST).exists()


def finished_shards(folder: Path | str) -> dict[str, dict[str, Any]]:
    """The lines of shards.jsonl by shard name; of two lines for one shard the later counts."""
    if isinstance(folder, str):
        lines = parse_json_lines(read_if_there(f"{folder}/{SHARDS}") or b"")
    else:
        lines = read_json_lines(folder / SHARDS)
    return {
        line["name"]: line for line in lines if isinstance(line, dict) and isinstance(line.get("name"), str)
    }


def read_index(tar: Path | str) -> np.ndarray:
    """int64 [n, 4]: data offset and size of the image and of the record. OSError or ValueError on damage."""
    file = io.BytesIO(read(index_url(tar))) if isinstance(tar, str) else index_path(tar)
    index = np.load(file, allow_pickle=False)
    if index.ndim != 2 or index.shape[1] != 4 or index.dtype != np.int64:
        raise ValueError(f"an index is int64 [n, 4], this is {index.dtype} {list(index.shape)}")
    return index


def read_records(tar: Path | str, places: Collection[int] | None = None) -> Iterator[dict[str, Any]]:
    """The records of a shard, or those at some `places`, in order, without reading its images; behind a URL
    small ones are read along."""
    index = read_index(tar)
    if places is not None:
        index = index[sorted(places)]
    if isinstance(tar, str):
        stretches = _stretches((at, at + size) for _, _, at, size in index.tolist())
        while group := list(islice(stretches, STRETCHES_AT_ONCE)):
            contents = read_ranges(tar, [each[0][0] for each in group], [each[-1][1] for each in group])
            for stretch, content in zip(group, contents):
                first = stretch[0][0]
                yield from (json.loads(content[start - first : end - first]) for start, end in stretch)
        return
    with tar.open("rb") as stream:
        for _, _, offset, size in index.tolist():
            stream.seek(offset)
            yield json.loads(stream.read(size))


def _stretches(spans: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Spans of bytes in lists that are worth one request each."""
    part: list[tuple[int, int]] = []
    for start, end in spans:
        if part and (start - part[-1][1] > MAX_GAP or end - part[0][0] > MAX_STRETCH):
            yield part
            part = []
        part.append((start, end))
    if part:
        yield part
