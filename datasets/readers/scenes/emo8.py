"""Emo8: eight emotions in five styles, an image folder with splits."""

import csv
from pathlib import Path
from typing import Any, Literal

from ....foundation.errors import UserError
from ..base import FolderConfig
from ..generic.image_folder import ImageFolder


class Emo8Config(FolderConfig):
    kind: Literal["emo8"] = "emo8"
    styles: str | None = None  # a CSV `path,style` below the root; the archive itself does not say the style


class Emo8(ImageFolder):
    """Emo8: eight emotions in five styles, pre-split; root is the folder `emo8` or the one that holds it."""

    dataset = "emo8"
    licence = "research-only"
    spaces = ("mikels8",)
    how_to_get = "Follow the link in the README of github.com/chincharles/u-emo and unpack emo8/."
    summary = "about 8,900 images: cartoon, natural, realistic, science fiction, advertising cover"
    config_class = Emo8Config

    def _settle(self) -> None:
        self.styles = _read_styles(self.root / self.config.styles) if self.config.styles else {}

    def _top(self) -> Path:
        return self.root / "emo8" if (self.root / "emo8").is_dir() else self.root

    def _extra(self, path: str) -> dict[str, Any]:
        below_top = (self.root / path).relative_to(self.top).as_posix()
        style = self.styles.get(path, self.styles.get(below_top))
        return {"style": style} if style else {}


def _read_styles(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise UserError(f"{path}: no such file (reader.styles is a CSV with the columns path,style)")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        if not {"path", "style"} <= set(table.fieldnames or ()):
            raise UserError(f"{path}: the first line must be path,style; got {table.fieldnames}")
        return {
            line["path"].strip(): line["style"].strip() for line in table if line["path"] and line["style"]
        }
