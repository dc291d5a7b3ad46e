"""Folders of images named after classes, `root/[<split>/]<class>/…`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import LabelSpace, label_space
from ..base import FolderConfig, Reader, Row, image_names

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class ImageFolderConfig(FolderConfig):
    """An image folder of any origin; `space` says what its class folders mean."""

    kind: Literal["image_folder"] = "image_folder"
    space: str
    synonyms: dict[str, str] = Field(default_factory=dict)  # folder name → class, for names the space lacks
    dataset: str = Field(default="image-folder", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    licence: str = "unknown"


class ImageFolder(Reader):
    """Class folders, with or without split folders above; images may lie deeper (`<class>/<object>/…`)."""

    dataset = "image-folder"
    licence = "unknown"
    spaces = ()
    how_to_get = "Put your images in folders named after the classes of a label space (reader.space)."
    summary = "any folder of images, root/[split/]class/…"
    config_class = ImageFolderConfig
    config: Any

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        self._settle()
        self.space: LabelSpace = label_space(self.spaces[0])
        self.top = self._top()
        self.class_folders = self._class_folders()

    def _settle(self) -> None:
        self.dataset, self.licence = self.config.dataset, self.config.licence
        self.spaces = (self.config.space,)

    def _top(self) -> Path:
        return self.root

    def _class_folders(self) -> list[tuple[str | None, str, str]]:
        """(split, class, path below the root) of every class folder; UserError names all unknown ones."""
        folders: list[tuple[str | None, Path]] = [(None, folder) for folder in _subfolders(self.top)]
        if folders and all(folder.name.lower() in SPLITS for _, folder in folders):
            folders = [(SPLITS[s.name.lower()], c) for _, s in folders for c in _subfolders(s)]
        if not folders:
            raise UserError(f"{self.top}: no class folders; expected [train|val|test/]<class>/<image>")
        synonyms = {name.casefold(): label for name, label in getattr(self.config, "synonyms", {}).items()}
        for label in synonyms.values():
            self.space.index(label)
        found, unknown = [], set()
        for split, folder in folders:
            try:
                label = self.space.canonical(synonyms.get(folder.name.casefold(), folder.name))
            except UserError:
                unknown.add(folder.name)
                continue
            found.append((split, label, folder.relative_to(self.root).as_posix()))
        if unknown:
            raise UserError(
                f"{self.top}: no classes of {self.space.name}: folders {', '.join(sorted(unknown))}; it has "
                f"{', '.join(self.space.names)}; name them in reader.synonyms or choose another reader.space"
            )
        return found

    def _rows(self) -> Iterator[Row]:
        top = "" if self.top == self.root else f"{self.top.relative_to(self.root).as_posix()}/"
        for split, label, folder in self.class_folders:
            for name in image_names(self.root / folder):
                path = f"{folder}/{name}"
                yield Row(path.removeprefix(top), split, None, path, {"class": label, **self._extra(path)})

    def _extra(self, path: str) -> dict[str, Any]:
        return {}

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        attributes = {"style": row.facts["style"]} if "style" in row.facts else {}
        label: Any = {self.space.name: {"class": row.facts["class"]}}
        return self.sample(row, image, labels=label, attributes=attributes), image


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
