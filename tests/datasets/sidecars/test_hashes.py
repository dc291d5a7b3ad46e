"""The hashes: bits where the formula puts them, near for copies, far for others, and the command."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from vemo.cli import main
from vemo.datasets.sidecars.hashes import image_hashes
from vemo.datasets.stream import ShardSet


def blobs(seed: int) -> np.ndarray:
    """A smooth colourful picture of 200 x 150."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((200, 150), Image.Resampling.BICUBIC))


def grey(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def distance(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()


def test_a_wave_sets_the_bit_of_its_frequency():
    at = (np.arange(32) + 0.5) / 32
    for row, column in ((1, 1), (1, 8), (3, 2), (8, 8)):
        wave = np.outer(np.cos(np.pi * row * at), np.cos(np.pi * column * at))
        bits = int(image_hashes(grey(np.round(127 + 100 * wave)))["dct"], 16)
        place = (row - 1) * 8 + column - 1
        assert bits >> (63 - place) & 1, (row, column)
        # the rest is rounding to whole grey levels, which has no side
        faint = int(image_hashes(grey(np.round(127 - 100 * wave)))["dct"], 16)
        assert not faint >> (63 - place) & 1, (row, column)


def test_ramps_and_flat_pictures():
    across = grey(np.linspace(0, 255, 90)[None].repeat(80, axis=0))
    assert image_hashes(across)["difference"] == "f" * 16
    assert image_hashes(across[:, ::-1])["difference"] == "0" * 16
    halves = np.concatenate([across[:40], across[:40, ::-1]])
    assert image_hashes(halves)["difference"] == "f" * 8 + "0" * 8
    for level in (0, 77, 255):
        found = image_hashes(grey(np.full((50, 60), level)))
        assert found["dct"] == found["difference"] == "0" * 16
    assert len({image_hashes(grey(np.full((50, 60), level)))["pixels"] for level in (0, 77, 255)}) == 3


def again(pixels: np.ndarray, quality: int = 60, size: tuple[int, int] = (120, 90), light: float = 1.15):
    stream = io.BytesIO()
    image = ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(light)
    image.resize(size).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def test_copies_are_near_and_others_far():
    found = [image_hashes(blobs(seed)) for seed in range(12)]
    copies = [image_hashes(again(blobs(seed))) for seed in range(12)]
    for key in ("dct", "difference"):
        near = [distance(first[key], second[key]) for first, second in zip(found, copies)]
        far = [distance(a[key], b[key]) for n, a in enumerate(found) for b in found[:n]]
        assert max(near) < 12 < min(far), (key, near, min(far))
    assert all(first["pixels"] != second["pixels"] for first, second in zip(found, copies))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_pixels_are_the_same_in_any_lossless_format(form):
    stream = io.BytesIO()
    Image.fromarray(blobs(3)).save(stream, form)
    assert image_hashes(np.asarray(Image.open(stream))) == image_hashes(blobs(3))


def test_pictures_smaller_than_the_thumbnail():
    found = image_hashes(blobs(0)[:3, :2])
    assert len(found["dct"]) == len(found["difference"]) == 16 and len(found["pixels"]) == 64


def test_the_command(pictures, capsys):
    assert main(["shards", "hashes", str(pictures), "workers=0"]) == 0
    assert "says something of 18 of 18 samples" in capsys.readouterr().out
    shards = ShardSet(pictures, sidecars=["hashes"])
    found = [record["hashes"] for split in shards.splits for record in shards.records(split)]
    assert len({each["pixels"] for each in found}) == 18
    assert all(each.keys() == {"dct", "difference", "pixels"} for each in found)
    assert main(["shards", "hashes", str(pictures), "workrs=0"]) == 2
    assert "did you mean workers?" in capsys.readouterr().err
