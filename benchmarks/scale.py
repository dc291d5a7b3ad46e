"""A hundred thousand images: building with one process, two, and Ray; then the audit of what came out.

    python benchmarks/scale.py [--images 100000] [--rounds 2]

The images are small and different, drawn as in build_memory.py: what is measured is the builder, not the
decoder. Wall time of whole commands in alternation, each into a folder of its own; nobody looks at their
memory meanwhile, which takes a third of a core and with it the second process's room. Ray runs once on a
cluster that is there already, and once on one that is started for the build, which is part of its time. The
claims: two processes are at least 1.7 times one, a running Ray cluster of two processors at least 0.8 times
the process pool, and the audit, whose memory is measured, ends in minutes with less than 4 GB.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from build_memory import draw_images, watched, write_config
from common import write_result

ENGINES: dict[str, dict[str, Any]] = {
    "one process": {"workers": 1},
    "two processes": {"workers": 2},
    "ray, started for the build": {"workers": 2, "engine": "ray"},
    "ray, a running cluster of two": {"workers": 2, "engine": "ray", "ray_address": "auto"},
}
EMOSET = 3_300_000


def ray(*arguments: str) -> None:
    """One command of Ray's own, quietly."""
    command = [Path(sys.executable).with_name("ray"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def build_seconds(root: Path, out: Path, **settings: Any) -> float:
    """Wall seconds of one build, from the command's start to its end."""
    command = [Path(sys.executable).with_name("vemo"), "shards", "build", write_config(root, out, **settings)]
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return round(time.monotonic() - start, 1)


def main() -> None:
    """Draw, build, audit; print and write docs/results/scale.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as scratch:
        root, out = Path(scratch) / "source", Path(scratch) / "out"
        draw_images(root, 0, given.images)
        for _ in range(given.rounds):
            for name, settings in ENGINES.items():
                shutil.rmtree(out, ignore_errors=True)
                if "ray_address" in settings:
                    ray("start", "--head", "--num-cpus=2", "--include-dashboard=false")
                seconds[name].append(build_seconds(root, out, **settings))
                print(name, seconds[name][-1], flush=True)
                if "ray_address" in settings:
                    ray("stop")
        audit = watched("shards", "audit", str(out))
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {
        "two processes over one": middle["one process"] / middle["two processes"],
        "running ray over the pool": middle["two processes"] / middle["ray, a running cluster of two"],
    }
    payload: dict[str, Any] = {
        "claim": "two processes >= 1.7 times one; running Ray >= 0.8 of the pool; audit in minutes, < 4 GB",
        "images": given.images,
        "wall_seconds": seconds,
        "images_per_second": {name: round(given.images / took) for name, took in middle.items()},
        "speed": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "hours_for_3.3_million": {
            name: round(took * EMOSET / given.images / 3600, 2) for name, took in middle.items()
        },
        "audit": audit,
    }
    print(write_result("scale", payload))


if __name__ == "__main__":
    main()
