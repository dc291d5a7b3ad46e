"""One rule for several processes: gather the predictions, drop what came twice, compute once.

Most scores of the suite are no sums over samples (macro-F1, mAP, CCC, ECE, bootstrap), so means of each
process's scores would be wrong; and a sampler that pads its last batch makes samples count twice.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...training import World
from .inputs import same_length


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of every sample once, by rising number, on the CPU: what was predicted and what is true."""

    numbers: Tensor  # int64 [N]
    predictions: Tensor  # [N, ...], for one: logits
    targets: Tensor  # [N, ...]


def gather(
    world: World, numbers: Tensor, predictions: Tensor, targets: Tensor, samples: int | None = None
) -> Predictions:
    """All processes' predictions, the same in every one of them. Every process has to call it.

    `numbers` int64 [n] says which sample of the set each row is; n may differ between processes and be 0. Of
    what came twice the row of the lowest rank is kept (another batch may round differently). With `samples`
    given the numbers must be 0 to samples - 1, each of them at least once.

    Raises:
        ValueError: a sample is missing, unknown, or has two different targets (so numbers are no names).
    """
    same_length(numbers=numbers, predictions=predictions, targets=targets)
    if numbers.ndim != 1 or numbers.is_floating_point():
        raise ValueError(f"numbers: {numbers.dtype} {list(numbers.shape)}, expected integers [n]")
    own = tuple(column.detach().cpu() for column in (numbers, predictions, targets))
    every, said, true = (torch.cat(parts) for parts in zip(*world.gather(own)))
    every, order = every.long().sort(stable=True)
    said, true = said[order], true[order]
    first = torch.ones_like(every, dtype=torch.bool)
    first[1:] = every[1:] != every[:-1]
    differs = (true[1:] != true[:-1]) & ~(true[1:].isnan() & true[:-1].isnan())
    clashes = ~first[1:] & (differs.flatten(1).any(1) if differs.ndim > 1 else differs)
    if clashes.any():
        raise ValueError(f"targets: sample {int(every[1:][clashes][0])} has two different ones")
    every, said, true = every[first], said[first], true[first]
    if samples is not None:
        _complete(every, samples)
    return Predictions(every, said, true)


def _complete(numbers: Tensor, samples: int) -> None:
    unknown = numbers[(numbers < 0) | (numbers >= samples)]
    if len(unknown):
        raise ValueError(f"numbers: there is no sample {int(unknown[0])}, they go from 0 to {samples - 1}")
    if len(numbers) < samples:
        missing = torch.ones(samples, dtype=torch.bool)
        missing[numbers] = False
        where = int(missing.nonzero()[0])
        raise ValueError(
            f"numbers: {samples - len(numbers)} of {samples} samples missing, the first is {where}"
        )
