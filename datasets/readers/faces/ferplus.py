"""FER+: FER2013's faces as PNG files with ten annotators' votes, `fer2013new.csv` and `data/FER2013Train/…`.

The dataset's own split leaks: hundreds of groups of pixel-identical images straddle Train, Valid and Test.
`splits: own` keeps it (for published protocols), `splits: by_group` leaves splitting to the builder, which
keeps identical images together. Such images carry the same votes in fer2013new.csv; the label.csv of each
split, which is not read here, has others for 1,601 of them.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row

USAGES = {
    "Training": ("train", "FER2013Train"),
    "PublicTest": ("val", "FER2013Valid"),
    "PrivateTest": ("test", "FER2013Test"),
}
# The columns' order in the file; records follow fer8.
EMOTIONS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
OTHERS = {"unknown": "votes_unknown", "NF": "votes_not_a_face"}
ORIGINAL = "fer2013_original_labels.csv"


class FerPlusConfig(FolderConfig):
    kind: Literal["ferplus"] = "ferplus"
    splits: Literal["own", "by_group"] = "own"
    original_labels: bool = True  # read FER2013's label as fer7 where the side file exists


class FerPlus(Reader):
    """FER+ votes as fer8, in fer8's order; FER2013's single label as fer7 beside it, never mixed with it.

    The votes stay as they are. Those for "unknown" and "not a face" become attributes; where either has as
    many as the strongest emotion, the image carries no fer8 label. Rows without an image name (FER+ withdrew
    those images) are failures, so that the count says so, as are four rows that repeat an earlier name.
    Identical files share a group (their sha256).
    """

    dataset = "ferplus"
    licence = "research-only"
    spaces = ("fer8", "fer7")
    how_to_get = (
        "Votes: fer2013new.csv of github.com/microsoft/FERPlus. Pixels: FER2013 (Kaggle, "
        "challenges-in-representation-learning), written as data/FER2013{Train,Valid,Test}/ferNNNNNNN.png."
    )
    expected = {"train": 28_709, "val": 3_589, "test": 3_589}  # 35,710 of these 35,887 rows have an image
    summary = "48×48 grey faces, ten votes each"
    config_class = FerPlusConfig
    config: FerPlusConfig

    def __init__(self, config: FerPlusConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require("fer2013new.csv")
        if config.splits == "by_group":
            self.expected = {}

    def _rows(self) -> Iterator[Row]:
        original = self._original_labels()
        for number, line in enumerate(_table(self.root / "fer2013new.csv", ("Usage", "Image name")), start=2):
            usage, name = (line["Usage"] or "").strip(), (line["Image name"] or "").strip()
            where = f"fer2013new.csv line {number}"
            if usage not in USAGES:
                detail = f"{where}: Usage is {usage!r}, not one of {', '.join(USAGES)}"
                yield Row(f"line{number}", None, None, "", {"failure": ["bad_row", detail]})
                continue
            split, folder = USAGES[usage]
            own = split if self.config.splits == "own" else None
            if not name:
                detail = f"{where}: no image name (FER+ withdrew this image)"
                yield Row(f"line{number}", own, None, "", {"failure": ["missing_image", detail]})
                continue
            path = f"data/{folder}/{name}"
            facts = self._votes(line, where)
            if (folder, name) in original:
                facts["fer7"] = original[folder, name]
            yield Row(Path(name).stem, own, self.group_of_file(path), path, facts)

    def _votes(self, line: dict[str, str], where: str) -> dict[str, Any]:
        try:
            votes = {column: int(line[column]) for column in (*EMOTIONS, *OTHERS)}
        except (KeyError, TypeError, ValueError):
            return {
                "failure": ["bad_row", f"{where}: ten vote columns of whole numbers expected, got {line}"]
            }
        return {"votes": votes}

    def _original_labels(self) -> dict[tuple[str, str], str]:
        path = self.root / ORIGINAL
        if not self.config.original_labels or not path.is_file():
            return {}
        space = label_space("fer7")
        table = _table(path, ("split", "image", "fer2013_label"))
        return {(line["split"], line["image"]): space.canonical(line["fer2013_label"]) for line in table}

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        votes = row.facts["votes"]
        labels: dict[str, Any] = {}
        emotions = [votes[name] for name in label_space("fer8").names]
        if max(emotions) > max(votes[other] for other in OTHERS):
            labels["fer8"] = {"votes": emotions}
        if "fer7" in row.facts:
            labels["fer7"] = {"class": row.facts["fer7"]}
        attributes: Any = {key: votes[column] for column, key in OTHERS.items() if votes[column]}
        return self.sample(row, image, labels=labels, attributes=attributes), image


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        missing = [column for column in columns if column not in (table.fieldnames or ())]
        if missing:
            raise UserError(f"{path}: no column {', '.join(missing)} in the first line, {table.fieldnames}")
        yield from table
