"""Samples to a batch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ...foundation.errors import UserError

Batch = dict[str, Any]


def collate(samples: list[dict[str, Any]]) -> Batch:
    """Stack what views returned: tensors along a new first axis, numbers to tensors, strings to lists.

    Whole numbers become int64, others float32, booleans bool. Images keep the layout they have in memory (a
    batch of decoded images is [B, 3, H, W] in channels_last).

    Raises:
        UserError: the samples have different keys, or tensors of different shapes under one key.
    """
    keys = samples[0].keys()
    for sample in samples:
        if sample.keys() != keys:
            raise UserError(
                f"the view gave samples with different keys: {sorted(keys)} and {sorted(sample.keys())}; "
                "give every sample the same, with a mask where something is absent"
            )
    return {key: _column(key, [sample[key] for sample in samples]) for key in keys}


def split_batch(batch: Batch) -> list[dict[str, Any]]:
    """The samples of a batch again; tensors are views, numbers come back as 0-d tensors."""
    count = len(next(iter(batch.values())))
    return [{key: values[row] for key, values in batch.items()} for row in range(count)]


def _column(key: str, values: list[Any]) -> Tensor | list[str]:
    first = values[0]
    if isinstance(first, np.ndarray):
        values = [torch.from_numpy(value) for value in values]
        first = values[0]
    if isinstance(first, Tensor):
        return _stack(key, values)
    if isinstance(first, str):
        return values
    if all(isinstance(value, bool | np.bool_) for value in values):
        return torch.tensor(values, dtype=torch.bool)
    if all(isinstance(value, int | np.integer) for value in values):
        return torch.tensor(values, dtype=torch.int64)
    if all(isinstance(value, int | float | np.number) for value in values):
        return torch.tensor(values, dtype=torch.float32)
    kinds = sorted({type(value).__name__ for value in values})
    raise UserError(
        f"the view gave {key!r} as {', '.join(kinds)}; a batch holds tensors, numbers and strings"
    )


def _stack(key: str, tensors: list[Tensor]) -> Tensor:
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) > 1:
        raise UserError(f"the view gave {key!r} in different shapes, such as {shapes[0]} and {shapes[-1]}")
    if tensors[0].ndim == 3 and tensors[0].permute(1, 2, 0).is_contiguous():
        # Stacking along the memory order is a plain copy; across it, ten times slower.
        return _stack_contiguous([tensor.permute(1, 2, 0) for tensor in tensors]).permute(0, 3, 1, 2)
    return _stack_contiguous(tensors)


def _stack_contiguous(tensors: list[Tensor]) -> Tensor:
    if get_worker_info() is None:
        return torch.stack(tensors)
    # Straight into shared memory: saves the copy that handing the batch over would make.
    out = torch.empty((len(tensors), *tensors[0].shape), dtype=tensors[0].dtype)
    return torch.stack(tensors, out=out.share_memory_())
