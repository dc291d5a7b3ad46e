"""JAFFE (Lyons et al. 1998): ten women, each with seven expressions several times; `KA.AN1.39.tiff`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, image_files

# The middle of a file's name: what was asked of the woman.
CODES = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.(\d+)")
READMES = ("README_FIRST.txt", "A_README_FIRST.txt")
# The columns of its table of mean ratings, each from 1 to 5: `1 2.87 2.52 2.10 1.97 1.97 2.06 KM-NE1`.
RATINGS = ("happiness", "sadness", "surprise", "anger", "disgust", "fear")
RATED = re.compile(r"\s*\d+\s+((?:[1-5](?:\.\d+)?\s+){6})([A-Z]{2})-([A-Z]{2}\d+)\s*")


class JaffeConfig(FolderConfig):
    kind: Literal["jaffe"] = "jaffe"


class Jaffe(Reader):
    """JAFFE: the expression each woman was asked for as fer7; she is the group.

    Where the readme lies beside the images, what 60 raters saw in each is attributes (`rating_fear`, the mean
    from 1 to 5): intensities of six emotions, and no distribution. No split of its own.
    """

    dataset = "jaffe"
    licence = "research-only"
    spaces = ("fer7",)
    how_to_get = (
        "Ask for JAFFE at zenodo.org/record/3451524; root holds the .tiff files, or the folder they are in."
    )
    summary = "213 grey photos of ten Japanese women, seven posed expressions"
    config_class = JaffeConfig
    config: JaffeConfig

    def __init__(self, config: JaffeConfig, root: Path) -> None:
        super().__init__(config, root)
        if not any(NAME.match(file.name) for file in image_files(self.root)):
            raise UserError(
                f"{self.root}: no image is named like KA.AN1.39.tiff, so this is no jaffe folder. "
                f"{self.how_to_get}"
            )

    def _rows(self) -> Iterator[Row]:
        ratings = self._ratings()
        for file in image_files(self.root):
            path = file.relative_to(self.root).as_posix()
            name = NAME.match(file.name)
            if name is None or name[2] not in CODES:
                detail = f"{path}: expected a name such as KA.AN1.39.tiff, with one of {', '.join(CODES)}"
                yield Row(path, None, None, path, {"failure": ["bad_annotation", detail]})
                continue
            facts: dict[str, Any] = {"class": label_space("fer7").canonical(CODES[name[2]])}
            facts["ratings"] = ratings.get((name[1], name[2] + name[3]), {})
            yield Row(name[0], None, name[1], path, facts)

    def _ratings(self) -> dict[tuple[str, str], dict[str, float]]:
        """(woman, expression and which) → mean ratings by attribute; {} without a readme."""
        readme = next((file for name in READMES for file in sorted(self.root.rglob(name))), None)
        lines = readme.read_text("utf-8", errors="replace").splitlines() if readme else []
        return {
            (line[2], line[3]): {
                f"rating_{emotion}": float(cell) for emotion, cell in zip(RATINGS, line[1].split())
            }
            for line in map(RATED.fullmatch, lines)
            if line
        }

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {"fer7": {"class": row.facts["class"]}}
        return self.sample(row, image, labels=labels, attributes=row.facts["ratings"]), image
