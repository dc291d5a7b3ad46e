"""Readers: one file per dataset family, native layout in, `Sample`s and untouched image bytes out.

A reader lists cheaply (`rows`) and reads one sample at a time in any process (`read`); it never writes, never
re-encodes and never drops a sample without a reason code. Building shards is no business of this room.
"""

from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import Field

from .base import REASONS, Reader, Row, SampleError
from .emoset import EmoSet
from .ferplus import FerPlus
from .image_folder import Emo8, ImageFolder
from .shards import Shards
from .tweets import Tweets

# By the name under `reader.kind`; a new reader is one file, one import and one line here.
READERS: dict[str, type[Reader]] = {
    "emoset": EmoSet,
    "emo8": Emo8,
    "image_folder": ImageFolder,
    "tweets": Tweets,
    "ferplus": FerPlus,
    "shards": Shards,
}
ReaderConfig: Any = Annotated[
    Union[tuple(reader.config_class for reader in READERS.values())],  # noqa: UP007 (made at run time)
    Field(discriminator="kind"),
]


def make_reader(config: Any, root: Path) -> Reader:
    """The reader for one of the configs of `ReaderConfig`; UserError where `root` is not that dataset."""
    return READERS[config.kind](config, Path(root))


def describe_readers() -> list[dict[str, Any]]:
    """What `vemo datasets list` shows: kind, dataset, summary, spaces, samples, licence, how_to_get."""
    return [
        {
            "kind": kind,
            "dataset": reader.dataset,
            "summary": reader.summary,
            "spaces": list(reader.spaces),
            "samples": dict(reader.expected),
            "licence": reader.licence,
            "how_to_get": reader.how_to_get,
        }
        for kind, reader in READERS.items()
    ]


__all__ = [
    "READERS",
    "REASONS",
    "Reader",
    "ReaderConfig",
    "Row",
    "SampleError",
    "describe_readers",
    "make_reader",
]
