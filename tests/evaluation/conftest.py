"""A small shard set of striped pictures: polarity is the direction of the stripes, colours say nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from vemo.datasets.shards import BuildConfig, build
from vemo.zoo import load_encoder

SIDE = 32
TAGS = ("positive", "negative", "neutral")


def striped(tag: str, random: np.random.Generator) -> np.ndarray:
    """Stripes down, across or aslant, of two random colours and a random phase; uint8 [SIDE, SIDE, 3]."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = {"positive": rows, "negative": columns, "neutral": rows + columns}[tag]
    stripes = (along + random.integers(8)) // 4 % 2
    return random.integers(0, 256, (2, 3), dtype=np.uint8)[stripes]


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 pictures in the tweets' layout: 75 labelled, 15 not; the last ten are copies of the first ten."""
    root = tmp_path_factory.mktemp("tweets")
    (root / "data").mkdir()
    (root / "label").mkdir()
    random = np.random.default_rng(0)
    lines = ["guid,tag"]
    for number in range(80):
        tag = TAGS[number % 3]
        Image.fromarray(striped(tag, random)).save(root / f"data/{number}.jpg", quality=95)
        if number < 65:
            lines.append(f"{number},{tag}")
    for number in range(10):
        (root / f"data/{80 + number}.jpg").write_bytes((root / f"data/{number}.jpg").read_bytes())
        lines.append(f"{80 + number},{TAGS[number % 3]}")
    (root / "label/train.txt").write_text("\n".join(lines))
    out = tmp_path_factory.mktemp("shards")
    build(
        BuildConfig.model_validate(
            {
                "root": root,
                "out": out,
                "reader": {"kind": "tweets"},
                "workers": 1,
                "samples_per_shard": 20,
                "splits": {"train": 0.6, "test": 0.4},
            }
        )
    )
    return out


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder with a weights file: random weights of another seed than the untrained baseline's."""
    file = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_file(load_encoder("timm:test_vit:32", random=True, seed=7).model.state_dict(), file)
    return f"timm:test_vit:32@{file}"
