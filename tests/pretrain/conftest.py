"""A model, a teacher and batches small enough for every test."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from vemo.datasets.shards import BuildConfig, build
from vemo.pretrain.masked_autoencoder import ModelConfig
from vemo.pretrain.teachers.teacher import Teacher

SMALL = ModelConfig(
    image_size=32,
    patch_size=8,
    width=32,
    depth=2,
    heads=2,
    decoder_width=16,
    decoder_depth=1,
    decoder_heads=2,
)


class RandomTeacher(Teacher):
    """A fixed random projection of pixels and of character counts: meaningless and quick."""

    def __init__(self, width=16):
        torch.manual_seed(0)
        towers = nn.ModuleDict({"image": nn.Linear(48, width), "text": nn.Linear(128, width)})
        super().__init__(
            towers,
            name="random",
            description={},
            width=width,
            image_size=16,
            logit_scale=100.0,
            remembered_sentences=100,
        )

    def _image_features(self, images):
        small = nn.functional.adaptive_avg_pool2d(images.float() / 255 - 0.5, 4)
        return self.__dict__["towers"]["image"](small.flatten(1))

    def _text_features(self, sentences):
        counts = torch.zeros(len(sentences), 128)
        for row, sentence in enumerate(sentences):
            for letter in sentence:
                counts[row, ord(letter) % 128] += 1
        return self.__dict__["towers"]["text"](counts)


def make_batch(count=6, size=32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def images():
        coarse = torch.rand(count, 3, 4, 4, generator=generator)
        return (nn.functional.interpolate(coarse, size) * 255).to(torch.uint8)

    return {
        "scene": images(),
        "person": images(),
        "has_person": torch.arange(count) % 2 == 0,
        "sentence": [f"The overall emotion conveyed is {'abcdefghij'[row]}." for row in range(count)],
        "index": torch.arange(count),
        "seed": torch.randint(-(2**62), 2**62, (count,), generator=generator),
    }


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # on models this small more threads only wait for each other
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small():
    return SMALL


@pytest.fixture
def teacher():
    return RandomTeacher()


@pytest.fixture
def batch():
    return make_batch()


@pytest.fixture
def batch_of():
    return make_batch


@pytest.fixture
def teacher_of():
    return RandomTeacher


CLASSES = ("amusement", "awe", "anger", "fear")


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """Four classes of coloured stripes, 12 images each in train and test."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for place, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(12):
                noise = generator.integers(0, 60, (40, 40, 3))
                stripes = (np.indices((40, 40))[place % 2] // (3 + 3 * place) % 2 * 180)[..., None]
                Image.fromarray((noise + stripes).astype(np.uint8)).save(folder / f"{number}.png")
    out = tmp_path_factory.mktemp("shards") / "set"
    reader = {"kind": "image_folder", "space": "mikels8"}
    build(BuildConfig(root=root, out=out, reader=reader, workers=0, samples_per_shard=20))
    return out
