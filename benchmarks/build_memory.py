"""Memory of `vemo shards build`, workers and all, from a thousand samples to a hundred thousand.

    nice .venv/bin/python benchmarks/build_memory.py [--sizes 1000 10000 100000]

Draws small JPEGs, builds them with the command as people run it, and adds up the memory of the process and
its children every few milliseconds. `rss` counts a page once for every process that maps it, so it is an
upper bound; `pss` shares such pages out. The claim under test: peak rss stays below 500 MB at every size.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from common import write_result
from PIL import Image

LIMIT_MB = 500
CLASSES = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    rows, drawn = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "source"
        for size in sorted(given.sizes):
            draw_images(root, drawn, size)
            drawn = size
            rows.append({"samples": size, **peak_memory(root, Path(scratch) / f"out-{size}", given.workers)})
            print(rows[-1], flush=True)
    payload = {
        "claim": f"peak rss of `vemo shards build` stays below {LIMIT_MB} MB, 1,000 to 100,000 samples",
        "data": "64x48 JPEGs of seeded noise, drawn by this script (seed: the image's number)",
        "workers": given.workers,
        "peak": rows,
        "holds": max(row["rss_mb"] for row in rows) < LIMIT_MB,
    }
    print(write_result("build_memory", payload))


def draw_images(root: Path, first: int, end: int) -> None:
    """Images number `first` to `end` - 1, each different, spread over eight class folders."""
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(first, end):
        pixels = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((64, 48)).save(buffer, "JPEG", quality=80)
        (root / CLASSES[number % len(CLASSES)] / f"{number:06d}.jpg").write_bytes(buffer.getvalue())


def peak_memory(root: Path, out: Path, workers: int) -> dict[str, float]:
    """Build `root` and return the greatest sum of memory over the command and its children, in MB."""
    return watched("shards", "build", str(write_config(root, out, workers=workers)))


def write_config(root: Path, out: Path, **settings: Any) -> Path:
    """The YAML of a build of the drawn images, beside `out`."""
    config = out.with_suffix(".yaml")
    reader = {"kind": "image_folder", "space": "mikels8"}
    config.write_text(yaml.safe_dump({"root": str(root), "out": str(out), "reader": reader, **settings}))
    return config


def watched(*arguments: str) -> dict[str, float]:
    """Run one `vemo` command; the greatest sum of memory over it and its children, in MB, and its seconds."""
    start = time.monotonic()
    command = [Path(sys.executable).with_name("vemo"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent, rss, pss, most = psutil.Process(process.pid), 0, 0, 0
    while process.poll() is None:
        try:
            family = [parent, *parent.children(recursive=True)]
            memory = [member.memory_full_info() for member in family]
        except psutil.Error:  # one of them has just ended
            continue
        rss = max(rss, sum(part.rss for part in memory))
        pss = max(pss, sum(getattr(part, "pss", part.rss) for part in memory))
        most = max(most, len(family))
        time.sleep(0.02)
    if process.returncode != 0:
        raise SystemExit(f"{arguments} ended with code {process.returncode}")
    seconds = time.monotonic() - start
    return {
        "rss_mb": round(rss / 2**20, 1),
        "pss_mb": round(pss / 2**20, 1),
        "processes": most,
        "wall_seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
