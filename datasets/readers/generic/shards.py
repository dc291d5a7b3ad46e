"""A finished shard set as a source: archive shards become training shards without the original files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ....foundation.files import read_json_lines
from ...sample import Sample
from ...sidecars.layout import Sidecar
from ..base import FolderConfig, Reader, Row, SampleError

DUPLICATES = Path("audit") / "duplicates.jsonl"
KIND_OF = {"dedup": "identical", "dedup_near": "near"}  # in the audit's file


class ShardsConfig(FolderConfig):
    kind: Literal["shards"] = "shards"
    split: Literal["own", "dedup", "dedup_near"] = Field(
        default="own",
        description="own: as they are; dedup: leave out what has an identical copy in a later split (train, "
        "then val, then test), so that test stays as published; dedup_near: also near copies. Both read what "
        "`vemo shards audit` found",
    )
    sidecars: tuple[str, ...] = Field(
        default=(),
        description="sidecars of the source set whose columns become part of the new records, such as "
        "[persons, faces]; boxes are scaled with the images",
    )


class Shards(Reader):
    """Reads samples back out of a shard set, with their ids, splits, groups, labels and people's edits.

    Sidecars that were asked for join the records before the edits do, and are refused as a stream refuses
    them (missing, unfinished, damaged, made for other shards, a key too many).
    """

    dataset = "shards"
    licence = "that of the shard set"
    spaces = ()
    how_to_get = "Build one: vemo shards build CONFIG root=DIR out=DIR; its folder is the root."
    summary = "an existing shard set, to be re-encoded or re-packed"
    config_class = ShardsConfig

    def __init__(self, config: Any, root: Path) -> None:
        from ...stream.shardset import ShardSet  # here: streams import torch, which no other reader needs

        super().__init__(config, root)
        self.shards = ShardSet(self.root, sidecars=config.sidecars)
        for sidecar in self.shards.sidecars.all:
            _refuse_unstorable(self.root, sidecar)
        self.fingerprint = self.shards.fingerprint
        manifest = self.shards.manifest
        self.dataset, self.licence = manifest["dataset"], manifest["licence"]
        self.spaces = tuple(manifest["spaces"])
        self.expected = {split: self.shards.count(split) for split in self.shards.splits}
        self.clusters = self._clusters() if config.split != "own" else {}

    def _clusters(self) -> dict[str, list[dict[str, str]]]:
        """Sample id → the samples of its cluster of copies."""
        path = self.root / DUPLICATES
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; reader.split={self.config.split} needs `vemo shards audit` first"
            )
        lines = (line for line in read_json_lines(path) if line["kind"] == KIND_OF[self.config.split])
        return {sample["id"]: line["samples"] for line in lines for sample in line["samples"]}

    def _later_copy(self, identifier: str, split: str) -> str | None:
        """The first copy of a sample that lies in a later split."""
        order = self.shards.splits
        return next(
            (
                f"{copy['id']} ({copy['split']})"
                for copy in self.clusters.get(identifier, ())
                if order.index(copy["split"]) > order.index(split)
            ),
            None,
        )

    def _rows(self) -> Iterator[Row]:
        for split in self.shards.splits:
            for place in range(self.shards.count(split)):
                record = self.shards.record(split, place)
                identifier = str(record["id"])
                source = record.get("source", {})
                facts: dict[str, Any] = {"split": split, "place": place, "id": identifier}
                group = source.get("group")
                if copies := self.clusters.get(identifier):
                    group = copies[0]["id"]
                if copy := self._later_copy(identifier, split):
                    facts = {"failure": ["duplicate", f"has a copy in a later split: {copy}"]}
                    group = None  # it will not be there to straddle
                yield Row(identifier.partition("/")[2] or identifier, split, group, identifier, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        try:
            record, image = self.shards.read(row.facts["split"], row.facts["place"])
        except UserError as error:
            raise SampleError("unreadable", str(error)) from None
        if record.get("id") != row.facts["id"]:
            detail = f"sample {row.facts['place']} is {record.get('id')}, not {row.facts['id']}"
            raise SampleError("bad_row", detail)
        if row.group is not None:
            record = {**record, "source": {**record["source"], "group": row.group}}
        return Sample.from_record(record), image


def _refuse_unstorable(home: Path, sidecar: Sidecar) -> None:
    """UserError for an array or a column that no record has: embeddings, hashes.

    They describe the bytes and the order of the tars they were made for, and those of the new set are others.
    """
    strangers = [column for column in sidecar.columns if column not in Sample.model_fields]
    if sidecar.kind == "array" or strangers:
        what = f"gives {', '.join(strangers or sidecar.columns)}, which belongs to the tars it was made for"
        raise UserError(
            f"{sidecar.path(str(home))}: {what} and is no part of a record; leave it out of reader.sidecars "
            f"and make it for the new set: {sidecar.command}"
        )
