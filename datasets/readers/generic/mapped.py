"""What `table`, `hf_datasets` and `webdataset` share: rows and samples by way of a column mapping."""

import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ..base import FolderConfig, Reader, Row, SampleError
from .cells import absent
from .columns import Columns
from .image_folder import SPLITS

ORIENTATION_TAG = 0x0112  # EXIF; from 5 on, width and height change places


class MappedConfig(FolderConfig):
    """What the configs of the generic readers share."""

    dataset: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="the dataset's name, in every record")
    licence: str = "unknown"
    expected: dict[str, int] = Field(
        default={},
        description="split: how many samples there should be; the build warns where it lists others",
    )
    columns: Columns = Field(description="which column means what")


class MappedReader(Reader):
    """A reader whose dataset, licence and spaces are the config's, and whose samples are mapped lines."""

    spaces = ()
    licence = "as the config states"
    config: Any

    def __init__(self, config: Any, root: Path) -> None:
        self.dataset, self.licence = config.dataset, config.licence
        super().__init__(config, root)
        self.expected = config.expected
        self.columns: Columns = config.columns
        self.columns.check_spaces()
        self.spaces = tuple(self.columns.labels)

    def _image(self, row: Row) -> bytes:
        raise NotImplementedError

    def _mapped_row(
        self, values: Mapping[str, Any], where: str, place: Any, default: str, split: str | None, path: str
    ) -> Row:
        """The row of one line.

        where: the line, in words. place: what `_image` needs, JSON-able. default: the id, unless a column has
        one. split: that of the file, unless a column has one. path: the image.
        """
        columns = self.columns
        picked = columns.picked(values)
        cells = {key: picked.get(column) for key, column in columns.used() if key in ("id", "split", "group")}
        identifier = default if absent(cells.get("id")) else str(cells["id"]).strip()
        group = None if absent(cells.get("group")) else str(cells["group"]).strip()
        facts = {"values": picked, "where": where, "place": place}
        if not absent(cells.get("split")):
            text = str(cells["split"]).strip()
            split = columns.splits.get(text, SPLITS.get(text.lower()))
            if split is None:
                detail = (
                    f"{where}: split {text!r} is not one of {', '.join(SPLITS)} (see reader.columns.splits)"
                )
                facts, split = {"failure": ["bad_row", detail]}, None
        return Row(identifier, split, group, path, facts)

    def broken_row(self, where: str, identifier: str, split: str | None, reason: str, detail: str) -> Row:
        """A row that only says why it cannot be read."""
        return Row(identifier, split, None, "", {"failure": [reason, f"{where}: {detail}"]})

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self._image(row)
        boxed = self.columns.persons or self.columns.faces
        try:
            known = self.columns.known(row.facts["values"], stored_size(image) if boxed else None)
        except UserError as error:
            raise SampleError("bad_annotation", f"{row.facts['where']}: {error}") from None
        return self.sample(row, image, **known), image

    def stretch(self, tar: str, offset: int, size: int, what: str) -> bytes:
        """A part of a tar below the root: the bytes of `what`."""
        try:
            with self.inside(tar).open("rb") as stream:
                stream.seek(offset)
                data = stream.read(size)
        except OSError as error:
            raise SampleError("unreadable", f"{tar}: {error}") from None
        if len(data) != size:
            raise SampleError("unreadable", f"{what}: {tar} ends inside it")
        return data

    def stored_bytes(self, cell: Any, where: str) -> bytes:
        """The image in a cell: its bytes, or Hugging Face's {bytes, path}, of which one may be empty."""
        path = None
        if isinstance(cell, Mapping):
            cell, path = cell.get("bytes"), cell.get("path")
        if isinstance(cell, bytes) and cell:
            return cell
        if cell is not None and not isinstance(cell, bytes):
            detail = f"{where}: the image column holds {type(cell).__name__}, not bytes"
            raise SampleError("bad_row", detail)
        if path:
            below = Path(path).is_relative_to(self.root)
            return self.image_bytes(Path(path).relative_to(self.root).as_posix() if below else str(path))
        raise SampleError("missing_image", f"{where}: no image in it")

    def files_of(self, patterns: str | Mapping[str, str], key: str) -> list[tuple[str | None, str]]:
        """(split, path below the root) of every file that the config's `key` names, each pattern's sorted."""
        found: dict[str, str | None] = {}
        named = patterns.items() if isinstance(patterns, Mapping) else [(None, patterns)]
        for split, pattern in named:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or not pattern:
                raise UserError(f"reader.{key}: {pattern!r} must be a path or pattern below the root")
            exact = self.root / pattern
            paths = [exact] if exact.is_file() else self.root.glob(pattern)
            names = [path.relative_to(self.root).as_posix() for path in paths if path.is_file()]
            names = sorted(name for name in names if not PurePosixPath(name).name.startswith("."))
            if not names:
                raise UserError(f"{self.root}: no file {pattern} (reader.{key}). {self.how_to_get}")
            for name in names:
                if found.setdefault(name, split) != split:
                    raise UserError(f"reader.{key}: {name} is in two splits, {found[name]} and {split}")
                self._stays_inside(name)
        return [(split, name) for name, split in found.items()]

    def _stays_inside(self, name: str) -> None:
        try:
            self.inside(name)
        except SampleError as error:
            raise UserError(f"{self.root}: {error.detail}") from None


def stored_size(image: bytes) -> tuple[int, int] | None:
    """Width and height in pixels with EXIF orientation applied; None where the header cannot be read."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            width, height = opened.size
            turned = opened.getexif().get(ORIENTATION_TAG, 1) >= 5
    except Exception:  # any damage at all: whoever decodes the image will give the reason
        return None
    return (height, width) if turned else (width, height)
