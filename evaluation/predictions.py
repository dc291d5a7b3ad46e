"""What a model said of a split beside what is true: every protocol leaves it, every score reads it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..foundation.errors import UserError
from ..foundation.files import write_atomically

Kind = Literal["single", "distribution", "multilabel", "vad"]
FLOOR = 1e-12  # of a probability, where its logarithm is kept: class scores stay finite


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of N samples that have a target, in the order of their split.

    Attributes:
        kind: single, distribution, multilabel or vad.
        space: the label space of the classes; None for vad.
        classes: names of the columns, in the order of the space (of the axes for vad).
        ids, groups: by sample; a sample without a group is its own.
        outputs: float32 [N, C]: logits (single, distribution: softmax over classes; multilabel: sigmoid of
            each) or values in [−1, 1] (vad). Log-probabilities are logits.
        targets: float32 [N, C]: one-hot (single), shares, 0s and 1s, or values, NaN where not known (vad).
    """

    kind: Kind
    space: str | None
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    outputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.classes))
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind: {self.kind!r}, expected one of {', '.join(get_args(Kind))}")
        if self.outputs.shape != shape or self.targets.shape != shape or len(self.groups) != shape[0]:
            raise ValueError(
                f"{shape[0]} samples and {shape[1]} classes, but outputs {list(self.outputs.shape)}, "
                f"targets {list(self.targets.shape)}, {len(self.groups)} groups"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> Tensor:
        """The true class (of the highest share), int64 [N]; for single and distribution."""
        return self.targets.argmax(1)

    @property
    def group_numbers(self) -> Tensor:
        """The groups as numbers, int64 [N]."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys(self.groups))}
        return torch.tensor([numbers[name] for name in self.groups], dtype=torch.int64)

    @property
    def said(self) -> Tensor:
        """Probabilities (values for vad), float64 [N, C]."""
        outputs = self.outputs.double()
        if self.kind in ("single", "distribution"):
            return outputs.softmax(1)
        return outputs.sigmoid() if self.kind == "multilabel" else outputs


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write one file, whole or not at all."""
    names = ("kind", "space", "classes", "ids", "groups")
    facts = json.dumps({name: getattr(predictions, name) for name in names}, ensure_ascii=False)
    tensors = {name: getattr(predictions, name).float().contiguous() for name in ("outputs", "targets")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as stream:
        stream.write(save(tensors, {"predictions": facts}))


def load_predictions(path: Path) -> Predictions:
    """What `save_predictions` wrote. Raises UserError for a file that is missing, damaged or another one."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["predictions"])
            tensors = {name: file.get_tensor(name) for name in ("outputs", "targets")}
        return Predictions(
            facts["kind"],
            facts["space"],
            tuple(facts["classes"]),
            tuple(facts["ids"]),
            tuple(facts["groups"]),
            tensors["outputs"],
            tensors["targets"],
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: not a file of predictions, or damaged ({error})") from error
