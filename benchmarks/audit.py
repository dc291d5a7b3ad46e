"""The audit against known truth: copies, leaks and wrong labels planted in drawn datasets.

    python benchmarks/audit.py [--encoder runs/pretrain-tiny/release] [--seeds 11 12 13] [--images 3000]

Every seed draws a dataset with 4 % exact and 6 % near duplicates, 4 % leaks and 10 % wrong labels. Precision
and recall count pairs. Average precision ranks labels from the most doubtful on; chance is the share of wrong
ones.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import write_result
from torchmetrics.functional.classification import binary_average_precision
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.evaluation.audit import AuditConfig, audit
from vemo.evaluation.audit.audit import DOUBTS, DUPLICATES

FLAWS = {"exact_duplicates": 0.04, "near_duplicates": 0.06, "leaks": 0.04, "label_noise": 0.1}
COPIES = ("exact_duplicates", "near_duplicates", "leaks")


def found_pairs(path: Path) -> dict[str, set[frozenset[str]]]:
    """Pairs of ids by kind of cluster; near ones are those that are not identical."""
    pairs: dict[str, set[frozenset[str]]] = {"identical": set(), "near": set()}
    for line in map(json.loads, path.read_text().splitlines()):
        ids = [sample["id"] for sample in line["samples"]]
        pairs[line["kind"]] |= {frozenset((a, b)) for i, a in enumerate(ids) for b in ids[i + 1 :]}
    pairs["near"] -= pairs["identical"]
    return pairs


def rates(found: set[Any], planted: set[Any]) -> dict[str, Any]:
    """Precision and recall of a set of pairs."""
    hits = len(found & planted)
    return {
        "planted": len(planted),
        "found": len(found),
        "precision": round(hits / max(1, len(found)), 4),
        "recall": round(hits / max(1, len(planted)), 4),
    }


def score(shards: Path, truth: dict[str, Any], encoders: dict[str, str | None]) -> dict[str, Any]:
    """Audit one dataset with each encoder, and compare with what was planted."""
    ids = {
        record["source"]["path"]: record["id"]
        for split in ShardSet(shards).splits
        for record in ShardSet(shards).records(split)
    }
    planted: dict[str, set[frozenset[str]]] = {"exact": set(), "near": set()}
    for entry in (entry for kind in COPIES for entry in truth["planted"][kind]):
        planted[entry["copy"]].add(frozenset((ids[entry["image"]], ids[entry["original"]])))
    wrong = {ids[entry["image"]] for entry in truth["planted"]["label_noise"]}
    result: dict[str, Any] = {}
    for name, settings in encoders.items():
        began = time.perf_counter()
        report = audit(AuditConfig(shards=shards, **json.loads(settings or "{}")))
        doubts = report["doubts"]
        lines = [json.loads(line) for line in (shards / "audit" / DOUBTS).read_text().splitlines()]
        noisy = torch.tensor([line["id"] in wrong for line in lines]).long()
        doubtful = torch.tensor([1 - line["quality"] for line in lines])
        precision = binary_average_precision(doubtful, noisy)
        result[f"wrong labels, {name}"] = {
            "average precision": round(float(precision), 4),
            "chance": round(float(noisy.float().mean()), 4),
            "accuracy of the probe": round(doubts["accuracy of the probe"], 4),
            "seconds": round(time.perf_counter() - began, 1),
        }
    found = found_pairs(shards / "audit" / DUPLICATES)
    result["exact copies"] = rates(found["identical"], planted["exact"])
    result["near copies"] = rates(found["near"], planted["near"])
    across = report["duplicates"]["identical or near"]["groups across splits"]
    result["leaks"] = {"planted": len(truth["planted"]["leaks"]), "groups found across splits": across}
    return result


def main() -> None:
    """Draw, audit, score every seed; print and write docs/results/audit.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", help="a release, or timm:NAME[:SIZE][@FILE]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--images", type=int, default=3000)
    given = parser.parse_args()
    encoders: dict[str, str | None] = {
        "colours and thumbnails": '{"attributes": false}',
        "and attributes": None,
    }
    if given.encoder:
        encoders["encoder"] = json.dumps({"encoder": given.encoder, "attributes": False})
        encoders["encoder and attributes"] = json.dumps({"encoder": given.encoder})
    seeds = {}
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as scratch:
            images, shards = Path(scratch) / "images", Path(scratch) / "shards"
            synthesize(SynthesizeConfig(out=images, images=given.images, seed=seed, **FLAWS))
            build(BuildConfig(root=images, out=shards, reader={"kind": "emoset"}, on_leak="warn"))
            truth = json.loads((images / "truth.json").read_text())
            seeds[str(seed)] = score(shards, truth, encoders)
    payload = {
        "claim": "copies, leaks and wrong labels that were planted are found",
        "flaws": FLAWS,
        "seeds": seeds,
    }
    print(write_result("audit", payload))


if __name__ == "__main__":
    main()
