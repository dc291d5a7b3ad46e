"""FindingEmo (Mertens et al. 2024): `annotations_single.ann` judges photos that are given out as links."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row
from ..generic.cells import absent, items_of, number_of
from ..generic.columns import VadColumns
from ..generic.file_names import FileNames
from ..generic.lines import csv_lines

PLACES = ("annotations_single.ann", "data/annotations_single.ann")
COLUMNS = ("image_path", "valence", "arousal", "emotion")  # there are more; these are needed
LISTS = {"dec_factors": "deciding_factors", "tags": "tags"}  # column: attribute
NOTHING = ("undefined", "na")  # how the lists say that they are empty
VALENCE = VadColumns(valence="valence", scale=(-3, 3))  # both scales: the paper
AROUSAL = VadColumns(arousal="arousal", scale=(0, 6))


class FindingEmoConfig(FolderConfig):
    kind: Literal["finding_emo"] = "finding_emo"
    images: str = Field(default="images", description="where the images were downloaded to, below the root")


class FindingEmo(Reader):
    """FindingEmo: valence, arousal and one of the 24 emotions of Plutchik's wheel for a whole scene.

    Each image was judged by one person, whose number is in `annotations`. Images are links: those that died
    are failures (missing_image). The ages of the people shown, which the file has too, are not read. The
    summary's count is that of findingemo-light 1.0.0. Identical files share a group (their sha256). No split
    of its own.
    """

    dataset = "finding-emo"
    licence = "CC-BY-NC-SA-4.0 (annotations and links; the images are their owners')"
    spaces = ("plutchik", "vad")
    how_to_get = (
        "The package findingemo-light holds annotations_single.ann and downloads what its links still give; "
        "root holds that file and the images in images/."
    )
    summary = "25,869 photos of people together, valence, arousal, an emotion of Plutchik's wheel"
    config_class = FindingEmoConfig
    config: FindingEmoConfig

    def __init__(self, config: FindingEmoConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*PLACES)
        self.table = next(place for place in PLACES if (self.root / place).is_file())

    def _rows(self) -> Iterator[Row]:
        images = FileNames(self.root)
        for line in csv_lines(self.root / self.table, COLUMNS):
            where = f"{self.table} line {line.number}"
            name = line.values.get("image_path", "").strip().replace("\\", "/").lstrip("/")
            if line.problem or not name:
                failure = ["bad_row", f"{where}: {line.problem or 'no image_path'}"]
                yield Row(f"line{line.number}", None, None, "", {"failure": failure})
                continue
            below = f"{self.config.images}/{name}"
            path = images.find(below) or images.find(name) or below
            yield Row(name, None, self.group_of_file(path), path, _facts(where, line.values))

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        return self.sample(row, image, **row.facts), image


def _facts(where: str, values: dict[str, Any]) -> dict[str, Any]:
    """What `Reader.sample` takes, or a failure."""
    try:
        vad = {**(VALENCE.vad(values) or {}), **(AROUSAL.vad(values) or {})}
        labels: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        if not absent(values["emotion"]):
            labels["plutchik"] = {"class": label_space("plutchik").canonical(values["emotion"])}
        if not absent(values.get("ambiguity")):
            attributes["ambiguity"] = number_of(values["ambiguity"], "ambiguity")
    except UserError as error:
        return {"failure": ["bad_annotation", f"{where}: {error}"]}
    if not labels and not vad:
        return {"failure": ["missing_annotation", f"{where}: neither emotion nor valence nor arousal"]}
    for column, key in LISTS.items():
        items = [str(item).strip() for item in items_of(values.get(column) or "", ",")]
        if kept := [item for item in items if item and item.lower() not in NOTHING]:
            attributes[key] = kept
    answer: dict[str, Any] = {"labels": labels, "vad": vad or None}
    annotator = str(values.get("user", "")).strip()
    return {
        **answer,
        "attributes": attributes,
        "annotations": [{"annotator": annotator, **answer}] if annotator else None,
    }
