"""How much worse a model does on corrupted images, on the same samples, one corruption at a time."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.stream import ShardSet, View, evaluation_batches
from ...datasets.stream.decode import ImageLoader
from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ..bootstrap import difference_of, paired_differences
from ..features import group_of
from ..predictions import Kind, Predictions, save_predictions
from ..targets import Targets
from .corruptions import PARAMETERS, CorruptedView, Corruption, corrupt
from .measures import Said, flat

SHOWN_SEVERITY = 3  # of the pictures on the page


@dataclass(frozen=True)
class Subject:
    """A model to audit, handed in from above.

    Attributes:
        view: what it sees of a sample, as at evaluation.
        predict: a batch of what `view` gives → outputs float32 [B, C] on the CPU, as in `Predictions`.
        target: what is true of a record.
    """

    name: str
    kind: Kind
    space: str | None
    target: Targets
    view: View
    predict: Callable[[dict[str, Any]], Tensor]


@dataclass(frozen=True)
class Loading:
    """Which samples, and how they are read."""

    shards: ShardSet
    split: str
    batch_size: int
    workers: int
    samples: int | None
    seed: int


def robustness(
    subject: Subject,
    loading: Loading,
    corruptions: Sequence[Corruption],
    severities: Sequence[int],
    resamples: int,
    out: Path,
) -> tuple[Predictions, dict[str, Any]]:
    """Predictions on the images as they are, and what each corruption changes.

    Predictions on corrupted images are kept below `out`, one file each. Changes are corrupted minus clean on
    the same samples, with intervals over dataset groups.
    """
    numbers, rows, records = _with_targets(subject, loading)
    conditions: list[tuple[Corruption, int]] = list(product(corruptions, sorted(set(severities))))

    def predictions(view: View, progress: Progress) -> Predictions:
        batches = evaluation_batches(
            loading.shards, loading.split, view, loading.batch_size, workers=loading.workers, numbers=numbers
        )
        outputs = []
        for batch in batches:
            outputs.append(subject.predict(batch).float().cpu())
            progress.update(len(outputs[-1]))
        return Predictions(
            subject.kind,
            subject.space,
            subject.target.classes,
            tuple(record["id"] for record in records),
            tuple(group_of(record) for record in records),
            torch.cat(outputs),
            rows,
        )

    found = []
    with Progress("robustness", len(numbers) * (1 + len(conditions))) as progress:
        clean = predictions(subject.view, progress)
        for kind, severity in conditions:
            said = predictions(CorruptedView(subject.view, kind, severity), progress)
            save_predictions(out / f"{kind}-{severity}.safetensors", said)
            found.append(
                {
                    "corruption": kind,
                    "severity": severity,
                    "parameter": PARAMETERS[kind][1][severity - 1],
                    "scores": flat(said),
                    "change": _change(said, clean, resamples, loading.seed),
                }
            )
    report = {
        "model": subject.name,
        "split": loading.split,
        "samples": len(clean),
        "of": loading.shards.count(loading.split),
        "score": "accuracy" if subject.kind == "single" else "kl",
        "clean": flat(clean),
        "conditions": found,
    }
    return clean, report


def pictures(
    subject: Subject, loading: Loading, corruptions: Sequence[Corruption]
) -> list[tuple[str, Tensor]]:
    """What the first sample looks like to the model, as it is and corrupted: (name, uint8 [3, H, W])."""
    numbers, _, _ = _with_targets(subject, loading)
    record, data = loading.shards.read(loading.split, int(numbers[0]))
    image = subject.view(ImageLoader(data), record, 0)["image"]
    made = [corrupt(image, kind, SHOWN_SEVERITY, record["id"]) for kind in corruptions]
    return list(zip(("as it is", *corruptions), (image, *made)))


def _with_targets(subject: Subject, loading: Loading) -> tuple[np.ndarray, Tensor, list[dict[str, Any]]]:
    """Numbers int64 [N], target rows float32 [N, C] and records of the samples that have a target."""
    shards, split = loading.shards, loading.split
    if split not in shards.splits:
        raise UserError(f"{shards.folder}: no split {split!r}, only {', '.join(shards.splits)}")
    there = [
        (number, row, record)
        for number, record in enumerate(shards.records(split))
        if (row := subject.target.row(record)) is not None
    ]
    if not there:
        raise UserError(
            f"{shards.folder}: no sample of split {split} has a target of {subject.target.vocabulary}; "
            "derive it as the run did (spaces), or name another split"
        )
    if loading.samples is not None and loading.samples < len(there):
        chosen = np.random.default_rng(loading.seed).permutation(len(there))[: loading.samples]
        there = [there[place] for place in sorted(chosen.tolist())]
    numbers = np.array([number for number, _, _ in there], dtype=np.int64)
    rows = torch.from_numpy(np.stack([row for _, row, _ in there])).float()
    return numbers, rows, [record for _, _, record in there]


def _change(said: Predictions, clean: Predictions, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Corrupted minus clean, by score."""
    ours, theirs = Said(said), Said(clean)
    if not ours.single:
        first, second = ours.outcome, theirs.outcome
        gap = difference_of(
            lambda at: float(first[at].mean()),
            lambda at: float(second[at].mean()),
            len(first),
            ours.units,
            resamples,
            seed,
        )
        return {"kl": asdict(gap)}
    classes = len(said.classes)
    gaps = paired_differences(ours.labels, ours.guesses, theirs.guesses, classes, ours.units, resamples, seed)
    return {name: asdict(gap) for name, gap in gaps.items()}
