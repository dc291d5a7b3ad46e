"""Datasets that are nothing but class folders: UnBiasedEmo, Panda's Emotion-6, WEBEmo, CAER-S.

What tells them apart is data: a class here is a table row, and `ClassFolders` reads them all.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Row, image_files
from ..generic.image_folder import SPLITS, ImageFolder

EMOTION6 = "Emotion6 of Peng et al. 2015 (reader.kind=emotion6)"


class FolderOptions(FolderConfig):
    """What the configs of these datasets share."""

    synonyms: dict[str, str] = Field(
        default_factory=dict, description="folder name → class, for a copy that spells its folders otherwise"
    )
    groups: str | None = Field(
        default=None,
        description="a CSV `path,group` below the root; a group (a clip, near duplicates) stays together",
    )
    splits: Literal["own", "by_group"] = "own"


class ClassFoldersConfig(FolderOptions):
    """One of the datasets below; `kind` says which."""

    kind: Literal["unbiased_emo", "panda_emotion6", "caer_s"]


class WebEmoConfig(FolderOptions):
    kind: Literal["webemo"] = "webemo"
    # The folders 0 … 24 are places in the alphabetical list of names (category.txt, as the authors ship it).
    synonyms: dict[str, str] = Field(
        default_factory=lambda: {
            str(place): name for place, name in enumerate(label_space("webemo25").names)
        },
        description="folder name → class; what you write replaces the numbers 0 to 24",
    )


class ClassFolders(ImageFolder):
    """Class folders below known outer folders, with or without splits.

    Folders below a class become attributes. Where the dataset has no split of its own, identical files share
    a group (their sha256), so that the split drawn by the builder cannot tear copies apart.
    """

    outer: ClassVar[tuple[str, ...]] = ("images",)  # entered one after the other, where they are there
    levels: ClassVar[tuple[str, ...]] = ()  # what the folders below a class are called as attributes
    strangers: ClassVar[dict[str, str]] = {"ground_truth.txt": EMOTION6}  # file or class folder → whose it is

    def _settle(self) -> None:
        self.groups = _read_groups(self.root / self.config.groups) if self.config.groups else {}

    def _top(self) -> Path:
        top = self.root
        for name in self.outer:
            top = top / name if (top / name).is_dir() else top
        return top

    def _class_folders(self) -> list[tuple[str | None, str, str]]:
        names = class_folder_names(self.top)
        for mark, whose in self.strangers.items():
            if mark in names or (self.root / mark).is_file():
                raise UserError(f"{self.root}: {mark} tells that this is {whose}, not {self.dataset}")
        synonyms = {name.casefold() for name in self.config.synonyms}
        if not any(name in synonyms or self._has_class(name) for name in names):
            found = f"folders {', '.join(sorted(names)[:10])}" if names else "no folders"
            raise UserError(
                f"{self.top}: {found}, none of them a class of {self.space.name} "
                f"({', '.join(self.space.names)}), so this is no {self.dataset} folder. {self.how_to_get}"
            )
        return super()._class_folders()

    def _has_class(self, name: str) -> bool:
        try:
            self.space.index(name)
        except UserError:
            return False
        return True

    def _rows(self) -> Iterator[Row]:
        grouped = 0
        for own, label, folder in self.class_folders:
            for file in image_files(self.root / folder):
                path = file.relative_to(self.root).as_posix()
                identifier = file.relative_to(self.top).as_posix()
                group = self.groups.get(path, self.groups.get(identifier))
                grouped += group is not None
                split = own if self.config.splits == "own" else None
                if group is None and split is None:
                    group = self.group_of_file(path)
                below = file.relative_to(self.root / folder).parts[:-1]
                facts = {"class": label, "attributes": dict(zip(self.levels, below))}
                yield Row(identifier, split, group, path, facts)
        if self.groups and not grouped:
            first = next(iter(self.groups))
            raise UserError(f"{self.root / self.config.groups}: names no image of this copy, such as {first}")

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {self.space.name: {"class": row.facts["class"]}} if "class" in row.facts else {}
        return self.sample(row, image, labels=labels, attributes=row.facts["attributes"]), image


class UnBiasedEmo(ClassFolders):
    """UnBiasedEmo: every object occurs under several emotions, so that objects cannot stand in for emotions.

    The path is the id: files of the same name lie in several folders. The object is an attribute and no
    group: it is a kind of thing (a cat), not one thing photographed twice; and published protocols split
    within each object, so that groups of objects would test something else.
    """

    dataset = "unbiasedemo"
    spaces = ("parrott6",)
    how_to_get = (
        "Follow rpand002.github.io/emotion.html or ask its author; root holds images/<emotion>/<object>/."
    )
    summary = "about 3,000 photos, six emotions, the same objects under each"
    config_class = ClassFoldersConfig
    levels = ("object",)
    strangers = {**ClassFolders.strangers, "disgust": EMOTION6}


class PandaEmotion6(ClassFolders):
    """Emotion-6 of Panda et al. 2018, with love and without disgust: not the Emotion6 of Peng et al. 2015.

    Folders below the classes (finer emotions, two levels of them) are kept as attributes. UnBiasedEmo has the
    same six classes: which of the two this is, only the folder's name says.
    """

    dataset = "panda-emotion6"
    spaces = ("parrott6",)
    how_to_get = "Follow rpand002.github.io/emotion.html or ask its author; root holds images/<emotion>/."
    summary = "Emotion-6, about 8,350 photos, anger fear joy love sadness surprise"
    config_class = ClassFoldersConfig
    levels = ("level2", "level3")
    strangers = {**ClassFolders.strangers, "disgust": EMOTION6}


class WebEmo(ClassFolders):
    """WEBEmo: stock photos under the words they were searched by; nobody looked at each label.

    Folders are numbered (`images/test25/<0 … 24>/`) or named, with the dataset's own typing mistakes. Its
    tiers of 7 and 2 classes are label maps from webemo25. The folders train25 and test25 are its own split.
    """

    dataset = "webemo"
    spaces = ("webemo25",)
    how_to_get = (
        "The link at rpand002.github.io/emotion.html is said to have expired: ask its author. Root holds "
        "images/train25/<0 … 24>/ and images/test25/<0 … 24>/, or either."
    )
    summary = "about 268,000 stock photos, 25 emotions in three tiers, labelled by search word"
    config_class = WebEmoConfig
    own_splits: ClassVar[dict[str, str]] = {"train25": "train", "test25": "test"}

    def _class_folders(self) -> list[tuple[str | None, str, str]]:
        top, found = self.top, []
        for name, split in self.own_splits.items():
            if (top / name).is_dir():
                self.top = top / name
                found += [(split, label, folder) for _, label, folder in super()._class_folders()]
        self.top = top
        return found or super()._class_folders()


class CaerS(ClassFolders):
    """CAER-S: frames of TV shows, `{train,test}/<emotion>/NNNN.png`; the cleaned copy calls Anger `Angry`.

    Frames of one clip are near duplicates and lie in both splits, so scores on the own split are flattering.
    Neither folders nor file names say which clip a frame is from: no group can be had from this layout. Who
    knows the clips, or clusters near duplicates, gives them as reader.groups; the build then reports what
    straddles, and reader.splits=by_group splits without it.
    """

    dataset = "caer-s"
    licence = "research-only"
    spaces = ("caer7",)
    how_to_get = (
        "Ask for CAER-S as caer-dataset.github.io says; root is the folder CAER-S or the one that holds it."
    )
    summary = "about 70,000 frames of TV shows, people in context, seven emotions"
    config_class = ClassFoldersConfig
    outer = ("CAER-S",)


def class_folder_names(top: Path) -> set[str]:
    """The names of the class folders in `top`, or in its split folders if it has no others; lower case."""
    folders = [path for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if folders and all(folder.name.lower() in SPLITS for folder in folders):
        return set().union(*(class_folder_names(folder) for folder in folders))
    return {folder.name.casefold() for folder in folders}


def _read_groups(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise UserError(f"{path}: no such file (reader.groups is a CSV with the columns path,group)")
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        table = csv.DictReader(stream)
        if not {"path", "group"} <= set(table.fieldnames or ()):
            raise UserError(f"{path}: the first line must be path,group; got {table.fieldnames}")
        return {
            line["path"].strip(): line["group"].strip() for line in table if line["path"] and line["group"]
        }
