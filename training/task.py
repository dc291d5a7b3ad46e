"""The two things a run is made of: a task (model and losses) and a source of batches."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor, nn

Batch = dict[str, Any]


class Task(nn.Module):
    """Owns a model and its losses; the trainer knows nothing else of either.

    `forward(batch)` returns scalar tensors: `loss`, which is minimised, and parts by name, which are logged
    (the same names every time). So that many processes with small batches train what one process with a
    large one trains, `loss` must be a mean over the samples of the micro-batch, and every trainable
    parameter must take part in it each time.

    Torch's, numpy's and Python's global generators are seeded anew before each call, by the run's seed, the
    step and the micro-batch's place in the global batch: dropout and the like need no care to be resumable.

    Once in each process, after the first step, `forward` and backward run once more to count operations; what
    they change in parameters' gradients, buffers and generators is undone.

    Layer-wise learning rates follow timm's conventions: define `group_matcher` (and `no_weight_decay`).
    What is not to be trained, saved or averaged (a frozen teacher) is best kept out of the module tree.
    """

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]] | None:
        """Optimizer groups (`params`, optional `weight_decay`, `lr_scale`); None leaves them to timm."""
        return None


class BatchSource(Protocol):
    """Batches as a pure function of the position, so that a run can go on where it stopped.

    Attributes:
        samples_per_epoch: a multiple of the global batch size.
    """

    samples_per_epoch: int

    def batches(self, start: int) -> Iterator[Batch]:
        """Endless micro-batches of this process from sample `start` of the run, a multiple of the batch size.

        Each has batch_size / (processes x accumulation) samples; `index` (int [B]), where given, names them
        in messages. The global batch is cut into contiguous parts, rank by rank, then step by step.
        """
        ...
