"""Reading without decoding: image bytes and parsed record, ours against webdataset, on the same shards.

    .venv/bin/python benchmarks/reading.py PHOTOS [--rounds 9]

PHOTOS is a folder or an archive of JPEGs; they are packed again and again into training shards (shorter side
256) of 500 samples. Batches of 64 lists of (record, bytes), CPU time of the whole process tree, candidates in
alternation, warm cache. Ours reads in the random order of an epoch; webdataset in sequence without shuffling,
which is its best case.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import webdataset
from common import measure, write_result
from stream import lay_out
from torch.utils.data import DataLoader, Dataset
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.datasets.stream.order import epoch_order

BATCH = 64


class Ours(Dataset[Any]):
    def __init__(self, shards: ShardSet) -> None:
        self.shards = shards

    def __getitem__(self, indices: list[int]) -> list[Any]:
        return [self.shards.read("train", index) for index in indices]


def unchanged(batch: Any) -> Any:
    return batch


def parsed(sample: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return json.loads(sample["json"]), sample["jpg"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("photos", type=Path, help="a folder of JPEGs, or a tar of them")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--samples", type=int, default=4000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shards = pack(given.photos, Path(scratch), given.samples)
        count = shards.count("train")
        urls = sorted(str(path) for path in shards.folder.glob("*.tar"))
        candidates = {}
        for workers in (0, 2):
            candidates[f"ours, {workers} workers"] = ours(shards, workers)
            candidates[f"webdataset, {workers} workers"] = theirs(urls, count, workers)
        seconds = measure(candidates, given.rounds)
        report(given.photos.name, shards, seconds)


def ours(shards: ShardSet, workers: int) -> Callable[[], None]:
    count = shards.count("train")

    def run() -> None:
        order = epoch_order(count, 0, 0).tolist()
        batches = [order[first : first + BATCH] for first in range(0, count, BATCH)]
        loader = DataLoader(
            Ours(shards), batch_size=None, sampler=batches, num_workers=workers, collate_fn=unchanged
        )
        assert sum(len(batch) for batch in loader) == count

    return run


def theirs(urls: list[str], count: int, workers: int) -> Callable[[], None]:
    def run() -> None:
        dataset = (
            webdataset.WebDataset(urls, shardshuffle=False).map(parsed).batched(BATCH, collation_fn=None)
        )
        loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=workers)
        assert sum(len(batch) for batch in loader) == count

    return run


def report(name: str, shards: ShardSet, seconds: Any) -> None:
    count = shards.count("train")
    rows: dict[str, Any] = {
        candidate: {
            "cpu_ms_per_image": round(1000 * figures["median"] / count, 4),
            "min": round(1000 * figures["min"] / count, 4),
            "max": round(1000 * figures["max"] / count, 4),
        }
        for candidate, figures in seconds.items()
    }
    ratios = {}
    for workers in (0, 2):
        mine, other = (seconds[f"{who}, {workers} workers"]["rounds"] for who in ("ours", "webdataset"))
        each = [b / a for a, b in zip(mine, other)]
        low, high = np.percentile(each, (25, 75))
        ratios[f"{workers} workers"] = {
            "webdataset_over_ours": round(statistics.median(each), 2),
            "quartiles": [round(float(low), 2), round(float(high), 2)],
            "holds": statistics.median(each) >= 1,
        }
    payload = {
        "claim": "reading without decoding is no slower than webdataset on the same shards",
        "data": {
            "name": name,
            "samples": count,
            "mean_bytes": round(sum(e.stat().st_size for e in shards.folder.glob("*.tar")) / count),
        },
        "rounds": len(next(iter(seconds.values()))["rounds"]),
        "ratios": ratios,
        "candidates": rows,
    }
    print(write_result("reading", payload))


def pack(photos: Path, scratch: Path, samples: int) -> ShardSet:
    files = lay_out(photos, scratch / "source")
    config: dict[str, Any] = {
        "root": scratch / "source",
        "out": scratch / "once",
        "workers": 0,
        "short_side": 256,
        "reader": {"kind": "image_folder", "space": "polarity2"},
        "splits": {"train": 1.0},
    }
    build(BuildConfig.model_validate(config))
    once = ShardSet(scratch / "once")
    small = [once.read("train", index)[1] for index in range(once.count("train"))]
    folder = scratch / "many" / "positive"
    folder.mkdir(parents=True)
    for number in range(samples):
        (folder / f"{number}.jpg").write_bytes(small[number % len(files)])
    config |= {
        "root": scratch / "many",
        "out": scratch / "shards",
        "short_side": None,
        "samples_per_shard": 500,
    }
    build(BuildConfig.model_validate(config))
    return ShardSet(scratch / "shards")


if __name__ == "__main__":
    main()
