"""`vemo curate` on many small samples: loading them, opening again, writing edits; seconds and memory.

    nice .venv/bin/python benchmarks/curate.py [--samples 50000] [--edits 1000]

Needs FiftyOne and a mongod (`make curate` brings both). Records are made up, over a few images, so the cache
of images costs next to nothing: see docs/results for what writing images costs. Processor seconds are those
of the command and of MongoDB until the App answers; on a shared machine they, not the seconds on the clock,
are to be compared.
"""

import argparse
import datetime
import io
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from common import write_result
from PIL import Image
from vemo.datasets.shards import ShardReport
from vemo.datasets.shards.tar import TarShard
from vemo.datasets.taxonomy import label_space
from vemo.foundation.files import append_json_line, write_json

IMAGES, PER_SHARD = 20, 10_000
NAMES = label_space("mikels8").names
VEMO = Path(sys.executable).with_name("vemo")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--samples", type=int, default=50_000)
    arguments.add_argument("--edits", type=int, default=1_000)
    given = arguments.parse_args()
    if find_spec("fiftyone") is None:
        print("FiftyOne is not installed, so there is nothing to measure: `make curate` brings it")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_shards(folder / "shards", given.samples)
        settings = {"shards": "shards", "folder": "home", "media": "media", "port": 0}
        (folder / "curate.yaml").write_text(yaml.safe_dump(settings))
        found = {"load": opened(folder), "open again": opened(folder, given.edits), "edits": written(folder)}
        lines = len((folder / "out.jsonl").read_text().splitlines())
        assert lines == given.edits, f"{lines} edits came back, {given.edits} were made"
        files = folder / "home/database/files"
        found["database_mb"] = round(sum(p.stat().st_size for p in files.rglob("*") if p.is_file()) / 1e6)
    data = f"{given.samples} made-up records over {IMAGES} images, {given.edits} of them edited"
    claim = "50,000 small samples open in the FiftyOne App, come back, and give their edits"
    payload = {"claim": claim, "data": data, "measured": found, "fiftyone": version("fiftyone")}
    print(write_result("curate", payload))


def make_shards(folder: Path, samples: int) -> None:
    """Valid records with a class, valence and arousal, four attributes and a person, seeded."""
    folder.mkdir()
    draw, shards = np.random.default_rng(0), -(-samples // PER_SHARD)
    images = [_picture(draw) for _ in range(IMAGES)]
    for shard in range(shards):
        name = f"train-{shard:05d}"
        with TarShard(folder / f"{name}.tar") as tar:
            for number in range(shard * PER_SHARD, min((shard + 1) * PER_SHARD, samples)):
                record = json.dumps(_record(number, draw)).encode()
                tar.add(f"{number:06d}", "jpg", images[number % IMAGES], record)
            append_json_line(folder / "shards.jsonl", asdict(ShardReport(name, "train", **tar.finish())))
    splits = {"train": {"samples": samples, "shards": shards}}
    write_json(
        folder / "manifest.json", {"format": 1, "dataset": "toy", "spaces": ["mikels8"], "splits": splits}
    )


def opened(folder: Path, edits: int = 0) -> dict[str, float]:
    """Open the App until it answers, change some samples, and close it."""
    command = [VEMO, "curate", "open", "curate.yaml"]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None and "http" in process.stdout.readline(), "the App did not open"
    seconds = time.monotonic() - began
    family = {"vemo": psutil.Process(process.pid)}
    family |= {"mongod" if "mongod" in child.name() else "app": child for child in family["vemo"].children()}
    found = {"seconds": round(seconds, 1)}
    for name, each in family.items():
        found[f"{name}_cpu_seconds"] = round(sum(each.cpu_times()[:2]), 1)
        found[f"{name}_peak_mb"] = _peak_mb(each.pid)
    if edits:
        _edit(folder, edits)
    process.send_signal(signal.SIGINT)
    process.communicate()
    return found


def written(folder: Path) -> dict[str, float]:
    """`vemo curate edits`, with the App closed."""
    command = [VEMO, "curate", "edits", "curate.yaml", "out.jsonl", "--rater", "nobody"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - began, 1), "cpu_seconds_with_mongod": round(cpu, 1)}


def _edit(folder: Path, edits: int) -> None:
    import pymongo

    port = json.loads((folder / "home/database/address.json").read_text())["port"]
    with pymongo.MongoClient("127.0.0.1", port) as client:
        dataset = client["vemo"]["datasets"].find_one({"name": "shards"})
        samples = client["vemo"][dataset["sample_collection_name"]]
        chosen = [each["_id"] for each in samples.find({}, {"_id": 1}).limit(edits)]
        now = datetime.datetime.now(datetime.UTC)
        changes = {"valence": 0.123, "last_modified_at": now}  # as the App's own writes do
        samples.update_many({"_id": {"$in": chosen}}, {"$set": changes})


def _record(number: int, draw: np.random.Generator) -> dict[str, Any]:
    x, y = draw.integers(0, 20, 2).tolist()
    return {
        "id": f"toy/{number:06d}",
        "source": {"dataset": "toy", "path": f"{number:06d}.jpg", "licence": "research-only"},
        "width": 64,
        "height": 48,
        "labels": {"mikels8": {"class": NAMES[number % len(NAMES)]}},
        "vad": {"valence": round(draw.uniform(-1, 1), 3), "arousal": round(draw.uniform(-1, 1), 3)},
        "attributes": {
            "brightness": round(draw.uniform(0, 1), 1),
            "colorfulness": round(draw.uniform(0, 1), 1),
            "scene": f"scene {draw.integers(50)}",
            "objects": [f"thing {each}" for each in draw.integers(0, 200, 2)],
        },
        "persons": [{"box": [x, y, x + 20, y + 20], "score": 0.9}],
    }


def _picture(draw: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    pixels = draw.integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).resize((64, 48)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _peak_mb(process: int) -> float:
    """The greatest resident memory so far (Linux), else what it is now."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024)
    return round(psutil.Process(process).memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
