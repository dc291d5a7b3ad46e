"""Faces in class folders whose file names tell who or what they are from: CK+48 and SFEW.

The subject, or the film, is the group. What tells the two apart is data, as for the other class folders.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from ..base import Row
from ..scenes.class_folders import ClassFolders, FolderOptions

# Where SFEW's archives unpack to, aligned faces before whole frames.
SFEW_FOLDERS = {
    "train": ("Train/Train_Aligned_Faces", "Train_Aligned_Faces", "Train"),
    "val": (
        "Val/Val_Aligned_Faces_new/Val_Aligned_Faces",
        "Val/Val_Aligned_Faces",
        "Val_Aligned_Faces_new/Val_Aligned_Faces",
        "Val_Aligned_Faces_new",
        "Val_Aligned_Faces",
        "Val",
    ),
}


class FaceFoldersConfig(FolderOptions):
    """One of the datasets below; `kind` says which."""

    kind: Literal["ckplus48", "sfew"]


class FaceFolders(ClassFolders):
    """Class folders; the group is what `group_in_name` finds in a file's name, unless reader.groups has one.

    A file whose name says nothing fails: it could be one of a group on the other side of a split.
    """

    licence = "research-only"
    config_class = FaceFoldersConfig
    strangers = {}
    group_in_name: ClassVar[re.Pattern[str]]
    example: ClassVar[str]

    def _rows(self) -> Iterator[Row]:
        for row in super()._rows():
            found = self.group_in_name.match(PurePosixPath(row.path).name)
            if row.path in self.groups or row.id in self.groups:
                yield row
            elif found:
                yield replace(row, group=found[1])
            else:
                detail = f"{row.path}: expected a name such as {self.example}, which tells the group"
                yield replace(row, group=None, facts={"failure": ["bad_annotation", detail]})


class CkPlus48(FaceFolders):
    """CK+48: last frames of CK+'s labelled sequences, cut out at 48 × 48 pixels; there are no neutral faces.

    The subject is the group. No split of its own; copies of one sequence are near duplicates.
    """

    dataset = "ckplus48"
    spaces = ("fer8",)
    how_to_get = (
        "A re-hosted part of CK+, whose terms hold (jeffcohn.net/Resources); root holds CK+48/<expression>/."
    )
    summary = "grey faces of CK+, 48 × 48 pixels, seven expressions without neutral"
    outer = ("CK+48",)
    group_in_name = re.compile(r"(S\d+)_\d+_\d+\.")
    example = "S010_004_00000017.png"


class Sfew(FaceFolders):
    """SFEW 2.0: single frames of films, as aligned faces where there are any; the film is the group.

    Its test images have no public labels and are not listed.
    """

    dataset = "sfew"
    spaces = ("fer7",)
    how_to_get = (
        "Ask for SFEW 2.0 as cs.anu.edu.au/few/AFEW.html says; root holds Train/ and Val/, or "
        "Train_Aligned_Faces/ and Val_Aligned_Faces/, with a folder for each expression."
    )
    summary = "frames of films, faces in the wild, seven expressions"
    outer = ()
    group_in_name = re.compile(r"(.+)_\d+_\d+\.")
    example = "Airheads_000519240_00000005.png"

    def _class_folders(self) -> list[tuple[str | None, str, str]]:
        top, found = self.top, []
        for split, places in SFEW_FOLDERS.items():
            self.top = next((top / place for place in places if (top / place).is_dir()), top)
            if self.top != top:
                found += [(split, label, folder) for _, label, folder in super()._class_folders()]
        self.top = top
        return found or super()._class_folders()
