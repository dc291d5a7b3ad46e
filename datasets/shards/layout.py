"""Names and files of a shard set: what lies where in the folder, and how a sample is called inside a tar."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...foundation.files import read_json_lines
from .tar import index_path

FORMAT = 1
MANIFEST = "manifest.json"
SHARDS = "shards.jsonl"
FAILURES = "failures.jsonl"
WORK = ".build"  # the plan of an unfinished build; gone when the manifest is there
SHARD_FILE = re.compile(r"^[a-z0-9_-]+-\d{5,}\.(tar|index\.npy)(\.part)?$")
SPLIT_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,40}$")
MAX_KEY = 80
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


def finished_shards(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of shards.jsonl by shard name; of two lines for one shard the later counts."""
    lines = read_json_lines(folder / SHARDS)
    return {
        line["name"]: line for line in lines if isinstance(line, dict) and isinstance(line.get("name"), str)
    }


def read_index(tar: Path) -> np.ndarray:
    """int64 [n, 4]: data offset and size of the image and of the record. OSError or ValueError on damage."""
    index = np.load(index_path(tar), allow_pickle=False)
    if index.ndim != 2 or index.shape[1] != 4 or index.dtype != np.int64:
        raise ValueError(f"an index is int64 [n, 4], this is {index.dtype} {list(index.shape)}")
    return index


def read_records(tar: Path) -> Iterator[dict[str, Any]]:
    """The records of a shard in order, without reading its images."""
    with tar.open("rb") as stream:
        for _, _, offset, size in read_index(tar).tolist():
            stream.seek(offset)
            yield json.loads(stream.read(size))
