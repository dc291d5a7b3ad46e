"""Supervision by annotations: the labels and attributes of a record as targets, and a head for each.

The counterpart of EmoSet's attribute module (Yang et al., ICCV 2023: emotion and six attributes), here for
any label spaces and whatever attributes the records have. A sample that lacks one counts nothing in its head.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from ..datasets.taxonomy import class_index, label_space
from ..foundation.config import Config
from ..foundation.errors import UserError

NUMBERS = ("brightness", "colorfulness")  # in [0, 1]
LISTS = ("objects",)  # several at once
ABSENT = -1


class AttributesConfig(Config):
    """Which annotations are learnt; heads exist for those that the train split has."""

    names: tuple[str, ...] = Field(
        default=("emotion", *NUMBERS, "scene", "facial_expression", "human_action", *LISTS),
        min_length=1,
        description="`emotion` stands for every label space; others are attributes of the records",
    )
    at_least: int = Field(default=10, ge=1, description="Words seen less often than this are no class")


@dataclass(frozen=True)
class Vocabulary:
    """What there is to learn: the classes of every head, in order.

    spaces: label spaces; words: attribute → its classes; numbers: attributes that are a number.
    """

    spaces: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    numbers: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Head → how many numbers it gives."""
        labels = {f"label_{name}": len(label_space(name).names) for name in self.spaces}
        words = {name: len(classes) for name, classes in self.words.items()}
        return labels | words | dict.fromkeys(self.numbers, 1)

    def facts(self) -> dict[str, Any]:
        """JSON-able, for the description of a run."""
        words = {name: list(classes) for name, classes in self.words.items()}
        return {"spaces": list(self.spaces), "words": words, "numbers": list(self.numbers)}

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        return {name: {word: place for place, word in enumerate(words)} for name, words in self.words.items()}

    def targets(self, record: Mapping[str, Any], scene: int = 0) -> dict[str, Any]:
        """`target_HEAD` of a record: a class or −1; of numbers a float or NaN; of lists int8 0/1, or all −1.

        An extra of `PretrainView`: which scene is shown makes no difference.
        """
        attributes = record.get("attributes") or {}
        found: dict[str, Any] = {}
        for name in self.spaces:
            place = class_index(record, label_space(name))
            found[f"target_label_{name}"] = ABSENT if place is None else place
        for name, places in self._places.items():
            value = attributes.get(name)
            if name in LISTS:
                row = np.full(len(places), ABSENT if value is None else 0, np.int8)
                row[[places[word] for word in value or () if word in places]] = 1
                found[f"target_{name}"] = row
            else:
                found[f"target_{name}"] = places.get(value or "", ABSENT)
        for name in self.numbers:
            value = attributes.get(name)
            found[f"target_{name}"] = float("nan") if value is None else float(value)
        return found


def read_vocabulary(records: Iterable[Mapping[str, Any]], config: AttributesConfig) -> Vocabulary:
    """What the records of a train split have to teach. Raises UserError where that is nothing."""
    spaces: dict[str, None] = {}
    others = [name for name in config.names if name not in (*NUMBERS, "emotion")]
    counts: dict[str, Counter[str]] = {name: Counter() for name in others}
    numbers: dict[str, None] = {}
    for record in records:
        attributes = record.get("attributes") or {}
        for name in counts:
            value = attributes.get(name)
            counts[name].update([value] if isinstance(value, str) else value or ())
        known = [name for name in NUMBERS if name in config.names and attributes.get(name) is not None]
        numbers |= dict.fromkeys(known)
        if "emotion" in config.names:
            labels = record.get("labels") or {}
            spaces |= {name: None for name in labels if class_index(record, label_space(name)) is not None}
    words = {
        name: tuple(sorted(word for word, count in counter.items() if count >= config.at_least))
        for name, counter in counts.items()
    }
    found = Vocabulary(
        tuple(sorted(spaces)),
        {name: classes for name, classes in words.items() if len(classes) > (name not in LISTS)},
        tuple(sorted(numbers)),
    )
    if not found.sizes:
        raise UserError(
            "objective.components has attributes, but the records that are trained on have none of "
            f"{', '.join(config.names)}; leave it out, or name what there is in objective.attributes.names"
        )
    return found


class AttributeHeads(nn.Module):
    """A linear layer for every head of a vocabulary, over features [B, width]."""

    def __init__(self, width: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in vocabulary.sizes.items()})
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=0.01)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(head.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, features: Tensor, batch: dict[str, Any]) -> Tensor:
        """The mean over heads of the mean over the batch of each head's loss; what is absent counts 0.

        Cross-entropy for classes, its binary form (mean over words) for lists, squared error for numbers.
        Each is divided by the size of the batch, not by how many are known, so that the loss stays a mean
        over samples however a batch is cut into pieces.
        """
        losses = [
            _loss(name, head(features).float(), batch[f"target_{name}"], self.vocabulary)
            for name, head in self.heads.items()
        ]
        return torch.stack(losses).mean() / len(features)


def _loss(name: str, predicted: Tensor, target: Tensor, vocabulary: Vocabulary) -> Tensor:
    """The sum over the samples that have a target."""
    if name in vocabulary.numbers:
        known = target.isfinite()
        wanted = torch.where(known, target, 0).to(predicted.dtype)
        return (mse_loss(predicted[:, 0].sigmoid(), wanted, reduction="none") * known).sum()
    if name in LISTS:
        known = target >= 0
        wanted = target.clamp(min=0).to(predicted.dtype)
        losses = binary_cross_entropy_with_logits(predicted, wanted, reduction="none")
        return (losses * known).mean(dim=1).sum()
    return cross_entropy(predicted, target, ignore_index=ABSENT, reduction="sum")
