"""Review priority against planted mistakes: how many are found early, and what mending those is worth.

    nice .venv/bin/python benchmarks/review.py --encoders NAME=RELEASE NAME=timm:NAME:SIZE@FILE …

Every seed draws a dataset in which 10 % of the labels are wrong, and audits it with each encoder, with and
without the annotated attributes. Found: the share of the wrong labels among the first 10 % by priority (by
chance 10 %). Mended: those get their true label by an overlay, and a linear head is trained on the labels
before and after, five folds, judged by the true labels of all images; differences are paired over images. The
same for as many images drawn by chance. Labelled next: from 100 labels, four batches of 50 true ones more, by
uncertainty × distance, by uncertainty alone, by chance; accuracy on all others.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_result
from torch import Tensor
from torch.nn.functional import one_hot
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.datasets.taxonomy import class_index, label_space
from vemo.evaluation.audit import AuditConfig, audit
from vemo.evaluation.audit.audit import REVIEW
from vemo.evaluation.audit.batches import next_batches, uncertainty
from vemo.evaluation.audit.eyes import EverySample
from vemo.evaluation.bootstrap import paired_differences
from vemo.evaluation.features import extract
from vemo.evaluation.folds import group_folds
from vemo.evaluation.linear import LinearConfig, linear_probe, train_members
from vemo.foundation.files import read_json_lines
from vemo.zoo import load_encoder

NOISE, REVIEWED, FOLDS = 0.1, 0.1, 5
SPACE = label_space("mikels8")
HEAD = LinearConfig(learning_rates=(1e-2, 2e-2), weight_decays=(1e-2, 3e-2, 1e-1))
START, BATCH, BATCHES = 100, 50, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoders", nargs="*", default=[], metavar="NAME=SPEC")
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--scratch", type=Path, help="keep what is drawn here, and find it again")
    given = parser.parse_args()
    encoders = dict(each.split("=", 1) for each in given.encoders)
    seeds = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in given.seeds:
            folder = (given.scratch or Path(temporary)) / str(seed)
            if not (folder / "shards/manifest.json").exists():
                images = folder / "images"
                synthesize(SynthesizeConfig(out=images, images=given.images, seed=seed, label_noise=NOISE))
                build(BuildConfig(root=images, out=folder / "shards", reader={"kind": "emoset"}))
            seeds[str(seed)] = measured(folder, encoders, seed)
            print(json.dumps(seeds[str(seed)], indent=2), flush=True)
    payload = {
        "claim": "reviewing the first tenth finds at least 70 % of the wrong labels, and mending them helps",
        "data": f"drawn, {given.images} images, {NOISE:.0%} wrong labels",
        "seeds": seeds,
    }
    print(write_result("review", payload))


def measured(folder: Path, encoders: dict[str, str], seed: int) -> dict[str, Any]:
    shards, truth = ShardSet(folder / "shards"), json.loads((folder / "images/truth.json").read_text())
    records = [record for split in shards.splits for record in shards.records(split)]
    given = torch.tensor([class_index(record, SPACE) for record in records])
    named = {entry["image"]: SPACE.index(entry["true"]) for entry in truth["planted"]["label_noise"]}
    true = given.clone()
    for place, record in enumerate(records):
        true[place] = named.get(record["source"]["path"], given[place])
    found: dict[str, Any] = {}
    eyes: dict[str, str | None] = {"colours and thumbnails": None, **encoders}
    for name, spec in eyes.items():
        features = _features(shards, spec) if spec else None
        for attributes in (False, True):
            title = f"{name}, attributes" if attributes else name
            audit(AuditConfig(shards=folder / "shards", encoder=spec, attributes=attributes, pictures=0))
            order, lines = _order(folder / "shards/audit" / REVIEW, records)
            first = order[: round(REVIEWED * len(records))]
            wrong = given != true
            found[title] = {
                "found": round(float(wrong[first].sum() / wrong.sum()), 4),
                "wrong labels": int(wrong.sum()),
                "expected by priority": round(sum(line["priority"] for line in lines), 1),
            }
            if features is not None:
                found[title] |= _mended(folder, records, features, given, true, first, seed)
        if features is not None:
            found[f"{name}, labelled next"] = _labelled_next(features, true, seed)
    return found


def _order(path: Path, records: list[dict[str, Any]]) -> tuple[Tensor, list[dict[str, Any]]]:
    places = {record["id"]: place for place, record in enumerate(records)}
    lines = list(read_json_lines(path))
    return torch.tensor([places[line["id"]] for line in lines]), lines


def _features(shards: ShardSet, spec: str) -> Tensor:
    """Of all samples in the order of splits; what the audit then finds in its cache."""
    encoder = load_encoder(spec)
    cache = shards.folder / "audit/features"
    parts = (
        extract({"encoder": encoder}, shards, split, EverySample(), encoder.image_size, cache=cache)
        for split in shards.splits
    )
    return torch.cat([each["encoder"].features for each in parts])


def _mended(
    folder: Path,
    records: list[dict[str, Any]],
    features: Tensor,
    given: Tensor,
    true: Tensor,
    first: Tensor,
    seed: int,
) -> dict[str, Any]:
    chance = torch.from_numpy(np.random.default_rng(seed).permutation(len(records))[: len(first)])
    before = _predicted(features, given, seed)
    rows: dict[str, Any] = {"accuracy before": round(float((before == true).float().mean()), 4)}
    for name, places in (("mended by priority", first), ("mended by chance", chance)):
        labels = _with_overlay(folder, records, given, true, places)
        after = _predicted(features, labels, seed)
        gap = paired_differences(true, after, before, len(SPACE), seed=seed)["accuracy"]
        rows[name] = {
            "labels changed": int((labels != given).sum()),
            "accuracy": round(float((after == true).float().mean()), 4),
            "gain": [round(value, 4) for value in (gap.value, gap.low, gap.high)],
            "beyond its interval": gap.beyond,
        }
    return rows


def _with_overlay(
    folder: Path, records: list[dict[str, Any]], given: Tensor, true: Tensor, places: Tensor
) -> Tensor:
    """The labels that a stream reads once the true ones of `places` are an overlay."""
    edits = [
        {"id": records[place]["id"], "set": {"labels.mikels8.class": SPACE.names[int(true[place])]}}
        for place in places.tolist()
        if given[place] != true[place]
    ]
    path = folder / "edits.jsonl"
    path.write_text("".join(json.dumps(edit) + "\n" for edit in edits))
    shards = ShardSet(folder / "shards", overlays=[path])
    read = (record for split in shards.splits for record in shards.records(split))
    return torch.tensor([class_index(record, SPACE) for record in read])


def _predicted(features: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Classes int64 [N] by heads that were trained on the other folds' labels."""
    numbers = torch.arange(len(labels))
    fold = torch.from_numpy(group_folds([0] * len(labels), [str(n) for n in numbers.tolist()], FOLDS, seed))
    targets, found = one_hot(labels, len(SPACE)).float(), torch.empty_like(labels)
    for each in range(FOLDS):
        train, test = fold != each, fold == each
        result = linear_probe(
            features[train], targets[train], numbers[train], features[test], HEAD, seed=seed
        )
        found[test] = result.predictions
    return found


