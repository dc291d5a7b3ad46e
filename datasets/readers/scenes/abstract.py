"""ArtPhoto and Abstract (Machajdik and Hanbury 2010), two small folders of pictures from imageemotion.org."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, image_files

TABLE = "ABSTRACT_groundTruth.csv"
# The columns' order in the file, after the image's name; records follow mikels8.
EMOTIONS = ("Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad")


class ArtPhotoConfig(FolderConfig):
    kind: Literal["artphoto"] = "artphoto"


class AbstractConfig(FolderConfig):
    kind: Literal["abstract"] = "abstract"


class ArtPhoto(Reader):
    """ArtPhoto: artistic photographs in one flat folder, `<emotion>_<id>.jpg`, by the artist's own intention.

    Identical files share a group (their sha256). No split of its own.
    """

    dataset = "artphoto"
    licence = "unknown"
    spaces = ("mikels8",)
    how_to_get = (
        "Take testImages_artphoto.zip from imageemotion.org; root is its folder or the one around it."
    )
    summary = "806 artistic photographs, eight emotions"
    config_class = ArtPhotoConfig

    def __init__(self, config: ArtPhotoConfig, root: Path) -> None:
        super().__init__(config, root)
        self.top = _inner(self.root, "testImages_artphoto")
        if all("failure" in row.facts for row in self._rows()):
            raise UserError(
                f"{self.top}: no image called <emotion>_<id>.jpg, so this is no artphoto folder. "
                f"{self.how_to_get}"
            )

    def _rows(self) -> Iterator[Row]:
        for file in image_files(self.top):
            if file.parent != self.top:
                continue  # the folder is flat: pictures further down belong to something else
            path = file.relative_to(self.root).as_posix()
            try:
                facts: Any = {"class": label_space("mikels8").canonical(file.name.partition("_")[0])}
            except UserError as error:
                facts = {"failure": ["bad_row", f"{path}: the name does not begin with an emotion: {error}"]}
            yield Row(file.name, None, self.group_of_file(path), path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {"mikels8": {"class": row.facts["class"]}}
        return self.sample(row, image, labels=labels), image


class Abstract(Reader):
    """Abstract: paintings with people's votes for Mikels' eight, as votes, in mikels8's order.

    Ties stay ties: 228 of the 280 have one strongest emotion. Identical files share a group (their sha256).
    No split of its own.
    """

    dataset = "abstract"
    licence = "unknown"
    spaces = ("mikels8",)
    how_to_get = (
        "Take testImages_abstract.zip from imageemotion.org; root is its folder or the one around it."
    )
    summary = "280 abstract paintings, about 14 votes each"
    config_class = AbstractConfig

    def __init__(self, config: AbstractConfig, root: Path) -> None:
        super().__init__(config, root)
        self.top = _inner(self.root, "testImages_abstract")
        if not (self.top / TABLE).is_file():
            self.require(TABLE)

    def _rows(self) -> Iterator[Row]:
        table = self._table()
        header = next(table, (1, []))[1]
        missing = [column for column in EMOTIONS if column not in header[1:]]
        if missing:
            raise UserError(
                f"{self.top / TABLE}: no column {', '.join(missing)} in the first line, {header}. "
                f"{self.how_to_get}"
            )
        named = set()
        for number, cells in table:
            row = self._row(number, header, cells)
            named.add(row.id)
            yield row
        for file in image_files(self.top):
            name, path = file.relative_to(self.top).as_posix(), file.relative_to(self.root).as_posix()
            if name not in named:
                detail = f"{TABLE} does not name {name}"
                yield Row(name, None, None, path, {"failure": ["missing_annotation", detail]})

    def _table(self) -> Iterator[tuple[int, list[str]]]:
        """(line number, cells) of the lines that are not empty; names stand between apostrophes."""
        with (self.top / TABLE).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(csv.reader(stream), start=1):
                cells = [cell.strip().strip("'").strip() for cell in line]
                if any(cells):
                    yield number, cells

    def _row(self, number: int, header: list[str], cells: list[str]) -> Row:
        name = cells[0] or f"line{number}"
        path = (self.top / name).relative_to(self.root).as_posix()
        try:
            line = dict(zip(header[1:], cells[1:], strict=True))
            votes = {_mikels(column): int(line[column]) for column in EMOTIONS}
            if not cells[0]:
                raise ValueError
        except ValueError:
            detail = f"{TABLE} line {number}: expected a name and eight whole numbers, got {cells}"
            return Row(name, None, None, path, {"failure": ["bad_row", detail]})
        facts = {"votes": [votes[emotion] for emotion in label_space("mikels8").names]}
        return Row(name, None, self.group_of_file(path), path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        votes = row.facts["votes"]
        labels: Any = {"mikels8": {"votes": votes}} if any(votes) else {}
        return self.sample(row, image, labels=labels), image


def _mikels(column: str) -> str:
    return label_space("mikels8").canonical(column)


def _inner(root: Path, name: str) -> Path:
    return root / name if (root / name).is_dir() else root
