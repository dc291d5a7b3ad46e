"""`vemo shards audit DIR`: every check in turn, one JSON and one page."""

import datetime
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

from ... import __version__
from ...datasets.stream import ShardSet
from ...datasets.taxonomy import LabelSpace, class_index, label_space
from ...foundation.config import Config
from ...foundation.errors import UserError
from ...foundation.files import read_json_lines, write_atomically, write_json
from ..features import Precision
from ..linear import LinearConfig
from . import agreement, balance, leakage, pixels
from .doubts import Doubt, View, doubt_summary, label_quality, out_of_fold_voices
from .duplicates import NEAR, Pair, copy_clusters, duplicate_pairs, summary
from .evidence import model_voices, review_lines
from .eyes import attribute_words, encoder_features, thumbnail_features
from .page import write_page
from .review import Voice, joined
from .scan import Scan, scan

LISTED = 500  # leaks and placeholders in audit.json; the page shows fewer
DUPLICATES, DOUBTS, ELSEWHERE = "duplicates.jsonl", "doubts.jsonl", "elsewhere.jsonl"
REVIEW = "review.jsonl"


class AuditConfig(Config):
    """What to audit, against what, and with which eyes."""

    shards: Path = Field(description="the shard set")
    out: Path | None = Field(default=None, description="where to write; null: SHARDS/audit")
    label_space: str | None = Field(default=None, description="null: the first of the shard set")
    against: tuple[Path, ...] = Field(
        default=(), description="other shard sets: images that are in both are leaks between datasets"
    )
    near: float = Field(
        default=NEAR,
        gt=0.5,
        le=1,
        description="how alike two images must be to count as near copies; photographs of one kind, such as "
        "aligned faces, need more than drawings",
    )
    encoder: str | None = Field(
        default=None,
        description="features for label doubts: a release, or timm:NAME[:SIZE][@FILE]; null: colours and "
        "thumbnails, which know little",
    )
    attributes: bool = Field(
        default=True, description="label doubts: let the probe read the annotated attributes as well"
    )
    predictions: tuple[Path, ...] = Field(
        default=(),
        description="review: what models say of this set, such as test.safetensors of a suite's cell; of a "
        "sample that it was trained on a model repeats the label",
    )
    batches: int = Field(default=4, ge=0, description="review: batches to label next that are proposed")
    samples: int = Field(default=50, ge=1, description="review: samples in such a batch")
    linear: LinearConfig = LinearConfig()
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=0, ge=0)
    precision: Precision = "fp32"
    pictures: int = Field(default=36, ge=0, description="pictures of each kind on the page")
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Where the findings go."""
        return self.out or self.shards / "audit"


def audit(config: AuditConfig) -> dict[str, Any]:
    """Audit a shard set; writes index.html, audit.json, duplicates.jsonl, doubts.jsonl, review.jsonl and, of
    other sets, elsewhere.jsonl, and returns audit.json's content.

    Raises UserError for a missing or damaged shard set, a label space that it does not have, or predictions
    of other classes.
    """
    shards = ShardSet(config.shards)
    spaces = shards.manifest["spaces"]
    if not spaces and config.label_space is None:
        raise UserError(f"{config.shards}: its manifest names no label space; give label_space=NAME")
    space = label_space(config.label_space or spaces[0])
    seen = scan(shards)
    if not len(seen):
        raise UserError(f"{config.shards}: holds no sample")
    labels = [class_index(record, space) for record in seen.records]
    pairs = duplicate_pairs(seen, threshold=config.near)
    copies = copy_clusters(seen, pairs)
    identical = copy_clusters(seen, [pair for pair in pairs if pair.kind != "near"])
    placeholders = pixels.placeholders(seen, labels, identical)
    failures = list(read_json_lines(config.shards / "failures.jsonl"))
    labelled = [place for place, label in enumerate(labels) if label is not None]
    chosen = [labels[place] for place in labelled]
    others = {str(folder): scan(ShardSet(folder)) for folder in config.against}
    between = {folder: duplicate_pairs(seen, other, config.near) for folder, other in others.items()}
    report: dict[str, Any] = {
        "shards": shards.manifest["dataset"],
        "fingerprint": shards.fingerprint,
        "label_space": space.name,
        "samples": len(seen),
        "splits": {split: seen.splits.count(split) for split in shards.splits},
        "failures": pixels.failure_counts(failures),
        "balance": balance.class_balance(seen, labels, space.names),
        "coverage": balance.coverage(seen),
        "duplicates": {**summary(seen, pairs), "leaks": _leaks(seen, pairs)},
        "placeholders": [
            {"id": seen.records[place]["id"], "why": why} for place, why in sorted(placeholders.items())
        ][:LISTED],
        "leakage": leakage.attribute_leakage(
            [seen.records[place] for place in labelled],
            [label for label in chosen if label is not None],
            space.names,
        )
        if labelled
        else {},
        "light": pixels.light_differences(seen),
        "agreement": _agreement(seen),
        "between datasets": {
            folder: _between(seen, others[folder], pairs) for folder, pairs in between.items()
        },
    }
    doubts, probes, features = _doubts(config, shards, seen, labels, copies, report, space)
    queue = review_lines(
        seen,
        labels,
        copies,
        space,
        [*probes, *model_voices(config.predictions, seen, space)],
        features,
        placeholders,
        (config.samples, config.batches),
    )
    report |= {"seed": config.seed, "vemo": __version__, "date": datetime.date.today().isoformat()}
    config.folder.mkdir(parents=True, exist_ok=True)
    _write_duplicates(config.folder / DUPLICATES, seen, {"identical": identical, "near": copies})
    if others:
        lines = [_elsewhere(seen, others[folder], pairs) for folder, pairs in between.items()]
        _write_lines(config.folder / ELSEWHERE, [line for each in lines for line in each])
    _write_lines(config.folder / DOUBTS, [doubt.as_line(seen) for doubt in doubts])
    _write_lines(config.folder / REVIEW, queue)
    write_json(config.folder / "audit.json", report)
    page = config.folder / "index.html"
    write_page(page, report, shards, seen, pairs, doubts, placeholders, config.pictures)
    return report


def _leaks(seen: Scan, pairs: list[Pair]) -> list[dict[str, Any]]:
    """Pairs of copies in different splits, identical ones first."""
    across = [pair for pair in pairs if seen.splits[pair.first] != seen.splits[pair.second]]
    across.sort(key=lambda pair: (pair.kind == "near", -pair.similarity, pair.first))
    return [_pair_of(seen, seen, pair) for pair in across[:LISTED]]


def _pair_of(here: Scan, there: Scan, pair: Pair) -> dict[str, Any]:
    return {
        "kind": pair.kind,
        "similarity": round(pair.similarity, 4),
        "ids": [here.records[pair.first]["id"], there.records[pair.second]["id"]],
        "splits": [here.splits[pair.first], there.splits[pair.second]],
    }


def _between(here: Scan, there: Scan, pairs: list[Pair]) -> dict[str, Any]:
    return {
        "pairs": len(pairs),
        "identical": sum(pair.kind != "near" for pair in pairs),
        "listed": [_pair_of(here, there, pair) for pair in pairs[:LISTED]],
    }


def _elsewhere(here: Scan, there: Scan, pairs: list[Pair]) -> list[dict[str, Any]]:
    """One line for every sample here and each of its copies there, also where pairs name the first of several
    identical ones only."""
    alike: dict[str, list[int]] = {}
    for place, digest in enumerate(here.pixels):
        alike.setdefault(digest, []).append(place)
    found = {}
    for pair in pairs:
        near = pair.kind == "near"
        for place in [pair.first] if near else alike[here.pixels[pair.first]]:
            found[place, pair.second] = {
                "kind": "near" if near else "identical",
                "id": here.records[place]["id"],
                "copy": {"id": there.records[pair.second]["id"], "split": there.splits[pair.second]},
            }
    return [line for _, line in sorted(found.items())]


def _agreement(seen: Scan) -> dict[str, Any]:
    """Disagreement in every space that has votes or distributions."""
    values: dict[tuple[str, str], list[list[float]]] = {}
    for record in seen.records:
        for name, label in record.get("labels", {}).items():
            for kind in ("votes", "distribution"):
                if kind in label:
                    values.setdefault((name, kind), []).append(label[kind])
    return {
        f"{name} {kind}": agreement.disagreement(rows, kind == "votes")
        for (name, kind), rows in values.items()
    }


def _doubts(
    config: AuditConfig,
    shards: ShardSet,
    seen: Scan,
    labels: list[int | None],
    copies: list[list[int]],
    report: dict[str, Any],
    space: LabelSpace,
) -> tuple[list[Doubt], list[Voice], Tensor | None]:
    """Put what can be said of label doubts into the report; returns all labels, the most doubtful first, what
    the probes say of all samples, and the features of pictures [N, D]."""
    places = [place for place, label in enumerate(labels) if label is not None]
    everybody = torch.tensor([-1 if label is None else label for label in labels], dtype=torch.int64)
    target = everybody[places]
    groups = [leakage.group_of(record) for record in seen.records]
    for members in copies:  # copies of one picture must not vouch for each other
        for place in members:
            groups[place] = groups[members[0]]
    if len(target.unique()) < 2 or len({groups[place] for place in places}) < 5:
        report["doubts"] = {"skipped": "fewer than two classes or five groups are labelled"}
        return [], [], None
    if config.encoder is None:
        features, eyes = thumbnail_features(seen.thumbnails), "colours and thumbnails"
    else:
        features, eyes = encoder_features(
            config.encoder,
            shards,
            seen,
            cache=config.folder / "features",
            batch_size=config.batch_size,
            workers=config.workers,
            precision=config.precision,
        )
    views = [View("probe", "picture", features)]
    if config.attributes and (words := attribute_words(seen.records)).shape[1]:
        eyes = f"{eyes}, and the annotated attributes"
        views.append(View("attributes", "attributes", words, blank=words.sum(1) == 0))
    probes = out_of_fold_voices(views, everybody, groups, len(space), config.linear, config.seed)
    said = one_hot(target, len(space)).float()
    heard = [Voice(each.by, each.said[places], each.of) for each in probes]
    probabilities = joined(said, heard).softmax(1)
    guess = probabilities.argmax(1)
    report["doubts"] = {
        "features": eyes,
        **doubt_summary(probabilities, target, space.names),
        "contradicted": int((guess != target).sum()),
    }
    quality = label_quality(probabilities, target)
    doubts = [
        Doubt(places[i], space.names[int(target[i])], space.names[int(guess[i])], float(quality[i]))
        for i in quality.argsort().tolist()
    ]
    return doubts, probes, features


def _write_duplicates(path: Path, seen: Scan, clusters_of: dict[str, list[list[int]]]) -> None:
    """One line a cluster and kind, "identical" or "near" (which joins identical ones too): its samples."""
    _write_lines(
        path,
        [
            {
                "kind": kind,
                "samples": [{"id": seen.records[i]["id"], "split": seen.splits[i]} for i in members],
            }
            for kind, found in clusters_of.items()
            for members in found
        ],
    )


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    with write_atomically(path) as stream:
        stream.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
