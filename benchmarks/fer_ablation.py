"""Squeeze-and-excitation, SAM and pretraining on faces: what each does to FER2013's test accuracy.

    python benchmarks/fer_ablation.py [--seeds 1 2 3] [--jobs 2]

Data: data/ferplus-dedup as configs/finetune/fer_small.yaml says. For every seed a masked autoencoder is
trained on the training faces without a label; then each of the eight combinations is a `vemo finetune
configs/finetune/fer_ablation.yaml` of one thread. What is there already is not repeated and an interrupted
run goes on, so the same command finishes the table. An effect is the mean over the other two factors and the
seeds of what switching one on changes, seed by seed.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import RESULTS, write_result

ROOT = RESULTS.parent.parent
RUNS = Path("runs/fer-ablation")
FACTORS = ("squeeze", "SAM", "pretrained")
SETTINGS = {  # of what is off; what is on is the config's own, and SAM's radius
    "squeeze": {False: ["squeeze=null"], True: []},
    "SAM": {False: [], True: ["training.sharpness.rho=0.05"]},
    "pretrained": {False: ["random=true"], True: []},
}
Cell = tuple[bool, bool, bool]
CELLS: list[Cell] = list(itertools.product((False, True), repeat=3))


def vemo(*arguments: str, log: Path) -> None:
    """Run one command from the repository's root on one thread."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("vemo")), *arguments]
    with log.open("w") as stream:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=ROOT, check=True, stdout=stream, stderr=stream, env=environment)


def named(cell: Cell) -> str:
    """Such as "squeeze + pretrained"."""
    return " + ".join(factor for factor, on in zip(FACTORS, cell) if on) or "none of them"


def pretrained(seed: int) -> Path:
    """The release of a masked autoencoder of the training faces."""
    out = RUNS / f"mae-seed-{seed}"
    if not (ROOT / out / "release" / "encoder.json").exists():
        settings = ["objective.components=[reconstruction]", "data.shards=data/ferplus-dedup"]
        settings += [
            "model.width=128",
            "model.depth=6",
            "model.heads=4",
            "model.decoder_depth=1",
            "probe=null",
        ]
        settings += ["training.epochs=8", "training.precision=bf16", f"training.seed={seed}", f"out={out}"]
        vemo("pretrain", "configs/pretrain/ferplus.yaml", *settings, log=ROOT / out / "command.log")
    return out / "release"


def run(cell: Cell, seed: int) -> Path:
    """One combination with one seed; its folder, which holds report.json when it is done."""
    out = RUNS / named(cell).replace(" + ", "-").replace(" ", "-") / f"seed-{seed}"
    if not (ROOT / out / "report.json").exists():
        settings = [each for factor, on in zip(FACTORS, cell) for each in SETTINGS[factor][on]]
        settings += [f"encoder={RUNS}/mae-seed-{seed}/release", f"training.seed={seed}", f"out={out}"]
        vemo("finetune", "configs/finetune/fer_ablation.yaml", *settings, log=ROOT / out / "command.log")
        print(f"{named(cell)}, seed {seed}: done", flush=True)
    return ROOT / out


def scores(folder: Path) -> dict[str, float]:
    """What one run reached on the test split, each image once."""
    found = json.loads((folder / "report.json").read_text())["scores"]
    expression, votes = found["expression"], found["votes"]
    return {"accuracy": expression["accuracy"], "macro_f1": expression["macro_f1"], "votes_kl": votes["kl"]}


def spread(values: list[float]) -> dict[str, Any]:
    """Mean and standard deviation; of one value there is none."""
    deviation = round(statistics.stdev(values), 4) if len(values) > 1 else None
    return {
        "mean": round(statistics.mean(values), 4),
        "deviation": deviation,
        "each": [round(v, 4) for v in values],
    }


def effect(found: dict[tuple[Cell, int], dict[str, float]], factor: int, seeds: list[int]) -> dict[str, Any]:
    """What switching a factor on does to each score: seed by seed the mean over the other two factors."""
    offs = [cell for cell in CELLS if not cell[factor]]
    ons = [(*cell[:factor], True, *cell[factor + 1 :]) for cell in offs]
    return {
        score: spread(
            [
                statistics.mean(
                    found[on, seed][score] - found[off, seed][score] for off, on in zip(offs, ons)
                )
                for seed in seeds
            ]
        )
        for score in ("accuracy", "macro_f1", "votes_kl")
    }


def main() -> None:
    """Run what is missing, print both tables in Markdown and write docs/results/fer_ablation.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(pretrained, given.seeds))
        wanted = [(cell, seed) for seed in given.seeds for cell in CELLS]
        found = {
            pair: scores(folder) for pair, folder in zip(wanted, pool.map(lambda pair: run(*pair), wanted))
        }
    rows = {
        named(cell): {
            score: spread([found[cell, seed][score] for seed in given.seeds])
            for score in ("accuracy", "macro_f1", "votes_kl")
        }
        for cell in CELLS
    }
    effects = {name: effect(found, place, given.seeds) for place, name in enumerate(FACTORS)}
    claim = "what squeeze-and-excitation, SAM and pretraining each do on faces, at small size"
    write_result("fer_ablation", {"claim": claim, "seeds": given.seeds, "table": rows, "effects": effects})
    for title, table, sign in (("combination", rows, ""), ("switched on", effects, "+")):
        print(f"| {title} | accuracy | macro-F1 | FER+ KL |\n|---|---|---|---|")
        for name, row in table.items():
            cells = (f"{each['mean']:{sign}.3f} ± {each['deviation'] or 0:.3f}" for each in row.values())
            print(f"| {name} | {' | '.join(cells).replace('-', '−')} |")
        print()


if __name__ == "__main__":
    main()
