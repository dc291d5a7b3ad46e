"""A finished shard set that holds whatever records a test asks for."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from vemo.datasets.sample import Sample
from vemo.datasets.shards import ShardReport
from vemo.datasets.shards.layout import member_key
from vemo.datasets.shards.tar import TarShard
from vemo.foundation.files import append_json_line, write_json


@pytest.fixture
def pack_records(tmp_path: Path) -> Callable[..., Path]:
    """pack_records({split: [what is known of a sample, …]}, **manifest): one shard a split, in tmp_path."""

    def pack(splits: dict[str, list[dict[str, Any]]], **manifest: Any) -> Path:
        out = tmp_path / "packed"
        out.mkdir()
        for split, samples in splits.items():
            with TarShard(out / f"{split}-00000.tar") as tar:
                for number, known in enumerate(samples):
                    record = sample(f"{split}_{number}", known).to_record()
                    image = picture((37 * number) % 255, len(split))
                    tar.add(member_key(record["id"]), "jpg", image, json.dumps(record).encode())
                report = ShardReport(f"{split}-00000", split, **tar.finish())
            append_json_line(out / "shards.jsonl", asdict(report))
        (out / "failures.jsonl").touch()
        spaces = {
            space for samples in splits.values() for known in samples for space in known.get("labels", {})
        }
        stated = {
            "format": 1,
            "dataset": "toy",
            "licence": "research-only",
            "spaces": sorted(spaces),
            "splits": {split: {"samples": len(samples), "shards": 1} for split, samples in splits.items()},
            "build": {
                "reader": {"kind": "table"},
                "short_side": None,
                "splits": {"train": 1.0},
                "split_seed": 0,
                "codec": "simplejpeg",
            },
            "coverage": {"listed": {}, "expected": {}, "failed": {}, "line": "all images"},
            "copies": 0,
            "leaks": {"images": 0, "drawn_here": 0, "first": [], "groups": 0, "first_groups": []},
        }
        write_json(out / "manifest.json", stated | manifest)
        return out

    return pack


def sample(name: str, known: dict[str, Any]) -> Sample:
    source = {"dataset": "toy", "path": f"{name}.jpg", "sha256": "0" * 64, "licence": "research-only"}
    fixed = {"id": f"toy/{name}", "width": 8, "height": 6}
    return Sample.model_validate({**fixed, **known, "source": source | known.get("source", {})})


def picture(red: int, blue: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (red, 90, blue)).save(buffer, "JPEG")
    return buffer.getvalue()
