"""What each part of UniEmoX contributes: one small run for every cell of a table and every seed.

    python benchmarks/ablation.py built_in --source data/built-in-shards
    python benchmarks/ablation.py tweets --source data/tweets-shards [--seeds 1 2 3] [--cells NAME…]

benchmarks/ablation.yaml says what is compared. Archive shards (`--source`) are re-encoded small once, every
teacher is asked once about the scenes that all runs show, and then each cell is a `vemo pretrain` of one
thread, `--jobs` at a time. What is there already is not repeated and an interrupted run goes on, so the same
command finishes a table. A seed draws the student's weights, order and masks; data and teacher are the same
in all. Frozen features, linear probe; a difference is between a cell and UniEmoX with the same seed.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from common import RESULTS, write_result

ROOT = RESULTS.parent.parent
BASE = "configs/pretrain/ablation.yaml"
REFERENCE = "all three, fusion (UniEmoX)"
SECTIONS = ("model", "view", "sentences", "training")  # else a key of a cell is one of `objective`


def vemo(*arguments: str, log: Path | None = None) -> None:
    """Run one command from the repository's root, on one thread where it writes into a log."""
    stream = log.open("w") if log else None
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if log else None
    command = [str(Path(sys.executable).with_name("vemo")), *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=stream, stderr=stream, env=environment)


def prepare(plan: dict[str, Any], source: str | None, cells: list[str]) -> None:
    """Small shards, and the rows of every teacher that these cells follow."""
    shards = ROOT / plan["shards"]
    if source and not (shards / "manifest.json").exists():
        vemo(
            "shards",
            "build",
            "configs/datasets/training.yaml",
            f"root={source}",
            f"out={shards}",
            *plan["make"],
        )
    view = yaml.safe_load((ROOT / BASE).read_text())["view"]
    scenes = [f"view.scenes={view['scenes']}", "view.interpolation=bilinear"]
    needed = {plan["cells"][cell].get("teacher", plan["teacher"]) for cell in cells}
    for name, settings in plan["teachers"].items():
        if name in needed and not (shards / "sidecars" / f"{name}_text" / "sidecar.json").exists():
            vemo("shards", "embed", str(shards), f"name={name}", *scenes, *plan["settings"], *settings)


def settings_of(cell: dict[str, Any], plan: dict[str, Any]) -> Iterator[str]:
    """A cell as `key=value`."""
    teacher = cell.get("teacher", plan["teacher"])
    yield f"teacher.cached={teacher}"
    yield from (each for each in plan["teachers"][teacher] if each.startswith("sentences."))
    changes = dict(cell)
    if "fusion" not in changes.get("components", ["fusion"]):
        changes["view.person_view"] = "none"
    for key, value in changes.items():
        if key != "teacher":
            name = key if key.split(".")[0] in SECTIONS else f"objective.{key}"
            yield f"{name}={json.dumps(value)}"


def run(name: str, cell: str, seed: int, plan: dict[str, Any]) -> Path:
    """One cell with one seed; its folder, which holds probe.json when it is done."""
    slug = re.sub(r"[^a-z0-9]+", "-", cell.lower()).strip("-")
    out = Path("runs") / f"ablation-{name}" / slug / f"seed-{seed}"
    if not (ROOT / out / "probe.json").exists():
        (ROOT / out).mkdir(parents=True, exist_ok=True)
        given = [f"out={out}", f"data.shards={plan['shards']}", f"training.seed={seed}"]
        given += [f"probe.{each}" for each in plan["probe"]]
        given += [*plan["settings"], *settings_of(plan["cells"][cell], plan)]
        vemo("pretrain", BASE, *given, log=ROOT / out / "command.log")
        print(f"{cell}, seed {seed}: done", flush=True)
    return ROOT / out


def baselines(name: str, seed: int, plan: dict[str, Any], release: Path) -> dict[str, Any]:
    """The rows that every cell has to beat: the same network untrained, colour statistics, majority."""
    out = ROOT / "runs" / f"ablation-{name}" / f"baselines-{seed}.json"
    if not out.exists():
        given = [f"seed={seed}", f"out={out}", "resamples=1000", *plan["probe"]]
        vemo("probe", str(release), plan["shards"], *given, log=out.with_suffix(".log"))
    rows = json.loads(out.read_text())["rows"]
    return {
        row: scores_of(rows[row]) for row in ("untrained", "colour statistics", "majority") if row in rows
    }


