"""What pretraining teaches, over seeds: losses and probe of whole runs, from data to table.

    python benchmarks/pretraining.py built_in --seeds 1 2 3
    python benchmarks/pretraining.py tweets --config configs/pretrain/tweets.yaml data.shards=DIR

Without `data.shards` every seed draws a dataset of its own, so data, teacher and student all differ. A run
that is there already is not repeated, and an interrupted one goes on. Runs lie in runs/NAME-seed-N.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import RESULTS, write_result

ROOT = RESULTS.parent.parent
PARTS = ("loss", "reconstruction", "similarity", "contrastive")


def vemo(*arguments: str) -> float:
    """Run one command as a user would, from the repository's root; returns the seconds it took."""
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("vemo"), *arguments], cwd=ROOT, check=True)
    return time.perf_counter() - began


def run(name: str, config: str, seed: int, overrides: Sequence[str]) -> Path:
    """One run, whole; returns its folder."""
    out = Path("runs") / f"{name}-seed-{seed}"
    overrides = [*overrides, f"out={out}", f"training.seed={seed}", f"probe.seed={seed}"]
    overrides += [f"teacher.stand_in.seed={seed}", f"teacher.pair.seed={seed}"]
    seconds: dict[str, float] = {}
    if not any(word.startswith("data.shards=") for word in overrides):
        images, shards = Path("data") / f"{name}-{seed}", Path("data") / f"{name}-{seed}-shards"
        seconds["draw"] = vemo("datasets", "synthesize", str(images), f"seed={seed}")
        built_in = "configs/datasets/built-in.yaml"
        seconds["shards"] = vemo("shards", "build", built_in, f"root={images}", f"out={shards}")
        overrides.append(f"data.shards={shards}")
    if not (ROOT / out / "probe.json").exists():
        seconds["teacher, pretraining and probe"] = vemo("pretrain", config, *overrides)
        (ROOT / out / "seconds.json").write_text(json.dumps(seconds))
    return ROOT / out


def facts_of(folder: Path) -> dict[str, Any]:
    """What one run showed: seconds, losses of its first and last epoch, scores, differences."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = records[-1]["epoch"]
    first, final = (
        {
            part: round(
                statistics.mean(record[part] for record in records if low < record["epoch"] <= high), 4
            )
            for part in PARTS
            if part in records[0]
        }
        for low, high in ((0, 1), (last - 1, last))
    )
    report = json.loads((folder / "probe.json").read_text())
    scores = {
        name: {
            f"{kind} {metric}": [round(found[end], 4) for end in ("value", "low", "high")]
            for kind, score in row["scores"].items()
            for metric, found in score["intervals"].items()
        }
        for name, row in report["rows"].items()
    }
    return {
        "seconds": {
            stage: round(taken) for stage, taken in json.loads((folder / "seconds.json").read_text()).items()
        },
        "losses": {"first epoch": first, "last epoch": final},
        "scores": scores,
        "differences": {name: found["macro_f1"] for name, found in report["differences"].items()},
        "says": report["sentences"],
        "images": {"train": report["train_images"], "test": report["test_images"]},
        "protocol": report["protocol"],
        "dataset": report["dataset"],
        "commit": report["encoders"]["pretrained"]["training"]["environment"]["git"],
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation over seeds, smallest and largest."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    found = {"mean": statistics.mean(values), "deviation": deviation, "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Run every seed, print and write docs/results/pretraining_NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="built_in")
    parser.add_argument("--config", default="configs/pretrain/tiny.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments, overrides = parser.parse_known_args()
    seeds = {
        str(seed): facts_of(run(arguments.name, arguments.config, seed, overrides))
        for seed in arguments.seeds
    }
    every = list(seeds.values())
    summary = {
        name: {
            key: spread([each["scores"][name][key][0] for each in every if name in each["scores"]])
            for key in scores
        }
        for name, scores in every[0]["scores"].items()
    }
    differences = {
        name: {
            "macro-F1": spread([each["value"] for each in found]),
            "seeds": len(found),
            "beyond the interval": sum(each["low"] > 0 for each in found),
        }
        for name in every[0]["differences"]
        for found in [[each["differences"][name] for each in every if name in each["differences"]]]
    }
    payload = {
        "claim": "the pretrained encoder's linear probe beats the untrained encoder's and colour statistics'",
        "over seeds": summary,
        "pretrained minus": differences,
        "seeds": seeds,
    }
    print(write_result(f"pretraining_{arguments.name}", payload))


if __name__ == "__main__":
    main()
