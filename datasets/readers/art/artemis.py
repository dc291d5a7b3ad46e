"""ArtEmis v1 and v2, ArtELingo, Affection: what people feel before an image, and why, in their own words.

Their tables have one line for each annotator's answer. Here the lines of one image become one sample: all
answers as captions with their emotions, and the emotions counted as artemis9 votes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row
from ..generic.file_names import FileNames, plain
from ..generic.image_folder import SPLITS
from ..generic.lines import csv_lines

RESCALED = "wikiart_rescaled_max_size_to_600px_same_aspect_ratio"


class AnswersConfig(FolderConfig):
    """What the four have in common."""

    table: str | None = Field(default=None, description="the CSV below the root; default: a known name")
    images: str | None = Field(default=None, description="the images' folder; default: a known name")
    text: Literal["utterance", "utterance_spelled"] = Field(
        default="utterance", description="as written, or (preprocessed tables) lower-cased and spell-checked"
    )


class ArtEmisConfig(AnswersConfig):
    kind: Literal["artemis"] = "artemis"


class ArtEmisV2Config(AnswersConfig):
    kind: Literal["artemis_v2"] = "artemis_v2"
    only: list[str] = Field(default=[], description="[new]: contrastive answers alone; [old]: those of v1")


class ArtELingoConfig(AnswersConfig):
    kind: Literal["artelingo"] = "artelingo"
    only: list[str] = Field(default=[], description="languages, such as [arabic, chinese]; default: all")


class AffectionConfig(AnswersConfig):
    kind: Literal["affection"] = "affection"


@dataclass
class _Answered:
    """An image, where it may lie, and the answers to it: [emotion, text, annotator, sort]."""

    paths: list[str]
    group: str
    splits: dict[str | None, None] = field(default_factory=dict)
    answers: list[list[str]] = field(default_factory=list)


class Answers(Reader):
    """One sample an image. A line that cannot be used is listed and fails; the other answers count.

    An answer without words is a vote without a caption. Where a table tells sorts of answers apart
    (languages, versions), they stay in one sample, so they cannot straddle splits; the attribute named by
    `sorts` lists the sort of each caption, in their order, and `reader.only` picks sorts.
    """

    licence = "research-only"
    spaces = ("artemis9",)
    config: Any
    tables: ClassVar[tuple[str, ...]]
    folders: ClassVar[tuple[str, ...]] = ("wikiart", RESCALED, "images")
    columns: ClassVar[tuple[str, ...]] = ("art_style", "painting")
    sort_column: ClassVar[str | None] = None
    sorts: ClassVar[str] = ""

    def __init__(self, config: AnswersConfig, root: Path) -> None:
        super().__init__(config, root)
        names = (config.table,) if config.table else self.tables
        self.require(*names)
        self.table = next((name for name in names if (self.root / name).is_file()), names[0])
        folders = [name for name in self.folders if (self.root / name).is_dir()]
        self.images = config.images if config.images is not None else folders[0] if folders else ""
        self.files = FileNames(self.root)

    def _rows(self) -> Iterator[Row]:
        images: dict[str, _Answered] = {}
        path, text = self.root / self.table, self.config.text
        only = {sort.casefold() for sort in getattr(self.config, "only", [])}
        sorts: set[str] = set()
        required = [
            *self.columns,
            "emotion",
            text,
            *([self.sort_column] if only and self.sort_column else []),
        ]
        for number, line, problem in csv_lines(path, required):
            sort = line.get(self.sort_column or "", "").strip().casefold()
            sorts.add(sort)
            if only and not problem and sort not in only:
                continue
            try:
                if problem:
                    raise UserError(problem)
                emotion = label_space("artemis9").canonical(line["emotion"])
                split = _split(line.get("split", ""))
                key, image = self._image_of(line)
            except UserError as error:
                detail = f"{self.table} line {number}: {error}"
                yield Row(f"line{number}", None, None, "", {"failure": ["bad_row", detail]})
                continue
            image = images.setdefault(key, image)
            image.splits[split] = None
            image.answers.append([emotion, line[text].strip(), line.get("workerid", "").strip(), sort])
        if only - sorts:
            there, unknown = ", ".join(sorted(sorts)), ", ".join(sorted(only - sorts))
            raise UserError(f"reader.only: {self.table} has no {unknown}; there are {there or 'none'}")
        yield from (self._row(key, image) for key, image in images.items())

    def _row(self, key: str, image: _Answered) -> Row:
        found = next((path for path in map(self.files.find, image.paths) if path), image.paths[0])
        facts: dict[str, Any] = {"answers": image.answers}
        if len(image.splits) > 1:
            detail = f"{self.table}: its answers are in splits {', '.join(map(str, image.splits))}"
            facts = {"failure": ["bad_row", detail]}
        return Row(key, next(iter(image.splits)), image.group, found, facts)

    def _image_of(self, line: dict[str, str]) -> tuple[str, _Answered]:
        """(id, the image without answers) that a line is about; UserError where it does not say."""
        style, painting = line["art_style"].strip(), line["painting"].strip()
        if not style or not painting:
            raise UserError(f"art_style is {style!r} and painting {painting!r}")
        path = (PurePosixPath(self.images) / style / f"{painting}.jpg").as_posix()
        return plain(f"{style}/{painting}"), _Answered([path], artwork_group(painting))

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        answers: list[list[str]] = row.facts["answers"]
        emotions = [emotion for emotion, _, _, _ in answers]
        votes = [emotions.count(name) for name in label_space("artemis9").names]
        written = [answer for answer in answers if answer[1]]
        captions: Any = [
            {"emotion": emotion, "text": text, **({"annotator": annotator} if annotator else {})}
            for emotion, text, annotator, _ in written
        ]
        sorts = [sort for _, _, _, sort in written]
        return self.sample(
            row,
            image,
            labels={"artemis9": {"votes": votes}},
            captions=captions or None,
            attributes={self.sorts: sorts} if any(sorts) else {},
        ), image


class ArtEmis(Answers):
    """ArtEmis v1, raw (no splits) or preprocessed (train, val, test; rest: artworks with over 40 answers)."""

    dataset = "artemis"
    how_to_get = (
        "Ask for ArtEmis as artemisdataset.org says; unpack its CSV beside WikiArt's pictures, "
        "wikiart/<style>/<painting>.jpg (see github.com/optas/artemis)."
    )
    summary = "454,684 answers to 80,031 artworks of WikiArt, nine emotions and why"
    config_class = ArtEmisConfig
    tables = ("artemis_dataset_release_v0.csv", "artemis_preprocessed.csv")

    def __init__(self, config: AnswersConfig, root: Path) -> None:
        super().__init__(config, root)
        if (self.root / "info.json").is_file():  # drawn in this layout (vemo datasets synthesize)
            info = json.loads((self.root / "info.json").read_bytes())
            self.dataset, self.licence = str(info["dataset"]), str(info["licence"])


class ArtEmisV2(Answers):
    """ArtEmis v2 "Combined": v1 and the contrastive answers, told apart by the column version (old, new)."""

    dataset = "artemis-v2"
    how_to_get = (
        "Ask for ArtEmis v1 and v2 (artemisdataset.org, artemisdataset-v2.org), make the combined CSV as "
        "github.com/Vision-CAIR/artemis-v2 says, put it beside wikiart/<style>/<painting>.jpg."
    )
    summary = "ArtEmis and 260,533 answers to paintings that look alike and are felt otherwise"
    config_class = ArtEmisV2Config
    tables = (
        "combined_artemis.csv",
        "full_combined/train/artemis_preprocessed.csv",
        "combined/train/artemis_preprocessed.csv",
        "artemis_preprocessed.csv",
        "Contrastive.csv",
    )
    sort_column, sorts = "version", "versions"


class ArtELingo(Answers):
    """ArtELingo: ArtEmis in English, Arabic, Chinese and a little Spanish."""

    dataset = "artelingo"
    how_to_get = (
        "Fill in the form that github.com/Vision-CAIR/artelingo links; put its CSV beside WikiArt's "
        "pictures, wikiart/<style>/<painting>.jpg."
    )
    summary = "about 1.2 million answers in four languages to about 80,000 artworks of WikiArt"
    config_class = ArtELingoConfig
    tables = ("artelingo_release.csv", "artelingo_release_lite.csv", "artelingo.csv", "raw/artelingo.csv")
    sort_column, sorts = "language", "languages"


# Where Affection's five sources may lie below their folder: the way each is distributed, or all in one place.
AFFECTION_FOLDERS = {
    "coco_affective": ("coco", ["train2014", "val2014", "2014/train2014", "2014/val2014"]),
    "visual_genome_affective": ("visual_genome", ["VG_100K", "VG_100K_2"]),
    "flickr30k_affective": ("flickr30k", ["flickr30k_images", "flickr30k-images"]),
    "you_aaai_affective": ("you_aaai", []),  # and <emotion>/<emotion>_NNNN.jpg
    "emotional_machines_affective": ("emotional_machines", ["raw"]),
}


class Affection(Answers):
    """Affection: photos of COCO, Visual Genome, Flickr30k, You et al. (FI) and Emotional Machines.

    Its photos of FI and COCO are in other datasets too: do not test on those what was trained here.
    """

    dataset = "affection"
    how_to_get = (
        "Agree to the terms at affective-explanations.org; put its CSV beside folders coco, visual_genome, "
        "flickr30k, you_aaai and emotional_machines with the photos, which each come from their own authors."
    )
    summary = "526,749 answers to 85,007 photos, nine emotions and why, from 6,283 annotators"
    config_class = AffectionConfig
    tables = (
        "affection_preprocessed_public_version_0.csv",
        "affection_raw_public_version_0.csv",
        "language/version_0/affection_preprocessed_public_version_0.csv",
        "language/version_0/affection_raw_public_version_0.csv",
    )
    folders = ("images",)
    columns = ("dataset", "image_name")

    def _image_of(self, line: dict[str, str]) -> tuple[str, _Answered]:
        source, name = line["dataset"].strip(), line["image_name"].strip()
        if source not in AFFECTION_FOLDERS or not name:
            known = ", ".join(AFFECTION_FOLDERS)
            raise UserError(f"dataset is {source!r} (known: {known}), image_name {name!r}")
        folder, below = AFFECTION_FOLDERS[source]
        base = PurePosixPath(name).name
        places = [name, *(f"{place}/{base}" for place in below), f"{base.partition('_')[0]}/{base}"]
        paths = [(PurePosixPath(self.images) / folder / place).as_posix() for place in places]
        key = plain(f"{source}/{name}")
        return key, _Answered(paths, key)


def artwork_group(painting: str) -> str:
    """The group of a WikiArt painting, the same in every dataset, style and spelling of its name."""
    return f"wikiart/{plain(painting)}"


def _split(text: str) -> str | None:
    """The split of a line; "rest" and other names stay as they are, empty is none."""
    name = text.strip().lower()
    return SPLITS.get(name, name) or None
