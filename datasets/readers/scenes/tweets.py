"""Captioned photos in MVSA's layout: `data/<guid>.jpg`, `data/<guid>.txt`, labels in `label/train.txt`."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError

UNLABELLED = ("", "null", "none")


class TweetsConfig(FolderConfig):
    kind: Literal["tweets"] = "tweets"
    dataset: str = "tweets"
    labels: str = "label/train.txt"  # CSV `guid,tag`, below the root


class Tweets(Reader):
    """Photos with the text of their tweet; images without a label are kept, without a label.

    Identical files share a group (their sha256). No split of its own.
    """

    dataset = "tweets"
    licence = "research-only"
    spaces = ("polarity3",)
    how_to_get = (
        "MVSA and its re-releases are given out for research by their authors; root holds data/ and label/."
    )
    summary = "photos with the text of the tweet and its polarity (MVSA layout)"
    config_class = TweetsConfig
    config: TweetsConfig

    def __init__(self, config: TweetsConfig, root: Path) -> None:
        super().__init__(config, root)
        self.dataset = config.dataset
        self.require("data")

    def _rows(self) -> Iterator[Row]:
        labelled = self._facts()
        images = {path.stem for path in (self.root / "data").glob("*.jpg")}
        for guid in sorted(images | labelled.keys(), key=_numerically):
            path = f"data/{guid}.jpg"
            yield Row(guid, None, self.group_of_file(path), path, labelled.get(guid, {}))

    def _facts(self) -> dict[str, dict[str, Any]]:
        """By guid what `read` needs of the label file."""
        return {guid: self._facts_of(guid, tags) for guid, tags in self._tags().items()}

    def _facts_of(self, guid: str, tags: list[str]) -> dict[str, Any]:
        given = {tag for tag in tags if tag.lower() not in UNLABELLED}
        if len(given) > 1:
            return {"failure": ["bad_row", f"{self.config.labels}: guid {guid} has tags {sorted(given)}"]}
        return self._label(guid, given.pop()) if given else {}

    def _tags(self) -> dict[str, list[str]]:
        path = self.root / self.config.labels
        if not path.is_file():
            raise UserError(f"{path}: no such file (reader.labels is a CSV with the columns guid,tag)")
        tags: dict[str, list[str]] = {}
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            table = csv.DictReader(stream)
            if not {"guid", "tag"} <= set(table.fieldnames or ()):
                raise UserError(f"{path}: the first line must be guid,tag; got {table.fieldnames}")
            for line in table:
                if line["guid"]:
                    tags.setdefault(line["guid"].strip(), []).append((line["tag"] or "").strip())
        return tags

    def _label(self, guid: str, tag: str) -> dict[str, Any]:
        try:
            return {"class": label_space("polarity3").canonical(tag)}
        except UserError as error:
            return {"failure": ["bad_row", f"{self.config.labels}: guid {guid}: {error}"]}

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        text = self._text(row)
        captions: Any = [{"text": text}] if text else None
        return self.sample(row, image, captions=captions, **self._known(row)), image

    def _known(self, row: Row) -> dict[str, Any]:
        return {"labels": {"polarity3": {"class": row.facts["class"]}}} if "class" in row.facts else {}

    def _text(self, row: Row) -> str:
        """The tweet, or "" where there is none: the image is worth keeping without it."""
        try:
            data = self.inside(f"data/{row.id}.txt").read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise SampleError("unreadable", f"data/{row.id}.txt: {error}") from None
        return decode_text(data)


def decode_text(data: bytes) -> str:
    """Text of unknown encoding: UTF-8, else Windows-1252, else Latin-1 (which takes any byte); stripped."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding).strip()
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1").strip()


def _numerically(guid: str) -> tuple[int, int, str]:
    return (0, int(guid), guid) if guid.isascii() and guid.isdigit() else (1, 0, guid)
