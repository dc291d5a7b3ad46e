"""One pass over a shard set: of every sample its record, a thumbnail, and what is measured on its pixels."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...datasets.stream import ShardSet
from ...datasets.stream.decode import decode
from ...foundation.progress import Progress

SIDE = 16  # of a thumbnail: enough to tell pictures apart, 768 bytes each
SAMPLED = 128  # light is measured on a grid of at most so many points a side
THREADS = 4
CHUNK = 256


@dataclass(frozen=True, slots=True)
class Scan:
    """What the checks work on, N samples in the order of splits and shards.

    records: without overrides and captions' texts. splits: of every sample, and its `places` in it.
    thumbnails: uint8 [N, 3, SIDE, SIDE], area averages. pixels: sha256 of the decoded image.
    brightness, colorfulness: float32 [N] in [0, 1] (see `light`).
    """

    records: list[dict[str, Any]]
    splits: list[str]
    places: list[int]
    thumbnails: Tensor
    pixels: list[str]
    brightness: np.ndarray
    colorfulness: np.ndarray

    def __len__(self) -> int:
        return len(self.records)


def scan(shards: ShardSet) -> Scan:
    """Read and decode every sample once, in threads (decoders let go of Python's lock)."""
    where = [(split, place) for split in shards.splits for place in range(shards.count(split))]
    records: list[dict[str, Any]] = []
    thumbnails = torch.empty(len(where), 3, SIDE, SIDE, dtype=torch.uint8)
    pixels: list[str] = []
    lights = np.empty((len(where), 2), np.float32)
    for place, (record, thumbnail, digest, measured) in enumerate(_rows(shards, where)):
        records.append(record)
        thumbnails[place] = thumbnail
        pixels.append(digest)
        lights[place] = measured
    return Scan(
        records=records,
        splits=[split for split, _ in where],
        places=[place for _, place in where],
        thumbnails=thumbnails,
        pixels=pixels,
        brightness=lights[:, 0],
        colorfulness=lights[:, 1],
    )


def _rows(shards: ShardSet, where: list[tuple[str, int]]) -> Iterator[tuple[Any, ...]]:
    def look(place: tuple[str, int]) -> tuple[Any, ...]:
        record, data = shards.read(*place)
        image = decode(data)
        thumbnail = interpolate(image[None].float(), (SIDE, SIDE), mode="area")[0].round().to(torch.uint8)
        return _trimmed(record), thumbnail, pixels_sha256(image), light(image)

    with ThreadPoolExecutor(THREADS) as pool, Progress("audit: looking", len(where)) as progress:
        for start in range(0, len(where), CHUNK):
            yield from pool.map(look, where[start : start + CHUNK])
            progress.update(min(CHUNK, len(where) - start))


def _trimmed(record: dict[str, Any]) -> dict[str, Any]:
    """Without what no check reads: texts can be ten times the rest."""
    return {key: value for key, value in record.items() if key not in ("overrides", "captions", "persons")}


def pixels_sha256(image: Tensor) -> str:
    """The sha256 of size and pixels of uint8 [3, H, W]: the same for any file format that loses nothing."""
    digest = hashlib.sha256(repr(tuple(image.shape)).encode())
    digest.update(image.permute(1, 2, 0).contiguous().numpy().data)
    return digest.hexdigest()


def light(image: Tensor) -> tuple[float, float]:
    """Brightness and colourfulness of uint8 [3, H, W], both in [0, 1].

    Brightness is mean luma (ITU-R BT.601) over 255; colourfulness is Hasler and Süsstrunk's measure (2003)
    over 109, at most 1. EmoSet's own formulas are not public: these are our choice, and the built-in
    dataset's. Measured on every k-th pixel, which leaves mean and spread as they are.
    """
    step = max(1, -(-max(image.shape[1:]) // SAMPLED))
    red, green, blue = image[:, ::step, ::step].float()
    luma = 0.299 * red.mean() + 0.587 * green.mean() + 0.114 * blue.mean()
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = torch.hypot(red_green.std(correction=0), yellow_blue.std(correction=0))
    mean = torch.hypot(red_green.mean(), yellow_blue.mean())
    return float(luma / 255), min(1.0, float((spread + 0.3 * mean) / 109))
