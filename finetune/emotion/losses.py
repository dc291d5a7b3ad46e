"""The losses of the heads, as functions of what a head gave [B, C] and of targets [B, C].

NaN in a target means absent: of shares and sets it takes the sample out, of numbers the one value. Every loss
is a sum over what is known, divided by the size of the batch (not by how many are known), so that it is a
mean over samples however a batch is cut, and 0 with a zero gradient where nothing is known. Two are not: they
say so. All compute in float32 at least, also under autocast, and give a scalar, 0 for an empty batch.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

NEVER = 1e-4  # EMOTIC's dynamic weight of a category that the batch does not have
SMALLEST = 1e-8  # of CCC's denominator: below it every value is the same


def wide(tensor: Tensor) -> Tensor:
    """At least float32."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """−Σ t log softmax(z): for shares that sum to 1 or, where a label weighs more or less, to its weight."""
    shares, _ = known_rows(shares, logits)  # shares of 0 cost nothing
    return _mean(-shares * wide(logits).log_softmax(1))


def divergence(logits: Tensor, shares: Tensor) -> Tensor:
    """KL(t ‖ softmax(z)) in nats, ≥ 0; a share of 0 adds 0."""
    shares, _ = known_rows(shares, logits)
    return _mean(torch.xlogy(shares, shares) - shares * wide(logits).log_softmax(1))


def binary_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the classes of the binary cross-entropy of σ(z) against 0, 1 or what lies between."""
    truth, known = known_rows(truth, logits)
    losses = binary_cross_entropy_with_logits(wide(logits), truth, reduction="none")
    return _mean(losses * known) / logits.shape[1]


def emotic_loss(outputs: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """EMOTIC's "DiscreteLoss" (Kosti et al. 2017, 2020): Σ_c w_c (x_c − t_c)², the outputs as they are.

    weights: [C]; None: dynamic, w_c = 1 / ln(n_c + 1.2) with n_c the count of c in this batch (1e-4 where
    that is 0), which is what public code calls so. They depend on how a batch is cut; the mean does not.
    """
    truth, known = known_rows(truth, outputs)
    if weights is None:
        counts = truth.sum(0)
        weights = torch.where(counts > 0, emotic_weights(counts), NEVER)
    return _mean((wide(outputs) - truth).square() * weights * known)


def emotic_weights(quantity: Tensor) -> Tensor:
    """1 / ln(1.2 + q): of shares of the train split in the paper, of a batch's counts in public code."""
    return 1 / (quantity + 1.2).log()


def squared_error(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean over the axes of (x − y)²."""
    known = wanted.isfinite()
    error = wide(predicted) - torch.where(known, wanted, 0).to(wide(predicted).dtype)
    return _mean(error.square() * known) / predicted.shape[1]


def concordance_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean over the axes of (1 − CCC) · known share of the batch, in [0, 2]; CCC as in Lin 1989.

    1 − CCC = E(x − y)² / (var x + var y + (E x − E y)²): its denominator is over the whole set, so this is
    no mean over samples. It is taken over the batch that is handed in, that of one process; gradients of
    smaller batches are noisier, and one value alone costs 1 and teaches nothing. Weighing it by how many are
    known keeps a batch with two of them from counting like a full one.
    """
    predicted, known = wide(predicted), wanted.isfinite()
    wanted = torch.where(known, wanted, 0).to(predicted.dtype)
    count = known.sum(0)
    size = count.clamp(min=1)
    mean_x, mean_y = (predicted * known).sum(0) / size, wanted.sum(0) / size
    x, y = (predicted - mean_x) * known, (wanted - mean_y) * known
    apart = (mean_x - mean_y).square()
    spread = x.square().sum(0) / size + y.square().sum(0) / size + apart
    ccc = 2 * (x * y).sum(0) / size / spread.clamp(min=SMALLEST)
    return ((1 - ccc) * count).mean() / max(len(predicted), 1)


def known_rows(targets: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Targets in the outputs' precision, 0 in rows that have a NaN, and which rows [B, 1] have none."""
    known = targets.isfinite().all(1, keepdim=True)
    return torch.where(known, targets, 0).to(wide(outputs).dtype), known


def _mean(losses: Tensor) -> Tensor:
    return losses.sum() / max(len(losses), 1)