def _labelled_next(features: Tensor, true: Tensor, seed: int) -> dict[str, list[float]]:
    """Accuracy on what is not labelled, after each batch, by the way in which batches are chosen."""
    draw = np.random.default_rng(seed)
    start = draw.permutation(len(true))[:START].tolist()
    found: dict[str, list[float]] = {}
    for way in ("uncertainty × distance", "uncertainty", "chance"):
        known, row = list(start), []
        for _ in range(BATCHES + 1):
            rest = torch.ones(len(true), dtype=torch.bool)
            rest[known] = False
            targets = one_hot(true[known], len(SPACE)).float()
            head = train_members(features[known], targets, HEAD, [(1e-2, 1e-1)], seed)
            said = head.logits(features[rest])[0].softmax(1)
            row.append(round(float((said.argmax(1) == true[rest]).float().mean()), 4))
            worth, places = uncertainty(said), torch.nonzero(rest).flatten()
            if way == "chance":
                chosen = draw.permutation(len(places))[:BATCH]
            elif way == "uncertainty":
                chosen = worth.argsort(descending=True)[:BATCH]
            else:
                chosen = next_batches(worth, features[rest], BATCH, 1)[0]
            known += places[chosen].tolist()
        found[way] = row
    return found


if __name__ == "__main__":
    main()
