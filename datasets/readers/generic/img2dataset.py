"""Datasets that are lists of URLs: what img2dataset (1.47) made of one, whichever way it stored the images.

    00000.parquet       a row for every URL, downloaded or not: url, key, status, error_message, width, …, the
                        hash of what was downloaded, and the columns that --save_additional_columns kept
    00000.tar           KEY.jpg, KEY.json (output_format webdataset); or a folder 00000/ of them (files); or
                        neither, and the images are a column of the Parquet file (parquet)
    00000_stats.json    how many URLs; written last: a shard without it was not finished

Rows come in the order in which servers answered; here they are put in the list's order, which keys tell.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ..base import Row, SampleError, image_names
from .lines import Line, parquet_cell, parquet_columns, parquet_lines
from .mapped import MappedConfig, MappedReader
from .webdataset import IMAGES, scan

NEEDED = ("url", "key", "status", "error_message", "width")  # of the columns that it adds itself
HASHES = ("sha256", "md5", "sha512")  # --compute_hash
IMAGE_COLUMNS = ("jpg", "png", "webp")  # --encode_format
SHARD_FILE = re.compile(r"(\d+)(\.parquet|\.tar|\.tfrecord|_stats\.json)?")
# What its options refuse has the status failed_to_resize, like what cannot be decoded.
REFUSALS = frozenset({"image too small", "image area too large", "aspect ratio too large"})
DROPPED = (
    "; img2dataset loses what it cannot write, such as dates in a column that is saved along: make them text"
)
RERUN = "run img2dataset again with the same arguments"
COMMAND = (
    "img2dataset --url_list LIST.csv --input_format csv --url_col URL --save_additional_columns "
    "'[\"LABEL\"]' --output_folder DIR --output_format webdataset --disable_all_reencoding True "
    '--compute_hash sha256 --disallowed_header_directives \'["noai","noimageai","noindex","noimageindex"]\''
)


class Img2DatasetConfig(MappedConfig):
    """Columns are those of the Parquet files: `url`, `caption` and what was saved along with them."""

    kind: Literal["img2dataset"] = "img2dataset"
    dataset: str = Field(default="url-list", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    folder: str | dict[str, str] = Field(
        default=".", description="img2dataset's output_folder, below the root; or split: folder"
    )


class Img2Dataset(MappedReader):
    """One row a URL, whether or not there is an image; ids are img2dataset's keys, paths the URLs.

    Dead links are `missing_image`, images whose owners forbid this use by a header `disallowed`; a shard that
    was not finished is one row, `unfinished`. Copies share a group, the hash of the download, unless a column
    says otherwise. Where bytes were stored as they came (--disable_all_reencoding) they must have that hash.
    `source.sha256` is that of the stored bytes, as everywhere: re-encoded, it is not the download's.
    """

    dataset = "url-list"
    how_to_get = (
        f"In a virtual environment of its own: pip install img2dataset; {COMMAND}; DIR is the root. After an "
        "interruption give the same command again."
    )
    summary = "any list of URLs, downloaded by img2dataset; columns are mapped in the config"
    config_class = Img2DatasetConfig

    def __init__(self, config: Img2DatasetConfig, root: Path) -> None:
        super().__init__(config, root)
        if given := [key for key, _ in self.columns.used() if key in ("path", "image")]:
            raise UserError(f"reader.columns.{given[0]}: img2dataset's files hold the images; leave it out")
        folders = config.folder if isinstance(config.folder, dict) else {None: config.folder}
        self.shards = [
            (split, f"{below}{name}")
            for split, folder in folders.items()
            for below in [self._below(folder)]
            for name in self._shard_names(below)
        ]
        self._check_columns()

    def _below(self, folder: str) -> str:
        """'' for the root itself, else 'folder/'."""
        self._stays_inside(folder)
        if not (self.root / folder).is_dir():
            raise UserError(f"{self.root / folder}: no such folder (reader.folder). {self.how_to_get}")
        return "" if PurePosixPath(folder) == PurePosixPath(".") else f"{PurePosixPath(folder)}/"

    def _shard_names(self, below: str) -> list[str]:
        """The names of all shards in a folder, in order; also of those that left no file."""
        folder = self.root / below
        files = [match for path in folder.iterdir() if (match := SHARD_FILE.fullmatch(path.name))]
        if not files:
            self.require(f"{below}00000.parquet")  # not there: says so, and where it may be
        if any(file[2] == ".tfrecord" for file in files):
            raise UserError(f"{folder}: TFRecords are not read; download with --output_format webdataset")
        numbers = {int(file[1]) for file in files}
        # Where each shard's part of the list waits until the shard is done; a killed img2dataset leaves it.
        waiting = {path.stem for path in folder.glob("_tmp/*.feather")}
        numbers |= {int(stem) for stem in waiting if stem.isdecimal()}
        digits = min(len(file[1]) for file in files)
        return [f"{number:0{digits}d}" for number in range(min(numbers), max(numbers) + 1)]

    def _check_columns(self) -> None:
        """UserError unless one finished shard at least can be read, and has what is needed."""
        problem = UserError(
            f"{self.root}: none of the {len(self.shards)} shards was finished (no NUMBER_stats.json): {RERUN}"
        )
        for _, shard in self.shards:
            if (self.root / f"{shard}_stats.json").is_file():
                self._stays_inside(f"{shard}.parquet")
                try:
                    names = parquet_columns(self.root / f"{shard}.parquet")
                except UserError as error:
                    problem = error
                    continue
                return self._check_names(names, f"{shard}.parquet")
        raise problem

    def _check_names(self, names: list[str], parquet: str) -> None:
        if missing := [name for name in NEEDED if name not in names]:
            lacks = f"no column {', '.join(missing)}, so img2dataset did not write this"
            raise UserError(f"{self.root / parquet}: {lacks}. {self.how_to_get}")
        self.columns.check_names(names, parquet)

    def _rows(self) -> Iterator[Row]:
        for split, shard in self.shards:
            try:
                count = self._count(shard)
            except SampleError as error:
                yield self.broken_row(shard, f"{shard}~unfinished", split, error.reason, error.detail)
                continue
            names, lines, problem = self._lines(shard)
            places, damage = self._places(shard, names, lines)
            for line in lines:
                yield self._row(line, split, shard, places.get(line.values["key"]), damage)
            unlisted = _unlisted(shard, count, lines)
            for number in unlisted:
                why = problem or f"{shard}.parquet lists {len(lines)} of {count} URLs{DROPPED}"
                where, identifier = f"{shard}, URL {number} (from 0)", f"{shard}~{number}"
                yield self.broken_row(where, identifier, split, "missing_annotation", why)
            strangers = places.keys() - {line.values["key"] for line in lines}
            for key in () if unlisted else sorted(strangers):  # else they are among those without a line
                where, why = f"{shard}.parquet", f"no row for the image {key}"
                yield self.broken_row(where, f"{shard}~{key}", split, "missing_annotation", why)

    def _count(self, shard: str) -> int:
        """How many URLs a finished shard has; SampleError for one that is not finished."""
        try:
            return int(json.loads((self.root / f"{shard}_stats.json").read_bytes())["count"])
        except FileNotFoundError:
            detail = f"was not finished, and later ones may not have been begun: {RERUN}"
            raise SampleError("unfinished", detail) from None
        except (OSError, ValueError, KeyError, TypeError):
            raise SampleError("unfinished", f"damaged {shard}_stats.json: delete it and {RERUN}") from None

    def _lines(self, shard: str) -> tuple[list[str], list[Line], str]:
        """A shard's columns, its lines in the order of their keys, and why there are none if so."""
        try:
            path = self.inside(f"{shard}.parquet")
            names = parquet_columns(path)
        except (UserError, SampleError) as error:
            return [], [], str(error)
        self._check_names(names, f"{shard}.parquet")
        wanted = {*NEEDED, *HASHES} & set(names) | {column for _, column in self.columns.used()}
        try:
            lines = list(parquet_lines(path, sorted(wanted)))
        except UserError as error:
            return names, [], str(error)
        return names, sorted(lines, key=lambda line: str(line.values["key"])), ""

    def _places(self, shard: str, names: list[str], lines: list[Line]) -> tuple[dict[str, Any], str]:
        """{key: where its image lies, what `_image` takes}, and what is wrong with all of them."""
        tar = f"{shard}.tar"
        if (self.root / tar).exists():
            members, damage = scan(self.root / tar)
            split_up = [(*name.rpartition(".")[::2], offset, size) for name, offset, size in members]
            found = {key: [tar, offset, size] for key, kind, offset, size in split_up if kind in IMAGES}
            return found, damage and f"{tar}: {damage}"
        if (self.root / shard).is_dir():
            files = image_names(self.root / shard)
            return {PurePosixPath(file).stem: [f"{shard}/{file}"] for file in files}, ""
        if column := next((name for name in IMAGE_COLUMNS if name in names), None):
            return {line.values["key"]: [column, line.number] for line in lines}, ""
        return {}, f"no {tar}, no folder {shard} and no images in {shard}.parquet"

    def _row(self, line: Line, split: str | None, shard: str, place: list[Any] | None, damage: str) -> Row:
        """place, damage: as `_places` gives them."""
        values, parquet = line.values, f"{shard}.parquet"
        where, below = f"{parquet}, {values['key']}", shard.rpartition("/")[0]
        identifier = f"{below}/{values['key']}" if below else values["key"]
        hashed = next(([name, values[name]] for name in HASHES if values.get(name)), None)
        # Who decodes knows the size, and stores what was encoded anew; such bytes have another hash.
        facts = [parquet, place, hashed if values["width"] is None else None]
        row = self._mapped_row(values, where, facts, identifier, split, values["url"] or "")
        failure = _failure(values, where) or row.facts.get("failure")
        if not failure and place is None:
            failure = ["missing_image", f"{where}: {damage or 'called a success, but there is no image'}"]
        if failure:
            return replace(row, group=None, facts={"failure": failure})  # it will not be there to straddle
        return replace(row, group=hashed[1]) if hashed and not self.columns.group else row

    def _image(self, row: Row) -> bytes:
        parquet, place, hashed = row.facts["place"]
        match place:
            case [file]:
                image = self.image_bytes(file)
            case [column, number]:
                image = self._cell(parquet, column, number, row.facts["where"])
            case _:
                tar, offset, size = place
                image = self.stretch(tar, offset, size, row.facts["where"])
        if hashed and hashlib.new(hashed[0], image).hexdigest() != hashed[1]:
            detail = (
                f"{row.facts['where']}: these are not the bytes that were downloaded ({hashed[0]} differs)"
            )
            raise SampleError("unreadable", detail)
        return image

    def _cell(self, parquet: str, column: str, number: int, where: str) -> bytes:
        try:
            return self.stored_bytes(parquet_cell(self.inside(parquet), column, number), where)
        except UserError as error:
            raise SampleError("unreadable", str(error)) from None


def _failure(values: dict[str, Any], where: str) -> list[str] | None:
    """Reason and img2dataset's own words where it stored no image; None where it did."""
    status, message = values["status"], str(values["error_message"] or "no message").strip()
    match status:
        case "success":
            return None
        case "failed_to_download":
            reason = "disallowed" if "X-Robots-Tag" in message else "missing_image"
        case "failed_to_resize":
            reason = "missing_image" if message in REFUSALS else "undecodable_image"
        case _:
            reason = "bad_row"
    return [reason, f"{where}: {status}: {message}"]


def _unlisted(shard: str, count: int, lines: list[Line]) -> list[int]:
    """Which of a shard's URLs, numbered from 0, have no line. A key is the shard's name and that number."""
    if len(lines) >= count:
        return []
    name = shard.rpartition("/")[2]
    digits = [line.values["key"].removeprefix(name) for line in lines]
    listed = {int(number or 0) for number in digits if number.isdecimal() or not number}
    return [number for number in range(count) if number not in listed]
