"""Small shard sets, written with the builder's own tar writer."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.datasets.shards.tar import TarShard
from vemo.datasets.stream.transforms import horizontal_flip, random_resized_crop


def image_bytes(number: int, size: tuple[int, int] = (40, 30), form: str = "jpeg") -> bytes:
    """A small smooth picture that depends on `number`."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 5 + number * 7, columns * 5 + number * 3, rows * 2 + columns * 2]
    pixels = (np.stack(planes, -1) % 256).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def write_shards(
    folder: Path,
    samples: dict[str, int],
    per_shard: int = 6,
    image: Callable[[str, int], tuple[str, bytes]] = lambda split, number: ("jpg", image_bytes(number)),
) -> Path:
    """A finished shard set with ids `toy/SPLIT-NUMBER`."""
    folder.mkdir(parents=True, exist_ok=True)
    splits, lines = {}, []
    for split, count in samples.items():
        firsts = list(range(0, count, per_shard))
        for shard, first in enumerate(firsts):
            name = f"{split}-{shard:05d}"
            with TarShard(folder / f"{name}.tar") as tar:
                for number in range(first, min(first + per_shard, count)):
                    extension, data = image(split, number)
                    record = {
                        "id": f"toy/{split}-{number}",
                        "labels": {"mikels8": {"class": "awe"}},
                        "n": number,
                    }
                    tar.add(f"{split}-{number}", extension, data, json.dumps(record).encode())
                lines.append({"name": name, "split": split, "failures": [], **tar.finish()})
        splits[split] = {"samples": count, "shards": len(firsts)}
    # In order of completion, as a pool of processes would leave them.
    text = "".join(json.dumps(line) + "\n" for line in reversed(lines))
    (folder / "shards.jsonl").write_text(text)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "dataset": "toy", "splits": splits}))
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """23 training samples in 4 shards, 11 validation samples in 2."""
    return write_shards(tmp_path / "toy", {"train": 23, "val": 11})


class RandomView:
    """A view with everything random in it, picklable."""

    def __call__(self, image_loader, record, seed):
        generator = np.random.default_rng(seed)
        image = random_resized_crop(image_loader(), 8, (0.2, 1.0), (3 / 4, 4 / 3), generator)
        return {"image": horizontal_flip(image, generator), "id": record["id"], "draw": generator.random()}


@pytest.fixture
def random_view() -> RandomView:
    return RandomView()


def same(left: dict, right: dict) -> bool:
    """Whether two batches are equal, bit for bit."""
    return left.keys() == right.keys() and all(
        torch.equal(left[key], right[key]) if isinstance(left[key], torch.Tensor) else left[key] == right[key]
        for key in left
    )


@pytest.fixture(name="write_shards")
def _write_shards():
    return write_shards


@pytest.fixture(name="image_bytes")
def _image_bytes():
    return image_bytes


@pytest.fixture(name="same")
def _same():
    return same
