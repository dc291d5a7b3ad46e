"""A finished shard set as a source: archive shards become training shards without the original files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ...foundation.errors import UserError
from ..sample import Sample
from .base import FolderConfig, Reader, Row, SampleError


class ShardsConfig(FolderConfig):
    kind: Literal["shards"] = "shards"


class Shards(Reader):
    """Reads samples back out of a shard set, with their ids, splits, groups, labels and people's edits."""

    dataset = "shards"
    licence = "that of the shard set"
    spaces = ()
    how_to_get = "Build one: vemo shards build CONFIG root=DIR out=DIR; its folder is the root."
    summary = "an existing shard set, to be re-encoded or re-packed"
    config_class = ShardsConfig

    def __init__(self, config: Any, root: Path) -> None:
        from ..stream.shardset import ShardSet  # here: streams import torch, which no other reader needs

        super().__init__(config, root)
        self.shards = ShardSet(self.root)
        manifest = self.shards.manifest
        self.dataset, self.licence = manifest["dataset"], manifest["licence"]
        self.spaces = tuple(manifest["spaces"])
        self.expected = {split: self.shards.count(split) for split in self.shards.splits}

    def _rows(self) -> Iterator[Row]:
        for split in self.shards.splits:
            for place in range(self.shards.count(split)):
                record = self.shards.record(split, place)
                identifier = str(record["id"])
                source = record.get("source", {})
                facts = {"split": split, "place": place, "id": identifier}
                yield Row(
                    identifier.partition("/")[2] or identifier, split, source.get("group"), identifier, facts
                )

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        try:
            record, image = self.shards.read(row.facts["split"], row.facts["place"])
        except UserError as error:
            raise SampleError("unreadable", str(error)) from None
        if record.get("id") != row.facts["id"]:
            detail = f"sample {row.facts['place']} is {record.get('id')}, not {row.facts['id']}"
            raise SampleError("bad_row", detail)
        return Sample.from_record(record), image
