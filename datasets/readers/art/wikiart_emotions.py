"""WikiArt Emotions: some 4,000 artworks, and the share of annotators who ticked each of twenty emotions.

The authors give out WikiArt-Emotions-All.tsv and no pictures; its pictures are images/<ID>.jpg here. Repacked
copies are annotations.csv, with the columns path and key, and images/<Style>/<artist>_<title>.jpg.
"""

import html
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row
from ..generic.cells import absent, number_of
from ..generic.file_names import FileNames
from ..generic.lines import csv_header, csv_lines
from .artemis import artwork_group
from .templates import template_answers

TABLES = {"annotations.csv": ",", "WikiArt-Emotions-All.tsv": "\t"}
FORMS = {"image_and_title": "Art (image+title): ", "image_only": "ImageOnly: "}
# Attributes by the columns they come from.
TEXTS = {"Style": "period", "style_dir": "style", "Artist": "artist", "Title": "title", "Year": "year"}
OTHERS = ("Category", "Is painting", "Face/body", "Ave. art rating")
SHOWS = ("face", "body", "none")


class WikiArtEmotionsConfig(FolderConfig):
    kind: Literal["wikiart_emotions"] = "wikiart_emotions"
    form: Literal["image_only", "image_and_title"] = Field(
        default="image_only", description="what annotators saw: the picture, or the picture and its title"
    )
    label: Literal["distribution", "classes"] = Field(
        default="distribution", description="the shares of all ticks, or the emotions that reach agreement"
    )
    agreement: float = Field(
        default=0.4, gt=0, le=1, description="for classes: the share of annotators (0.4: the paper's advice)"
    )
    templates: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="so many captions made of style, title and emotions, as the shares are; not people's",
    )


class WikiArtEmotions(Reader):
    """Annotators ticked as many emotions as they liked, so the shares sum to more than 1.

    As a distribution they are divided by their sum, which is kept as the attribute ticks_per_annotator:
    shares are distribution × ticks_per_annotator. As classes, neutral counts only where no emotion reaches
    the agreement, as in the authors' own aggregation. art_rating is the mean liking, -3 to 3; no valence.
    """

    dataset = "wikiart-emotions"
    licence = "research-only"
    spaces = ("wikiart20",)
    how_to_get = (
        "Annotations: saifmohammad.com, WikiArt Emotions (WikiArt-Emotions-All.tsv); the pictures are to be "
        "fetched from the URLs in it, as images/<ID>.jpg."
    )
    summary = "about 4,100 artworks, the share of annotators for each of twenty emotions"
    config_class = WikiArtEmotionsConfig
    config: WikiArtEmotionsConfig

    def __init__(self, config: WikiArtEmotionsConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*TABLES)
        self.table = next(name for name in TABLES if (self.root / name).exists())
        self.files = FileNames(self.root)
        # By name: the order of the columns is the table's own affair.
        self.columns = {name: FORMS[config.form] + name for name in label_space("wikiart20").names}

    def _rows(self) -> Iterator[Row]:
        path, delimiter = self.root / self.table, TABLES[self.table]
        keyed = "key" in csv_header(path, delimiter)
        required = [*(("path", "key") if keyed else ("ID",)), *self.columns.values()]
        for number, line, problem in csv_lines(path, required, delimiter):
            where = f"{self.table} line {number}"
            key = "" if problem else line["key" if keyed else "ID"].strip()
            if problem or not key:
                detail = f"{where}: {problem or 'no key or ID'}"
                yield Row(f"line{number}", None, None, "", {"failure": ["bad_row", detail]})
                continue
            image = line["path"].strip() if keyed else f"images/{key}.jpg"
            used = [column for column in (*self.columns.values(), *TEXTS, *OTHERS) if column in line]
            facts = {"line": {column: line[column].strip() for column in used}, "where": where}
            found = self.files.find(image) or image
            yield Row(key, None, artwork_group(_painting(key, line)), found, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image, line = self.image_bytes(row.path), row.facts["line"]
        shares = {name: number_of(line[column], f"share of {name}") for name, column in self.columns.items()}
        wrong = [f"{name} {share:g}" for name, share in shares.items() if not 0 <= share <= 1]
        if wrong:
            raise UserError(f"{row.facts['where']}: shares from 0 to 1 expected, got {', '.join(wrong)}")
        ticks = round(math.fsum(shares.values()), 6)
        labels: Any = {}
        if self.config.label == "classes":
            labels["wikiart20"] = {"classes": agreed(shares, self.config.agreement)}
        elif ticks > 0:
            labels["wikiart20"] = {"distribution": [share / ticks for share in shares.values()]}
        attributes = {"ticks_per_annotator": ticks, **_attributes(line)}
        captions: Any = template_answers(shares, attributes, self.config.templates or 0)
        return self.sample(row, image, labels=labels, attributes=attributes, captions=captions or None), image


def agreed(shares: dict[str, float], agreement: float) -> list[str]:
    """The emotions that at least this share of annotators ticked; neutral only where there is no other."""
    found = [name for name, share in shares.items() if share >= agreement]
    return [name for name in found if name != "neutral"] or found


def _attributes(line: dict[str, str]) -> dict[str, Any]:
    """What is said of the artwork; what nobody knows is left out."""
    attributes: dict[str, Any] = {}
    for column, name in TEXTS.items():
        if not absent(line.get(column)):
            attributes[name] = html.unescape(line[column])  # titles hold &#39; and its kin
    if not absent(line.get("Category")):
        attributes["categories"] = [part.strip() for part in line["Category"].split(",") if part.strip()]
    if line.get("Is painting") in ("yes", "no"):
        attributes["is_painting"] = line["Is painting"] == "yes"
    if line.get("Face/body") in SHOWS:
        attributes["shows"] = line["Face/body"]
    if not absent(line.get("Ave. art rating")):
        attributes["art_rating"] = number_of(line["Ave. art rating"], "art rating")
    return attributes


def _painting(key: str, line: dict[str, str]) -> str:
    """`artist_title`, as WikiArt's pictures are called in ArtEmis: the key, or out of the page's address."""
    parts = PurePosixPath(unquote(urlsplit(line.get("Painting Info URL", "").strip()).path)).parts
    return "_".join(parts[-2:]) if len(parts) >= 3 else key
