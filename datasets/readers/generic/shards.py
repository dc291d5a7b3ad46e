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

DUPLICATES, ELSEWHERE = Path("audit") / "duplicates.jsonl", Path("audit") / "elsewhere.jsonl"
TRAIN = "train"
KIND_OF = {"dedup": "identical", "dedup_near": "near"}  # in the audit's file


class ShardsOptions(FolderConfig):
    """Of everything that reads a finished shard set."""

    split: Literal["own", "dedup", "dedup_near", "drawn"] = Field(
        default="own",
        description="own: as they are; dedup: leave out what has an identical copy in a later split (train, "
        "then val, then test), so that test stays as published; dedup_near: also near copies. Both read what "
        "`vemo shards audit` found; drawn: none, so that the build draws them by group again (splits, "
        "split_seed), for sets whose dataset has no test split",
    )
    elsewhere: bool = Field(
        default=False,
        description="dedup and dedup_near: also leave out training images that have a copy in the sets that "
        "`vemo shards audit … against=[…]` looked at: in another split than train, or in train where the "
        "copy's id comes first (so that one of the two stays)",
    )
    sidecars: tuple[str, ...] = Field(
        default=(),
        description="sidecars of the source set whose columns become part of the new records, such as "
        "[persons, faces]; boxes are scaled with the images",
    )
    overlays: tuple[Path, ...] = Field(
        default=(),
        description="files of edits that become part of the new records, in this order and after the source "
        "set's own overrides.jsonl",
    )


class ShardsConfig(ShardsOptions):
    kind: Literal["shards"] = "shards"


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
        self.shards = ShardSet(self.root, config.overlays, config.sidecars)
        for sidecar in self.shards.sidecars.all:
            _refuse_unstorable(self.root, sidecar)
        self.fingerprint = self.shards.fingerprint
        manifest = self.shards.manifest
        self.dataset, self.licence = manifest["dataset"], manifest["licence"]
        brought = set().union(*(overlay.spaces for overlay in self.shards.overlays))
        self.spaces = (*manifest["spaces"], *sorted(brought.difference(manifest["spaces"])))
        self.origin = {
            "fingerprint": self.shards.shards_fingerprint,
            "overlays": [overlay.facts() for overlay in self.shards.overlays],
            **({"origin": manifest["origin"]} if "origin" in manifest else {}),
        }
        self.drawn = config.split == "drawn"
        self.expected = {} if self.drawn else {each: self.shards.count(each) for each in self.shards.splits}
        self.clusters = self._clusters() if config.split in KIND_OF else {}
        self.copies = self._copies_elsewhere() if config.elsewhere else {}

    def _clusters(self) -> dict[str, list[dict[str, str]]]:
        """Sample id → the samples of its cluster of copies."""
        path = self.root / DUPLICATES
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; reader.split={self.config.split} needs `vemo shards audit` first"
            )
        lines = (line for line in read_json_lines(path) if line["kind"] == KIND_OF[self.config.split])
        return {sample["id"]: line["samples"] for line in lines for sample in line["samples"]}

    def _copies_elsewhere(self) -> dict[str, str]:
        """Training image's id → a copy that stays in its stead, in another set."""
        if self.config.split not in KIND_OF:
            raise UserError(f"reader.elsewhere goes with split=dedup or dedup_near, not {self.config.split}")
        path = self.root / ELSEWHERE
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; run `vemo shards audit {self.root} against=[DIR, …]` first"
            )
        found: dict[str, str] = {}
        for line in read_json_lines(path):
            copy, wanted = line["copy"], line["kind"] == "identical" or self.config.split == "dedup_near"
            if wanted and (copy["split"] != TRAIN or copy["id"] < line["id"]):
                found.setdefault(line["id"], f"{copy['id']} ({copy['split']})")
        return found

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
                elif split == TRAIN and (copy := self.copies.get(identifier)):
                    facts = {"failure": ["duplicate", f"has a copy in another set: {copy}"]}
                    group = None
                name, own = identifier.partition("/")[2] or identifier, None if self.drawn else split
                row = Row(name, own, group, identifier, facts)
                yield from self._rows_of(row, record)

    def _rows_of(self, row: Row, record: dict[str, Any]) -> Iterator[Row]:
        """What becomes of one sample of the set; `row` fails where it is to be left out."""
        yield row

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
        if self.drawn:  # the record says which splits are the dataset's own, as no longer any is
            kept = {key: value for key, value in record["source"].items() if key != "split"}
            record = {**record, "source": kept}
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
