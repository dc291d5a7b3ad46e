"""The probe of a checkpoint: what a linear map, neighbours and sentences read from its frozen features.

Always beside what it has to beat, on the same images, with intervals and paired differences.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from .. import __version__
from ..datasets.stream import ShardSet
from ..datasets.taxonomy import LabelSpace, label_space
from ..foundation.config import Config
from ..foundation.errors import UserError
from ..foundation.files import write_json
from ..foundation.progress import Progress
from ..zoo import load_encoder
from .baselines import ColourStatistics, majority
from .bootstrap import paired_differences
from .features import Features, Precision, extract
from .folds import group_folds
from .linear import LinearConfig, linear_probe
from .neighbours import NeighboursConfig, nearest_neighbours
from .report import ProbeReport, Row, score
from .targets import ClassTarget
from .zero_shot import Teacher, TeacherImages, zero_shot


class ProbeConfig(Config):
    """One checkpoint, one shard set, one label space."""

    checkpoint: str  # a release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]
    shards: Path
    label_space: str | None = None  # the first of the shard set
    train_split: str = "train"
    validation_split: str | None = "val"  # chooses learning rate and penalty; without one, inner folds do
    test_split: str = "test"
    folds: int = Field(
        default=0, ge=0
    )  # instead of the splits: cross-validation over all images of `fold_splits`
    fold_splits: tuple[str, ...] = ()  # every split of the shard set
    untrained: bool = True  # the same architecture with random weights
    colours: bool = True
    yardstick: str | None = None  # another encoder, as `checkpoint`
    zero_shot: bool = True  # where a teacher is given
    templates: tuple[str, ...] = ()  # zero-shot sentences, "{}" stands for the class; see prompts.yaml
    crop_fraction: float = Field(
        default=1.0, gt=0, le=1
    )  # of the shorter side; 1: emotion can sit at the edge
    linear: LinearConfig = LinearConfig()
    neighbours: NeighboursConfig = NeighboursConfig()
    resamples: int = Field(default=2000, ge=1000)
    seed: int = 0
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=0, ge=0)
    precision: Precision = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cache: Path | None = None  # keeps features, found again by the encoder's and the shards' fingerprints
    out: Path | None = None  # where to write the report as JSON


@dataclass(frozen=True, slots=True)
class Round:
    """Places of the samples to train on, to choose on (None: inner folds) and to predict, int64."""

    train: Tensor
    validation: Tensor | None
    test: Tensor


def probe(config: ProbeConfig, teacher: Teacher | None = None) -> ProbeReport:
    """Extract features, probe every encoder, compare; writes `config.out` where given.

    `teacher` adds a row: its image tower probed like the others, and zero-shot with its sentences.

    Raises:
        UserError: missing checkpoint, shards, split or labels.
    """
    device = torch.device(
        config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    )
    shards = ShardSet(config.shards)
    space = label_space(config.label_space or shards.manifest["spaces"][0])
    splits = _splits(config, shards)
    encoders, sizes = _encoders(config, teacher)
    features, counts = _features(config, shards, space, splits, encoders, sizes, device)
    samples = features["pretrained"]
    groups = torch.from_numpy(np.unique(samples.groups, return_inverse=True)[1])
    rounds = _rounds(config, counts, samples)
    tested = torch.cat([each.test for each in rounds])
    labels = samples.labels[tested]

    predictions: dict[str, dict[str, Tensor]] = {}
    chosen: dict[str, dict[str, list[Any]]] = {}
    with Progress("probes", len(features) * len(rounds), unit="probes") as progress:
        for name, found in features.items():
            predictions[name], chosen[name] = _predict(found, groups, rounds, config, device, progress)
    if teacher is not None and config.zero_shot:
        embeddings = features["teacher"].features[tested]
        cosines = zero_shot(embeddings, teacher, space, config.templates)
        predictions["teacher"]["zero_shot"] = cosines.argmax(1)
    guesses = [majority(samples.labels[each.train], len(each.test)) for each in rounds]
    predictions["majority"] = {"linear": torch.cat(guesses)}

    options = {"groups": groups[tested], "resamples": config.resamples, "seed": config.seed}
    rows = [
        Row(
            name,
            _title(name, encoders, teacher),
            {kind: score(labels, guess, space.names, **options) for kind, guess in kinds.items()},
            chosen.get(name, {}),
        )
        for name, kinds in predictions.items()
    ]
    ours = predictions["pretrained"]["linear"]
    differences = {
        name: paired_differences(labels, ours, kinds["linear"], len(space), **options)
        for name, kinds in predictions.items()
        if name != "pretrained"
    }
    straddling = (
        0 if config.folds else len(set(groups[rounds[0].train].tolist()) & set(groups[tested].tolist()))
    )
    report = ProbeReport(
        rows=rows,
        differences=differences,
        facts={
            "checkpoint": config.checkpoint,
            "dataset": shards.manifest["dataset"],
            "shards_fingerprint": shards.fingerprint,
            "label_space": {"name": space.name, "version": space.version, "classes": list(space.names)},
            "protocol": _protocol(config, splits),
            "splits": counts,
            "test_images": len(tested),
            "test_groups": len(groups[tested].unique()),
            "straddling_groups": straddling,
            "train_images": [len(each.train) for each in rounds],
            "seed": config.seed,
            "encoders": {name: getattr(each, "description", {}) for name, each in encoders.items()},
            "config": config.model_dump(mode="json"),
            "versions": {"vemo": __version__, "torch": torch.__version__},
            "date": datetime.date.today().isoformat(),
        },
    )
    if config.out is not None:
        write_json(config.out, report.to_json())
    return report


def _splits(config: ProbeConfig, shards: ShardSet) -> dict[str, str]:
    """The splits to read, by what they are for ("train", "validation", "test", or "fold …")."""
    there = [name for name in shards.splits if shards.count(name)]
    if config.folds:
        wanted = {f"fold {name}": name for name in config.fold_splits or there}
    else:
        wanted = {"train": config.train_split, "test": config.test_split}
        given = "validation_split" in config.model_fields_set
        if config.validation_split and (given or config.validation_split in there):
            wanted["validation"] = config.validation_split
    for role, name in wanted.items():
        if name not in there:
            raise UserError(
                f"{config.shards}: no {role} split {name!r}, there are {', '.join(there)}; "
                "name another, or use folds=5"
            )
    if len(set(wanted.values())) < len(wanted):
        raise UserError(
            f"train, validation and test must be different splits, got {', '.join(wanted.values())}"
        )
    return wanted


def _encoders(config: ProbeConfig, teacher: Teacher | None) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """Every encoder of the table, in its order, and the image size each one wants."""
    ours = load_encoder(config.checkpoint)
    encoders: dict[str, nn.Module] = {"pretrained": ours}
    sizes = {"pretrained": ours.image_size}
    if config.untrained:
        encoders["untrained"] = load_encoder(config.checkpoint, random=True, seed=config.seed)
    if config.colours:
        encoders["colour statistics"] = ColourStatistics()
    if config.yardstick:
        yardstick = load_encoder(config.yardstick)
        encoders["yardstick"], sizes["yardstick"] = yardstick, yardstick.image_size
    if teacher is not None:
        encoders["teacher"] = TeacherImages(teacher)
        sizes["teacher"] = getattr(teacher, "image_size", ours.image_size)
    return encoders, {name: sizes.get(name, ours.image_size) for name in encoders}


def _features(
    config: ProbeConfig,
    shards: ShardSet,
    space: LabelSpace,
    splits: Mapping[str, str],
    encoders: Mapping[str, nn.Module],
    sizes: Mapping[str, int],
    device: torch.device,
) -> tuple[dict[str, Features], dict[str, int]]:
    """Features by encoder, all splits one after the other, and how many labelled samples each split has.

    Encoders of one image size share the decoding.
    """
    parts: dict[str, list[Features]] = {name: [] for name in encoders}
    for split in splits.values():
        for size in sorted(set(sizes.values())):
            alike = {name: encoder for name, encoder in encoders.items() if sizes[name] == size}
            found = extract(
                alike,
                shards,
                split,
                ClassTarget("label", space.name),
                size,
                crop_fraction=config.crop_fraction,
                batch_size=config.batch_size,
                workers=config.workers,
                precision=config.precision,
                device=device,
                cache=config.cache,
            )
            for name, features in found.items():
                parts[name].append(features)
    counts = {split: len(part.ids) for split, part in zip(splits.values(), parts["pretrained"])}
    return {name: _joined(each) for name, each in parts.items()}, counts


def _joined(parts: list[Features]) -> Features:
    return Features(
        [name for part in parts for name in part.ids],
        [name for part in parts for name in part.groups],
        torch.cat([part.targets for part in parts]),
        torch.cat([part.features for part in parts]),
    )


def _rounds(config: ProbeConfig, counts: Mapping[str, int], samples: Features) -> list[Round]:
    """One round for splits, one a fold for cross-validation; every tested sample is tested once."""
    if not config.folds:
        ends = list(accumulate(counts.values(), initial=0))
        ranges = [torch.arange(*bounds) for bounds in pairwise(ends)]
        return [Round(ranges[0], ranges[2] if len(ranges) > 2 else None, ranges[1])]
    fold = torch.from_numpy(group_folds(samples.labels.tolist(), samples.groups, config.folds, config.seed))
    return [
        Round(torch.nonzero(fold != each).flatten(), None, torch.nonzero(fold == each).flatten())
        for each in range(config.folds)
    ]


def _predict(
    found: Features,
    groups: Tensor,
    rounds: list[Round],
    config: ProbeConfig,
    device: torch.device,
    progress: Progress,
) -> tuple[dict[str, Tensor], dict[str, list[Any]]]:
    """Predictions of the tested samples by kind of probe, and what was chosen for each round."""
    features, targets, groups = (tensor.to(device) for tensor in (found.features, found.targets, groups))
    guesses: dict[str, list[Tensor]] = {"linear": [], "neighbours": []}
    chosen: dict[str, list[Any]] = {"linear": [], "neighbours": []}
    for each in rounds:
        train, test = each.train.to(device), each.test.to(device)
        given = features[train], targets[train], groups[train], features[test]
        held = None if each.validation is None else each.validation.to(device)
        validation = None if held is None else (features[held], targets[held])
        linear = linear_probe(*given, config.linear, validation, config.seed)
        near = nearest_neighbours(*given, config.neighbours)
        guesses["linear"].append(linear.predictions.cpu())
        guesses["neighbours"].append(near.predictions.cpu())
        chosen["linear"].append(
            {
                "learning_rate": linear.learning_rate,
                "weight_decay": linear.weight_decay,
                config.linear.select_by: linear.selection_score,
            }
        )
        chosen["neighbours"].append({"k": near.k})
        progress.update(1)
    return {kind: torch.cat(parts) for kind, parts in guesses.items()}, chosen


def _title(name: str, encoders: Mapping[str, nn.Module], teacher: Teacher | None) -> str:
    """The row's name with that of its encoder, where it has one."""
    if name == "teacher":
        own = getattr(teacher, "name", None)
    else:
        own = getattr(encoders.get(name), "description", {}).get("name")
    return f"{name} ({own})" if own else name


def _protocol(config: ProbeConfig, splits: Mapping[str, str]) -> str:
    criterion = config.linear.select_by.replace("_", "-").replace("f1", "F1")
    if config.folds:
        over = ", ".join(splits.values())
        folds = f"{config.folds} folds that keep groups whole, over {over}"
        return f"{folds}; chosen by {criterion} on inner folds"
    where = splits.get("validation", "inner folds")
    return f"trained on {splits['train']}, chosen by {criterion} on {where}, tested on {splits['test']}"
