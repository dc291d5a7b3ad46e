"""MVSA-Single and MVSA-Multiple as given out: `data/<id>.jpg`, `data/<id>.txt`, `labelResultAll.txt`.

The label file has a line for each tweet: the id, then `<text>,<image>` by each annotator, between tabs. There
is one annotator in MVSA-Single, three in MVSA-Multiple.
"""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...taxonomy import label_space
from ..base import FolderConfig, Row
from .tweets import Tweets

PAIR = "text,image"  # the header's word for what one annotator said


class MvsaConfig(FolderConfig):
    kind: Literal["mvsa"] = "mvsa"
    dataset: str = Field(default="mvsa", description="mvsa becomes mvsa-single or mvsa-multiple")
    labels: str = "labelResultAll.txt"
    label: Literal["image", "pair"] = Field(
        default="image", description="of the image alone; or of image and text together, as papers evaluate"
    )


class Mvsa(Tweets):
    """MVSA: tweets with a photo, text and image judged apart as negative, neutral or positive.

    The label is what was said of the image: a class, or with several annotators their votes. Each annotator's
    answer on the image is in `annotations`, the answers on the text are the attribute `text_labels`, in the
    order of the file, which does not say who the annotators were.
    reader.label=pair joins both by the rule of MultiSentiNet (Xu and Mao 2017): majority by majority, what is
    not neutral where the other is, no label where they oppose each other or no majority exists.
    """

    dataset = "mvsa"
    how_to_get = "Take MVSA-Single or MVSA-Multiple from mcrlab.net; root holds data/ and labelResultAll.txt."
    summary = "MVSA-Single and MVSA-Multiple: tweets with photo, image and text judged apart"
    config_class = MvsaConfig
    config: Any

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        self.require(config.labels)
        header = next(iter(self._lines()), (1, []))[1]
        if len(header) < 2 or header[0].upper() != "ID" or {cell.lower() for cell in header[1:]} != {PAIR}:
            raise UserError(
                f"{self.root / config.labels}: the first line must be ID and {PAIR} for each annotator, "
                f"between tabs; got {header}"
            )
        self.annotators = len(header) - 1
        if config.dataset == "mvsa":
            self.dataset = "mvsa-single" if self.annotators == 1 else "mvsa-multiple"

    def _lines(self) -> list[tuple[int, list[str]]]:
        """(line number, cells) of the lines that are not empty."""
        text = (self.root / self.config.labels).read_text(encoding="utf-8-sig", errors="replace")
        lines = (re.sub(r"\s*,\s*", ",", line).split() for line in text.splitlines())
        return [(number, cells) for number, cells in enumerate(lines, start=1) if cells]

    def _facts(self) -> dict[str, dict[str, Any]]:
        facts: dict[str, dict[str, Any]] = {}
        for number, (guid, *pairs) in self._lines()[1:]:
            found = self._pairs(f"{self.config.labels} line {number}", pairs)
            if facts.setdefault(guid, found) != found:
                detail = f"{self.config.labels} line {number}: other labels for {guid} than before"
                facts[guid] = {"failure": ["bad_row", detail]}
        return facts

    def _pairs(self, where: str, pairs: list[str]) -> dict[str, Any]:
        answers, space = [pair.split(",") for pair in pairs], label_space("polarity3")
        if len(answers) != self.annotators or any(len(answer) != 2 for answer in answers):
            detail = f"{where}: expected {PAIR} by each of {self.annotators} annotators, got {pairs}"
            return {"failure": ["bad_row", detail]}
        try:
            text, image = ([space.canonical(answer[place]) for answer in answers] for place in (0, 1))
        except UserError as error:
            return {"failure": ["bad_row", f"{where}: {error}"]}
        return {"text": text, "image": image}

    def _known(self, row: Row) -> dict[str, Any]:
        if "image" not in row.facts:
            return {}
        text, image = row.facts["text"], row.facts["image"]
        label: Any = {"class": image[0]}
        if self.config.label == "pair":
            joined = _joined(_majority(text), _majority(image))
            label = {"class": joined} if joined else None
        elif len(image) > 1:
            label = {"votes": [image.count(name) for name in label_space("polarity3").names]}
        return {
            "labels": {"polarity3": label} if label else {},
            "attributes": {"text_labels": text},
            "annotations": [{"labels": {"polarity3": {"class": answer}}} for answer in image],
        }


def _majority(answers: list[str]) -> str | None:
    return next((answer for answer in answers if 2 * answers.count(answer) > len(answers)), None)


def _joined(text: str | None, image: str | None) -> str | None:
    if text == image or image == "neutral":
        return text
    return image if text == "neutral" else None
