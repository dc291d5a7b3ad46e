"""What goes into a metric, checked: shapes, ranges, no NaN. A ValueError names the argument and the place."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

SUM_TOLERANCE = 1e-3  # of a distribution's sum from 1: room for bfloat16 and for rounded label files


def refuse(name: str, values: Tensor, bad: Tensor, wanted: str) -> None:
    """Raise ValueError naming the first place where `bad` holds; nothing happens where it never does."""
    if bad.any():
        place = bad.nonzero()[0].tolist()
        more = f" and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
        raise ValueError(f"{name}: {values[tuple(place)].item()} at {place}{more}; {wanted}")


def real(name: str, values: Tensor, dimensions: int) -> Tensor:
    """`values` in float64: of that many dimensions, at least one sample, all finite."""
    if values.ndim != dimensions or values.shape[0] == 0:
        wanted = ", ".join(["N", "C"][:dimensions])
        raise ValueError(f"{name}: shape {list(values.shape)}, expected [{wanted}] with at least one sample")
    values = values.double()
    refuse(name, values, ~values.isfinite(), "every value must be finite")
    return values


def real_logits(name: str, logits: Tensor) -> Tensor:
    """`logits` in float64 [N, C]; -inf, which rules a class out, is allowed, but not throughout a row.

    Log-probabilities are logits too: a kind of model that gives probabilities hands in their log.
    """
    ruled_out = logits == -torch.inf
    checked = real(name, logits.masked_fill(ruled_out, 0), 2)
    refuse(name, logits, ruled_out.all(1, keepdim=True).expand_as(logits), "a class must be left in each row")
    return checked.masked_fill(ruled_out, -torch.inf)


def log_probabilities(name: str, logits: Tensor) -> Tensor:
    """Log-softmax, float64 [N, C], of what `real_logits` lets pass."""
    return real_logits(name, logits).log_softmax(1)


def class_numbers(name: str, labels: Tensor, classes: int) -> Tensor:
    """`labels` as int64 [N], each in [0, classes)."""
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"{name}: {labels.dtype} {list(labels.shape)}, expected integers [N]")
    refuse(name, labels, (labels < 0) | (labels >= classes), f"there are {classes} classes, from 0")
    return labels.long()


def distribution(name: str, shares: Tensor) -> Tensor:
    """`shares` in float64 [N, C]: none negative, each row summing to 1 within 1e-3, then to 1 exactly."""
    shares = real(name, shares, 2)
    refuse(name, shares, shares < 0, "no share may be negative")
    sums = shares.sum(1)
    refuse(f"{name}, sum of row", sums, (sums - 1).abs() > SUM_TOLERANCE, "shares must sum to 1")
    return shares / sums[:, None]


def targets_as_shares(name: str, targets: Tensor, classes: int) -> Tensor:
    """Float64 [N, classes] of classes int64 [N] (one-hot) or of distributions [N, classes]."""
    if targets.ndim == 1:
        return one_hot(class_numbers(name, targets, classes), classes).double()
    shares = distribution(name, targets)
    if shares.shape[1] != classes:
        raise ValueError(f"{name}: {shares.shape[1]} classes, the prediction has {classes}")
    return shares


def same_length(**columns: Tensor) -> None:
    """Raise ValueError unless all columns hold equally many samples."""
    if len({len(column) for column in columns.values()}) > 1:
        counts = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise ValueError(f"different numbers of samples: {counts}")
