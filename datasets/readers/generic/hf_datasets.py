"""A Hugging Face dataset: a folder written by `save_to_disk`, or one that the package loads by its name."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ..base import Row, SampleError
from .image_folder import SPLITS
from .mapped import MappedConfig, MappedReader

PAGE = 1000  # rows that are listed at a time


class HfDatasetsConfig(MappedConfig):
    """columns.image may be left out where the dataset has one column of images."""

    kind: Literal["hf_datasets"] = "hf_datasets"
    dataset: str = Field(default="hf-dataset", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    folder: str = Field(default=".", description="the folder below the root that save_to_disk wrote")
    name: str | None = Field(
        default=None,
        description="load this dataset by name instead; the root is where it is kept (cache_dir)",
    )
    subset: str | None = Field(default=None, description="with name: which of the dataset's configurations")
    revision: str | None = Field(default=None, description="with name: the commit; without it, the newest")


class HfDatasets(MappedReader):
    """Class numbers become class names (ClassLabel); images keep the bytes that are stored (Image).

    Splits are the dataset's own, unless a column says otherwise.
    """

    dataset = "hf-dataset"
    how_to_get = "Write a datasets.Dataset with save_to_disk(FOLDER), the root; or give reader.name."
    summary = "any Hugging Face dataset, saved on disk or loaded by name; columns are mapped in the config"
    config_class = HfDatasetsConfig

    def __init__(self, config: HfDatasetsConfig, root: Path) -> None:
        super().__init__(config, root)
        self.tables = self._load()
        if self.columns.path is not None:
            raise UserError(
                "reader.columns.path: a Hugging Face dataset holds its images; give image or nothing"
            )
        for key, table in self.tables.items():
            self.columns.check_names(_names(table.features), f"split {key}" if key else "the dataset")
        self.images = {key: self._image_column(table) for key, table in self.tables.items()}

    def _load(self) -> dict[str, Any]:
        """{split, or "" where there are none: table}."""
        package = _package()
        config: HfDatasetsConfig = self.config
        try:
            if config.name is None:
                loaded = package.load_from_disk(str(self.root / config.folder))
            else:
                loaded = package.load_dataset(
                    config.name, config.subset, revision=config.revision, cache_dir=str(self.root)
                )
        except Exception as error:  # the package raises whatever its own dependencies raise
            what = config.name or self.root / config.folder
            raise UserError(f"{what}: cannot be loaded: {error}. {self.how_to_get}") from None
        return dict(loaded) if isinstance(loaded, dict) else {"": loaded}

    def _image_column(self, table: Any) -> Any:
        """The table with its column of images alone, as stored."""
        features = table.features
        images = [name for name, feature in features.items() if isinstance(feature, _package().Image)]
        if self.columns.image is None and len(images) != 1:
            there = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
            raise UserError(f"reader.columns.image: say which column holds the images; there are {there}")
        return _undecoded(table.select_columns([self.columns.image or images[0]]))

    def _rows(self) -> Iterator[Row]:
        used = {column.partition(".")[0] for key, column in self.columns.used() if key != "image"}
        for key, table in self.tables.items():
            split = SPLITS.get(key.lower(), key.lower()) or None
            listed = _undecoded(table.select_columns(sorted(used)))
            for start in range(0, len(table), PAGE):
                stop = min(start + PAGE, len(table))
                page = _cells(listed, slice(start, stop)) if used else {}
                for place in range(start, stop):
                    cells = {name: page[name][place - start] for name in used}
                    values = {name: named(table.features[name], cell) for name, cell in cells.items()}
                    where, default = f"{key} row {place}".strip(), f"{key}-{place}" if key else str(place)
                    path = f"{key or self.dataset}#{place}"
                    yield self._mapped_row(values, where, [key, place], default, split, path)

    def _image(self, row: Row) -> bytes:
        key, place = row.facts["place"]
        try:
            (cell,) = _cells(self.images[key], place).values()
        except UserError as error:
            raise SampleError("unreadable", f"{row.facts['where']}: {error}") from None
        return self.stored_bytes(cell, row.facts["where"])


def _undecoded(table: Any) -> Any:
    """A table with its images as they are stored, {bytes, path}."""
    image = _package().Image
    for name, feature in table.features.items():
        if isinstance(feature, image):
            table = table.cast_column(name, image(decode=False))
    return table.with_format(None)


def _cells(table: Any, places: int | slice) -> dict[str, Any]:
    try:
        return table[places]
    except Exception as error:  # the package raises whatever its own dependencies raise
        raise UserError(f"rows {places} cannot be read: {error}") from None


def named(feature: Any, cell: Any) -> Any:
    """A cell with class names for class numbers, however deep; -1, an unlabelled image, is None."""
    if isinstance(cell, list):
        return [named(feature.feature, item) for item in cell] if hasattr(feature, "feature") else cell
    if isinstance(cell, dict):  # a struct, or an image as it is stored
        inner = feature if isinstance(feature, dict) else {}
        return {name: named(inner.get(name), value) for name, value in cell.items()}
    if isinstance(cell, int) and isinstance(feature, _package().ClassLabel):
        return feature.names[cell] if cell >= 0 else None
    return cell


def _names(features: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, feature in features.items():
        yield above + name
        if isinstance(feature, Mapping):
            yield from _names(feature, f"{above}{name}.")
        elif isinstance(feature, _package().Image):
            yield from (f"{above}{name}.{part}" for part in ("bytes", "path"))


def _package() -> Any:
    try:
        package = importlib.import_module("datasets")
        package.load_from_disk  # noqa: B018 (another module of that name has none)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"this reader needs the package datasets ({error}): pip install 'vemo[readers]'; and do not run "
            "in vemo's own folder, which has a datasets/ too"
        ) from None
    return package
