"""FER2013's PrivateTest with its original labels, FER+'s votes, and which images are also in training."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from vemo.datasets.stream import ShardSet
from vemo.datasets.taxonomy import class_index, label_space
from vemo.evaluation.features import group_of
from vemo.evaluation.predictions import FLOOR, Predictions
from vemo.foundation.errors import UserError

SIDE = 48
SPACES = {"FER2013": "fer7", "FER+": "fer8"}


@dataclass(frozen=True)
class TestSet:
    """N images in the order of the split.

    pixels: uint8 [N, 48, 48]; labels: by truth (FER2013, FER+) the class in its space, −1 for none; seen:
    ids of the images whose group or very bytes also lie in the training split.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    pixels: np.ndarray
    labels: dict[str, Tensor]
    seen: frozenset[str]
    fingerprint: str


def read(folder: Path, train: str = "train", test: str = "test") -> TestSet:
    """Raises UserError where the images are not FER2013's, or have no labels of it."""
    shards = ShardSet(folder)
    marks = {mark for record in shards.records(train) for mark in _marks(record)}
    records, pixels = [], []
    for number in range(shards.count(test)):
        record, image = shards.read(test, number)
        grey = np.asarray(Image.open(io.BytesIO(image)).convert("L"))
        if grey.shape != (SIDE, SIDE):
            raise UserError(f"{folder}: {record['id']} is {grey.shape[1]}×{grey.shape[0]}, not 48×48")
        records.append(record)
        pixels.append(grey)
    space = label_space("fer7")
    own = [class_index(record, space) for record in records]
    labels = {"FER2013": own, "FER+": [majority(record) for record in records]}
    for truth, found in labels.items():
        if all(place is None for place in found):
            raise UserError(f"{folder}: no {test} image has a label of {truth} ({SPACES[truth]})")
    return TestSet(
        tuple(record["id"] for record in records),
        tuple(group_of(record) for record in records),
        np.stack(pixels),
        {t: torch.tensor([-1 if p is None else p for p in found]) for t, found in labels.items()},
        frozenset(record["id"] for record in records if _marks(record) & marks),
        shards.fingerprint,
    )


def _marks(record: dict[str, Any]) -> set[str]:
    return {group_of(record), record["source"].get("sha256") or record["id"]}


def majority(record: dict[str, Any]) -> int | None:
    """FER+'s class in fer8's order, or None.

    A lone vote, of whatever kind, does not count (Barsoum et al. 2016 call it an outlier); then one emotion
    must have more than half of what is left, "unknown" and "not a face" included.
    """
    votes = ((record.get("labels") or {}).get("fer8") or {}).get("votes")
    if votes is None:
        return None
    others = [record.get("attributes", {}).get(name, 0) for name in ("votes_unknown", "votes_not_a_face")]
    kept = [each if each > 1 else 0 for each in (*votes, *others)]
    most = max(kept[: len(votes)])
    return kept.index(most) if 2 * most > sum(kept) else None


def predictions(images: TestSet, truth: str, classes: Sequence[str], logits: Tensor) -> Predictions:
    """Of the images that have a label of this truth.

    logits: [N, len(classes)] of all images; a class of the truth that the model does not know is never said,
    and what it says of others (contempt, for FER2013) is left out of the softmax.
    """
    space = label_space(SPACES[truth])
    known = [label_space("fer8").canonical(name) for name in classes]  # the larger of the two
    outputs = torch.full((len(images.ids), len(space)), float(np.log(FLOOR)))
    for column, name in enumerate(known):
        if name in space.names:
            outputs[:, space.index(name)] = logits[:, column].float()
    labels = images.labels[truth]
    rows = (labels >= 0).nonzero().flatten()
    return Predictions(
        "single",
        space.name,
        space.names,
        tuple(images.ids[row] for row in rows.tolist()),
        tuple(images.groups[row] for row in rows.tolist()),
        outputs[rows],
        torch.eye(len(space))[labels[rows]],
    )
