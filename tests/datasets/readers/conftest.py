"""Pictures to lay out in a dataset's native form, and the way from there into shards and out again."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vemo.datasets.readers import make_reader
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet, evaluation_batches
from vemo.datasets.synthetic import SynthesizeConfig, synthesize

sys.path.insert(0, str(Path(__file__).parent))  # tests import `reader_outcomes`


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> list[bytes]:
    """24 different JPEGs of 96 pixels, drawn by the synthesizer."""
    root = tmp_path_factory.mktemp("drawn") / "built-in"
    synthesize(SynthesizeConfig(out=root, images=24, size=96, seed=1, workers=0))
    return [path.read_bytes() for path in sorted(root.glob("image/*/*.jpg"))]


@pytest.fixture
def put(pictures) -> Callable[..., bytes]:
    """put(path, number=0): write a drawn picture there, folders and all; returns its bytes."""

    def write(path: Path, number: int = 0) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures[number % len(pictures)])
        return pictures[number % len(pictures)]

    return write


class KeepId:
    """A view that only says whose turn it is."""

    def __call__(self, image_loader: Any, record: dict[str, Any], seed: int) -> dict[str, Any]:
        return {"id": record["id"], "pixels": int(image_loader().numel() > 0)}


@pytest.fixture
def round_trip(tmp_path) -> Callable[..., dict[str, dict[str, Any]]]:
    """round_trip(config, root, tolerance=0): native → shards → stream; returns the records by id.

    Asserts that every row which the reader can read arrives: the very record, the very bytes, once.
    """

    def run(config: Any, root: Path, tolerance: float = 0.0) -> dict[str, dict[str, Any]]:
        out = tmp_path / "shards-of-the-round-trip"
        report = build(
            BuildConfig.model_validate(
                {
                    "root": root,
                    "out": out,
                    "reader": config,
                    "workers": 0,
                    "samples_per_shard": 5,
                    "tolerance": tolerance,
                }
            )
        )
        assert report.ok, report.summary
        reader, shards = make_reader(config, root), ShardSet(out)
        stored = {}
        for split in shards.splits:
            for index in range(shards.count(split)):
                record, image = shards.read(split, index)
                assert record["id"] not in stored
                stored[record["id"]] = (split, record, image)
            streamed = [
                name for batch in evaluation_batches(shards, split, KeepId(), 4) for name in batch["id"]
            ]
            assert streamed == [name for name, (where, _, _) in stored.items() if where == split]
        failed = {line.split('"id": "')[1].split('"')[0] for line in _lines(out / "failures.jsonl")}
        rows = [row for row in reader.rows() if row.id not in failed]
        assert len(stored) == len(rows)
        for row in rows:
            sample, image = reader.read(row)
            split, record, kept = stored[sample.id]
            assert kept == image and (row.split is None or split == row.split)
            assert record == {**sample.to_record(), "width": record["width"], "height": record["height"]}
        return {name: record for name, (_, record, _) in stored.items()}

    return run


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []
