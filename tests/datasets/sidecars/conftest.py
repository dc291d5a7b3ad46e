"""A shard set to make sidecars for, drawn so that what a detector should find is known."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.sidecars import Description, Maker, Part, write_sidecar
from vemo.foundation.files import sha256_of

WIDTH, HEIGHT = 60, 40
EXIF_ROTATED = 6  # the stored image has to be turned by 90 degrees clockwise


def red_box(number: int) -> list[int]:
    """Where picture `number` is red: x1, y1, x2, y2 of the displayed image; [] for every third."""
    return [4 + number, 6, 24 + number, 36] if number % 3 else []


def picture(number: int) -> bytes:
    """A grey picture with a red box: a JPEG, or every fourth a JPEG that has to be turned to be shown."""
    pixels = np.random.default_rng(number).integers(60, 120, (HEIGHT, WIDTH, 1)).repeat(3, 2).astype(np.uint8)
    if box := red_box(number):
        x1, y1, x2, y2 = box
        pixels[y1:y2, x1:x2] = (255, 0, 0)
    image, options = Image.fromarray(pixels), {}
    if number % 4 == 0:
        exif = Image.Exif()
        exif[0x0112] = EXIF_ROTATED
        image, options = image.transpose(Image.Transpose.ROTATE_90), {"exif": exif}
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, subsampling=0, **options)
    return stream.getvalue()


def build_pictures(folder: Path, first: int = 0) -> Path:
    """14 pictures to train on in three shards, four to test on in one."""
    root = folder / "source"
    for split, numbers in (("train", range(14)), ("test", range(14, 18))):
        for number in numbers:
            path = root / split / "awe" / f"{number:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number + (first if number == 3 else 0)))
    reader = {"kind": "image_folder", "space": "mikels8"}
    return build(
        BuildConfig(root=root, out=folder / "set", reader=reader, workers=0, samples_per_shard=5)
    ).out


@pytest.fixture(scope="session")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def pictures(_pictures: Path, tmp_path: Path) -> Path:
    """A shard set of 18 pictures of the test's own."""
    return Path(shutil.copytree(_pictures, tmp_path / "set"))


@pytest.fixture(scope="session")
def other_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with another picture 3, so that one of its tars differs; not to be written to."""
    return build_pictures(tmp_path_factory.mktemp("others"), first=40)


def number_of(record: dict[str, Any]) -> int:
    """The number of the picture a record belongs to."""
    return int(record["id"][-6:-4])


def said(part: Part):
    """Rows of a column `said`, which no record has: the picture's number, nothing for every fifth."""
    numbers = map(number_of, part.records())
    return ({"said": number} if number % 5 else {} for number in numbers)


def vectors(part: Part):
    """Rows of an array: [2, 3], which begin with the picture's number."""
    return (np.arange(6, dtype=np.float16).reshape(2, 3) + number_of(record) for record in part.records())


def describe(name: str = "said", **changes: Any) -> Description:
    values = {
        "name": name,
        "kind": "records",
        "columns": ["said"],
        "made_by": Maker(name="a test"),
        "settings": {"loud": True},
        "command": f"vemo shards {name} DIR loud=true",
    }
    return Description.model_validate(values | changes)


@pytest.fixture
def description() -> Callable[..., Description]:
    """description(name, **changes): what `said` makes."""
    return describe


@pytest.fixture
def write_said() -> Callable[..., Any]:
    """write_said(folder, name="said", rows=said, workers=0, **changes): a sidecar with a column."""

    def write(folder: Path, name: str = "said", rows: Any = said, workers: int = 0, **changes: Any):
        return write_sidecar(folder, describe(name, **changes), rows, workers)

    return write


@pytest.fixture
def write_vectors() -> Callable[..., Any]:
    """write_vectors(folder, name="vectors", rows=vectors): a sidecar that is an array of float16 [2, 3]."""

    def write(folder: Path, name: str = "vectors", rows: Any = vectors, **changes: Any):
        array = {"kind": "array", "columns": [name], "dtype": "float16", "shape": [2, 3]}
        return write_sidecar(folder, describe(name, **array, **changes), rows, 0)

    return write


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """hashes(folder): sha256 of every file below."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def forge() -> Callable[..., None]:
    """forge(folder, name, file, content): put other rows into a sidecar, and their hash into sidecar.json."""

    def put(folder: Path, name: str, file: str, content: bytes) -> None:
        path = folder / "sidecars" / name / file
        path.write_bytes(content)
        about = json.loads((path.parent / "sidecar.json").read_bytes())
        about["shards"][path.stem] |= {"bytes": len(content), "sha256": sha256_of(path)}
        (path.parent / "sidecar.json").write_text(json.dumps(about))

    return put


@pytest.fixture(name="number_of")
def _number_of() -> Callable[..., int]:
    return number_of


@pytest.fixture(name="red_box")
def _red_box() -> Callable[..., list[int]]:
    return red_box


@pytest.fixture(name="said")
def _said() -> Callable[..., Any]:
    return said


@pytest.fixture(name="picture")
def _picture() -> Callable[..., bytes]:
    return picture