def scores_of(row: dict[str, Any]) -> dict[str, float]:
    """ "linear macro_f1" and the like, without intervals."""
    return {
        f"{kind} {metric}": found["value"]
        for kind, score in row["scores"].items()
        for metric, found in score["intervals"].items()
    }


def facts_of(folder: Path) -> dict[str, Any]:
    """What one run showed: scores, and its losses at the end."""
    report = json.loads((folder / "probe.json").read_text())
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    losses = ("reconstruction", "similarity", "contrastive", "clip", "attributes")
    return scores_of(report["rows"]["pretrained"]) | {
        f"loss {part}": last[part] for part in losses if part in last
    }


def spread(values: list[float]) -> dict[str, float | None]:
    """Mean and standard deviation over seeds; of one seed there is none."""
    deviation = round(statistics.stdev(values), 4) if len(values) > 1 else None
    return {"mean": round(statistics.mean(values), 4), "deviation": deviation}


def shown(found: dict[str, float | None], sign: str = "") -> str:
    """Mean ± deviation."""
    plus = "" if found["deviation"] is None else f" ± {found['deviation']:.3f}"
    return f"{found['mean']:{sign}.3f}{plus}".replace("-", "−")


def table(found: dict[str, dict[int, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Per cell: seeds, the spread of every number, and the paired difference of macro-F1 to the reference."""
    metric, rows = "linear macro_f1", {}
    for cell, seeds in found.items():
        every = list(seeds.values())
        numbers = {
            key: spread([each[key] for each in every]) for key in every[0] if all(key in e for e in every)
        }
        paired = [
            seeds[seed][metric] - found[REFERENCE][seed][metric]
            for seed in seeds
            if seed in found.get(REFERENCE, {}) and cell != REFERENCE
        ]
        rows[cell] = {"seeds": sorted(seeds), **numbers} | (
            {"macro_f1 minus UniEmoX": spread(paired) | {"each": [round(value, 4) for value in paired]}}
            if paired
            else {}
        )
    return rows


def main() -> None:
    """Run what is missing, then print the table in Markdown and write docs/results/ablation_NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plans = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    parser.add_argument("name", choices=plans)
    parser.add_argument("--source", help="archive shards, to make the small ones from")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cells", nargs="+", help="only these")
    parser.add_argument("--table", action="store_true", help="run nothing; the table of what is there")
    given = parser.parse_args()
    plan = plans[given.name]
    cells = given.cells or list(plan["cells"])
    wanted = [(cell, seed) for seed in given.seeds for cell in cells]
    if not given.table:
        prepare(plan, given.source, cells)
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(lambda pair: run(given.name, *pair, plan), wanted))
    found: dict[str, dict[int, dict[str, float]]] = {}
    for cell, seed in wanted:
        slug = re.sub(r"[^a-z0-9]+", "-", cell.lower()).strip("-")
        folder = ROOT / "runs" / f"ablation-{given.name}" / slug / f"seed-{seed}"
        if (folder / "probe.json").exists():
            found.setdefault(cell, {})[seed] = facts_of(folder)
    for seed in given.seeds:
        slug = re.sub(r"[^a-z0-9]+", "-", REFERENCE.lower()).strip("-")
        release = ROOT / "runs" / f"ablation-{given.name}" / slug / f"seed-{seed}" / "release"
        if release.exists():
            for row, scores in baselines(given.name, seed, plan, release).items():
                found.setdefault(row, {})[seed] = scores
    rows = table(found)
    report = json.loads(next((ROOT / "runs" / f"ablation-{given.name}").glob("*/*/probe.json")).read_text())
    payload = {
        "claim": "what each component, fusion, view of the person and teacher does to the linear probe",
        "images": {"train": report["train_images"], "test": report["test_images"]},
        "protocol": report["protocol"],
        "table": rows,
    }
    write_result(f"ablation_{given.name}", payload)
    print("| cell | macro-F1 | minus UniEmoX, same seed | seeds |\n|---|---|---|---|")
    for cell in [
        *(name for name in plan["cells"] if name in rows),
        *(name for name in rows if name not in plan["cells"]),
    ]:
        score, minus = rows[cell]["linear macro_f1"], rows[cell].get("macro_f1 minus UniEmoX")
        beside = shown(minus, "+") if minus else ""
        print(f"| {cell} | {shown(score)} | {beside} | {len(rows[cell]['seeds'])} |")


if __name__ == "__main__":
    main()
