"""Copies: identical and nearly identical images, in one shard set or between two.

Nearly identical means the same picture cropped a little, resized, re-encoded, made lighter or darker. Each
image is described by its thumbnail at two scales, every channel freed of its mean, and the whole brought to
length 1; two images are compared by the mean of the two cosines (our choice; what it finds and misses on
planted copies is measured by benchmarks/audit.py).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from .scan import SIDE, Scan

NEAR = 0.95  # mean cosine from which on a pair counts as near duplicates
SLACK = 0.03  # a pair whose coarse cosine alone is further below is not looked at again
FLAT = 4.0  # grey levels; a thumbnail that varies less shows nothing that could be compared
CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples by their places in the scan(s), how alike they are, and how: file, pixels or near."""

    first: int
    second: int
    similarity: float
    kind: str


def describe(thumbnails: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 [N, 3, 16, 16] → coarse [N, 192] and fine [N, 768] of length 1, and bool [N]: shows something."""
    count = len(thumbnails)
    coarse, fine = torch.empty(count, 3 * 8 * 8), torch.empty(count, 3 * SIDE * SIDE)
    shown = torch.empty(count, dtype=torch.bool)
    for start in range(0, count, CHUNK):  # in pieces: the whole would be held four times over
        part = slice(start, start + CHUNK)
        pixels = thumbnails[part].float()
        for scale, found in ((avg_pool2d(pixels, SIDE // 8), coarse), (pixels, fine)):
            channels = scale.flatten(2)
            found[part] = normalize((channels - channels.mean(2, keepdim=True)).flatten(1))
        shown[part] = pixels.flatten(2).std(dim=2).amax(dim=1) >= FLAT
    return coarse, fine, shown


def near_pairs(
    first: Tensor, second: Tensor | None = None, threshold: float = NEAR
) -> list[tuple[int, int, float]]:
    """(i, j, similarity) of every pair at least that alike; thumbnails [N, …] among themselves (i < j) or
    against others [M, …].

    Exhaustive: N·M products of 192 numbers, a matrix product in pieces, so memory stays flat.
    """
    here = describe(first)
    there = here if second is None else describe(second)
    found: list[tuple[int, int, float]] = []
    for top in range(0, len(first), CHUNK):
        for left in range(top if second is None else 0, len(there[0]), CHUNK):
            cosine = here[0][top : top + CHUNK] @ there[0][left : left + CHUNK].T
            rows, columns = torch.nonzero(cosine >= threshold - SLACK, as_tuple=True)
            i, j = rows + top, columns + left
            kept = here[2][i] & there[2][j]
            if second is None:
                kept &= i < j
            i, j, coarse = i[kept], j[kept], cosine[rows[kept], columns[kept]]
            similarity = (coarse + (here[1][i] * there[1][j]).sum(1)) / 2
            near = similarity >= threshold
            found += zip(i[near].tolist(), j[near].tolist(), similarity[near].tolist())
    return found


def duplicate_pairs(here: Scan, there: Scan | None = None, threshold: float = NEAR) -> list[Pair]:
    """All pairs of copies, each once; identical ones join every member to the first of their kind."""
    pairs: dict[tuple[int, int], Pair] = {}
    other = there or here
    keys = {"file": lambda s: [r["source"].get("sha256") for r in s.records], "pixels": lambda s: s.pixels}
    for kind, key in keys.items():
        firsts: dict[str, int] = {}
        for place, value in enumerate(key(here)):
            if value is not None and there is None and value in firsts:
                pairs.setdefault((firsts[value], place), Pair(firsts[value], place, 1.0, kind))
            elif value is not None:
                firsts.setdefault(value, place)
        for place, value in enumerate(key(other) if there else ()):
            if value in firsts:
                pairs.setdefault((firsts[value], place), Pair(firsts[value], place, 1.0, kind))
    for i, j, similarity in near_pairs(here.thumbnails, there.thumbnails if there else None, threshold):
        if here.pixels[i] != other.pixels[j]:
            pairs.setdefault((i, j), Pair(i, j, similarity, "near"))
    return sorted(pairs.values(), key=lambda pair: (pair.first, pair.second))


def clusters(count: int, pairs: list[Pair]) -> list[list[int]]:
    """Samples joined by pairs, directly or through others; those of two or more, in order of appearance."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for pair in pairs:
        low, high = sorted((root(pair.first), root(pair.second)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for node in range(count):
        members.setdefault(root(node), []).append(node)
    return [each for each in members.values() if len(each) > 1]


def copy_clusters(scan: Scan, pairs: list[Pair]) -> list[list[int]]:
    """`clusters` of more than one file: samples that are the people of one image are no copies."""
    files = [(record["source"]["path"], record["source"].get("sha256")) for record in scan.records]
    return [each for each in clusters(len(scan), pairs) if len({files[place] for place in each}) > 1]


def summary(scan: Scan, pairs: list[Pair]) -> dict[str, Any]:
    """Counts of clusters and leaks by kind, for the report."""
    result: dict[str, Any] = {}
    for name, kinds in (("identical", ("file", "pixels")), ("identical or near", ("file", "pixels", "near"))):
        found = copy_clusters(scan, [pair for pair in pairs if pair.kind in kinds])
        result[name] = {
            "groups": len(found),
            "images": sum(map(len, found)),
            "largest": max(map(len, found), default=0),
            "groups across splits": sum(len({scan.splits[i] for i in each}) > 1 for each in found),
        }
    return result
