"""Shards with a val split, and an encoder small enough for every test."""

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.datasets.shards import BuildConfig, build
from vemo.zoo import Architecture, Preprocessing, ReleaseDescription, build_trunk, save_release

CLASSES = ("amusement", "awe", "anger", "fear")
SIZES = {"train": 10, "val": 4, "test": 5}


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """Four classes of coloured stripes."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, count in SIZES.items():
        for place, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = generator.integers(0, 60, (40, 40, 3))
                stripes = (np.indices((40, 40))[place % 2] // (3 + 3 * place) % 2 * 180)[..., None]
                Image.fromarray((noise + stripes).astype(np.uint8)).save(folder / f"{number}.png")
    out = tmp_path_factory.mktemp("shards") / "set"
    reader = {"kind": "image_folder", "space": "mikels8"}
    build(BuildConfig(root=root, out=out, reader=reader, workers=0, samples_per_shard=20))
    return out


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """A tiny untrained ViT as `vemo pretrain` releases one."""
    arguments = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2}
    torch.manual_seed(0)
    trunk = build_trunk(arguments, positions="sincos2d")
    folder = tmp_path_factory.mktemp("release")
    about = ReleaseDescription(
        name="tiny",
        architecture=Architecture(arguments=arguments, positions="sincos2d", pooling="mean"),
        preprocessing=Preprocessing(image_size=32),
        licence="CC-BY-4.0",
    )
    save_release(folder, trunk.state_dict(), about)
    return folder
