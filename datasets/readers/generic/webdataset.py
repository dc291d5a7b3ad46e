"""Other people's WebDataset shards: tars in which consecutive members of one key make a sample.

The key is a member's path up to the first dot of its name, the rest is what kind of member it is:
`000123.jpg`, `000123.json`, `000123.cls`. Only images and a short list of kinds of text are ever opened;
nothing is unpickled. webdataset itself ends a damaged tar without a word; here the damage is a failure.
"""

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ..base import IMAGE_SUFFIXES, Row, SampleError
from .cells import names_in
from .mapped import MappedConfig, MappedReader

IMAGES = frozenset(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
JSONS = frozenset({"json", "jsn"})
TEXTS = frozenset({"txt", "text", "transcript", "caption", "cls", "class", "index", "id"})
KEY = "__key__"
LARGEST_TEXT = 16 * 2**20  # bytes; our choice
BLOCK = 512  # bytes; a whole tar ends with blocks of zeros

Members = list[tuple[str, int, int]]  # kind, offset and size in the tar


class WebDatasetConfig(MappedConfig):
    """Columns are kinds of members (`cls`, `txt`), what a JSON member holds (`json.emotion`), or `__key__`.

    columns.image is the kind of the image member, where samples have several.
    """

    kind: Literal["webdataset"] = "webdataset"
    dataset: str = Field(default="webdataset", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    shards: str | dict[str, str] = Field(
        default="**/*.tar", description="a pattern below the root, or split: pattern"
    )


class WebDataset(MappedReader):
    """One row a sample; ids are the tar's path and the key, because keys often start anew in every tar."""

    dataset = "webdataset"
    how_to_get = "Put the tars (uncompressed) under one folder, the root. For vemo's own sets: kind shards."
    summary = "any WebDataset tars with images and json, txt or cls members; mapped in the config"
    config_class = WebDatasetConfig

    def __init__(self, config: WebDatasetConfig, root: Path) -> None:
        super().__init__(config, root)
        self.tars = self.files_of(config.shards, "shards")
        if self.columns.path is not None:
            raise UserError("reader.columns.path: a WebDataset holds its images; give image or nothing")
        for key, column in self.columns.used():
            allowed = IMAGES if key == "image" else JSONS | TEXTS | {KEY}
            kind = column if key == "image" else column.partition(".")[0]
            if kind not in allowed:
                raise UserError(
                    f"reader.columns.{key}: {kind!r} is no kind of member that is opened here, only "
                    f"{', '.join(sorted(allowed))}; what a JSON member holds is called json.NAME"
                )
        columns = (column for key, column in self.columns.used() if key != "image")
        self.kinds = {column.partition(".")[0] for column in columns} - {KEY}

    def _rows(self) -> Iterator[Row]:
        known: dict[str, None] = {}
        for split, tar in self.tars:
            members, damage = scan(self.root / tar)
            split_up = [(*_key_and_kind(name), offset, size) for name, offset, size in members]
            named = [member for member in split_up if member[0] and member[1]]
            for key, group in groupby(named, key=lambda member: member[0]):
                yield self._row(tar, split, key, [member[1:] for member in group], known)
            if damage:
                yield self.broken_row(tar, f"{tar}~damage", split, "unreadable", damage)
        if known:  # else not one sample could be read, and that is what there is to say
            self.columns.check_names([KEY, *known], f"{self.root}, all samples")

    def _row(self, tar: str, split: str | None, key: str, members: Members, known: dict[str, None]) -> Row:
        where, identifier = f"{tar}, sample {key}", f"{tar.removesuffix('.tar')}/{key}"
        try:
            image = self._image_member(members)
            values = {KEY: key, **self._texts(tar, members)}
        except SampleError as error:
            return self.broken_row(where, identifier, split, error.reason, error.detail)
        known.update(dict.fromkeys([*(kind for kind, _, _ in members), *names_in(values)]))
        kind, *place = image
        return self._mapped_row(values, where, [tar, *place], identifier, split, f"{tar}/{key}.{kind}")

    def _image_member(self, members: Members) -> tuple[str, int, int]:
        """The image; SampleError where the sample is not whole."""
        kinds = [kind for kind, _, _ in members]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise SampleError("bad_row", f"two members {', '.join(twice)}")
        images = [
            m for m in members if (m[0] == self.columns.image if self.columns.image else m[0] in IMAGES)
        ]
        if not images:
            raise SampleError("missing_image", f"no image among its members {', '.join(kinds)}")
        if len(images) > 1:
            several = ", ".join(kind for kind, _, _ in images)
            raise SampleError("bad_row", f"images {several}: say which in reader.columns.image")
        if self.kinds and not self.kinds & set(kinds):
            wanted = ", ".join(sorted(self.kinds))
            raise SampleError("missing_annotation", f"no member {wanted}; there is {', '.join(kinds)}")
        return images[0]

    def _texts(self, tar: str, members: Members) -> dict[str, Any]:
        """What the members that the mapping names say."""
        found: dict[str, Any] = {}
        for kind, offset, size in members:
            if kind not in self.kinds:
                continue
            if size > LARGEST_TEXT:
                raise SampleError("too_large", f"member {kind} has {size:,} bytes")
            data = self.stretch(tar, offset, size, kind)
            try:
                text = data.decode("utf-8-sig")
                found[kind] = json.loads(text) if kind in JSONS else text.strip()
            except (ValueError, RecursionError) as error:  # broken JSON or broken UTF-8
                raise SampleError("bad_annotation", f"member {kind}: {error}") from None
        return found

    def _image(self, row: Row) -> bytes:
        tar, offset, size = row.facts["place"]
        return self.stretch(tar, offset, size, row.path)


def scan(tar: Path) -> tuple[Members, str]:
    """(name, offset, size) of every regular file in a tar, and what is wrong with it ("": nothing).

    A tar that was cut off, or that has a damaged header in its middle, gives the members before the damage.
    """
    members: Members = []
    try:
        length = tar.stat().st_size
        with tarfile.open(tar, "r:") as opened:
            for member in opened:
                if member.isreg() and not member.issparse():
                    members.append((member.name, member.offset_data, member.size))
                if member.offset_data + member.size > length:
                    return members, f"cut off inside {member.name}"
            stop = opened.offset
        with tar.open("rb") as stream:
            stream.seek(stop)
            end = stream.read(2**20)
    except (OSError, tarfile.TarError) as error:
        return members, f"no tar, or a damaged one ({error}) after {len(members)} files"
    if len(end) < BLOCK:
        what = "cut off"
    elif any(end[:BLOCK]):
        what = "damaged header"
    elif any(end):
        what = "more data behind the end mark"
    else:
        return members, ""
    return members, f"{what} at byte {stop:,}, after {len(members)} files"


def _key_and_kind(name: str) -> tuple[str, str]:
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, kind = base.partition(".")
    return (f"{folder}{slash}{stem}" if stem else ""), kind.lower()
