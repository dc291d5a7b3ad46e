"""OASIS and GAPED: pictures for psychologists' experiments, rated for valence and arousal."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ..base import FolderConfig, Reader, Row, image_files
from ..generic.columns import VadColumns
from ..generic.file_names import FileNames
from ..generic.lines import Line, csv_lines

# GAPED's folders: what they show, and the side that was chosen for it (Dan-Glauser and Scherer 2011).
CATEGORIES = {
    "A": ("animal mistreatment", "negative"),
    "H": ("human rights violation", "negative"),
    "N": ("neutral", "neutral"),
    "P": ("positive", "positive"),
    "Sn": ("snake", "negative"),
    "Sp": ("spider", "negative"),
}
SUFFIXES = (".bmp", ".jpg", ".png")


class OasisConfig(FolderConfig):
    kind: Literal["oasis"] = "oasis"


class GapedConfig(FolderConfig):
    kind: Literal["gaped"] = "gaped"


class _Rated(Reader):
    """Rows know their vad, labels and attributes; a picture that no table names is a failure."""

    config: Any

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        return self.sample(row, image, **row.facts), image

    def _unrated(self, folder: str, rated: set[str], table: str) -> Iterator[Row]:
        for file in image_files(self.root / folder):
            path = file.relative_to(self.root).as_posix()
            if path not in rated:
                failure = ["missing_annotation", f"{table} does not name {path}"]
                yield Row(path, None, None, path, {"failure": failure})


class Oasis(_Rated):
    """OASIS: mean valence and arousal of each picture, rescaled from 1 … 7.

    Pictures of one theme ("Acorns 1", "Acorns 2") share a group: they are much alike. No split of its own.
    """

    dataset = "oasis"
    licence = "open access"
    spaces = ("vad",)
    how_to_get = "Take OASIS from benedekkurdi.com or osf.io/6pnd7; root holds OASIS.csv and images/."
    summary = "900 photos of animals, objects, people and scenes, valence and arousal"
    config_class = OasisConfig
    scale = VadColumns(valence="Valence_mean", arousal="Arousal_mean", scale=(1, 7))

    def __init__(self, config: OasisConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require("OASIS.csv")

    def _rows(self) -> Iterator[Row]:
        images, rated = FileNames(self.root), set()
        columns = ("Theme", *(column for _, column in self.scale.used()))
        for line in csv_lines(self.root / "OASIS.csv", columns):
            row = self._row(line, images)
            rated.add(row.path)
            yield row
        yield from self._unrated("images", rated, "OASIS.csv")

    def _row(self, line: Line, images: FileNames) -> Row:
        where, theme = f"OASIS.csv line {line.number}", line.values.get("Theme", "").strip()  # "Acorns 1 "
        path = images.find(f"images/{theme}.jpg") or f"images/{theme}.jpg"
        if line.problem or not theme:
            failure = ["bad_row", f"{where}: {line.problem or 'no Theme'}"]
            return Row(f"line{line.number}", None, None, "", {"failure": failure})
        try:
            facts: dict[str, Any] = {"vad": self.scale.vad(line.values)}
        except UserError as error:
            return Row(theme, None, None, path, {"failure": ["bad_annotation", f"{where}: {error}"]})
        if not facts["vad"]:
            return Row(theme, None, None, path, {"failure": ["missing_annotation", f"{where}: no means"]})
        category = line.values.get("Category", "").strip()
        if category:
            facts["attributes"] = {"category": category.lower()}
        return Row(theme, None, re.sub(r"\s*\d+$", "", theme), path, facts)


class Gaped(_Rated):
    """GAPED: mean valence and arousal, rescaled from 0 … 100, and the folder as category and polarity3.

    Valence runs from very negative to very positive with 50 as neutral. The polarity is that of the category
    for which a picture was chosen, not what raters said of it. Identical files share a group (their sha256).
    No split of its own.
    """

    dataset = "gaped"
    licence = "research-only"
    spaces = ("vad", "polarity3")
    how_to_get = (
        "Take GAPED from the Swiss Center for Affective Sciences (unige.ch/cisa); root holds the folders A, "
        "H, N, P, Sn, Sp and their tables, A.txt or A_with SD.txt and so on."
    )
    summary = "730 pictures (snakes, spiders, cruelty, neutral, positive), valence and arousal"
    config_class = GapedConfig
    scale = VadColumns(valence="valence", arousal="arousal", scale=(0, 100))

    def __init__(self, config: GapedConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*(name for category in CATEGORIES for name in _tables(category)))

    def _rows(self) -> Iterator[Row]:
        images = FileNames(self.root)
        for category in CATEGORIES:
            tables = [name for name in _tables(category) if (self.root / name).is_file()]
            rated = set()
            for number, cells in self._lines(tables[0]) if tables else ():
                row = self._row(category, f"{tables[0]} line {number}", cells, images)
                rated.add(row.path)
                yield row
            yield from self._unrated(category, rated, tables[0] if tables else _tables(category)[0])

    def _lines(self, table: str) -> Iterator[tuple[int, list[str]]]:
        """(line number, name and numbers) below the header, without standard deviations (in brackets)."""
        text = (self.root / table).read_text(encoding="utf-8-sig", errors="replace")
        lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        header = " ".join(lines[0][1]).lower() if lines else ""
        if not 0 <= header.find("valence") < header.find("arousal"):
            raise UserError(
                f"{self.root / table}: the first line must name Valence, then Arousal; got {header!r}. "
                f"{self.how_to_get}"
            )
        for number, cells in lines[1:]:
            yield number, [cell for cell in cells if not re.fullmatch(r"\(.*\)", cell)]

    def _row(self, category: str, where: str, cells: list[str], images: FileNames) -> Row:
        name = PurePosixPath(cells[0]) if cells else PurePosixPath(where)
        # A table may say .jpg where the file is a .bmp.
        spellings = [f"{category}/{name}", *(f"{category}/{name.stem}{suffix}" for suffix in SUFFIXES)]
        path = next(filter(None, map(images.find, spellings)), spellings[0])
        identifier, (kind, polarity) = f"{category}/{name.stem}", CATEGORIES[category]
        try:
            _, valence, arousal = cells[:3]
            vad = self.scale.vad({"valence": valence, "arousal": arousal})
        except (UserError, ValueError):
            detail = f"{where}: expected a name, valence and arousal from 0 to 100, got {cells}"
            return Row(identifier, None, None, path, {"failure": ["bad_row", detail]})
        facts = {
            "vad": vad,
            "labels": {"polarity3": {"class": polarity}},
            "attributes": {"category": kind},
        }
        return Row(identifier, None, self.group_of_file(path), path, facts)


def _tables(category: str) -> tuple[str, str]:
    return f"{category}.txt", f"{category}_with SD.txt"
