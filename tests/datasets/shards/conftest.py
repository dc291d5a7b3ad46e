"""A small image folder to build from, and the hashes of whatever came out."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vemo.datasets.readers import ImageFolder
from vemo.datasets.shards import BuildConfig
from vemo.foundation.files import sha256_of

CLASSES = ("amusement", "awe", "anger", "sadness")


def jpeg(seed: int, width: int = 40, height: int = 30, **options) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 5 + 1, width // 5 + 1, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """make_jpeg(seed, width, height): other seeds, other pixels."""
    return jpeg


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """make_folder(count, split=None, first=0): a root with `count` JPEGs spread over four class folders."""

    def make(count: int, split: str | None = None, first: int = 0, root: str = "source") -> Path:
        for number in range(first, first + count):
            folder = tmp_path / root / (split or "") / CLASSES[number % len(CLASSES)]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05d}.jpg").write_bytes(jpeg(number))
        return tmp_path / root

    return make


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., BuildConfig]:
    """make_config(root, **settings): an image-folder build in this process, into tmp_path/out."""

    def make(root: Path, **settings) -> BuildConfig:
        values = {
            "out": tmp_path / "out",
            "workers": 0,
            "reader": {"kind": "image_folder", "space": "mikels8"},
        }
        return BuildConfig.model_validate(values | {"root": root} | settings)

    return make


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """hashes(folder): sha256 of every file below, hidden ones included."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def read_delay(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    """read_delay(before): call before(row) whenever the image-folder reader is about to read a row."""

    def wrap(before: Callable) -> None:
        original = ImageFolder._read
        monkeypatch.setattr(ImageFolder, "_read", lambda self, row: (before(row), original(self, row))[1])

    return wrap
