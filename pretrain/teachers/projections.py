"""Two projections into one space, fitted contrastively on features of frozen towers."""

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from .contrast import multi_positive_contrast, retrieval
from .options import PairOptions


class Projection(nn.Module):
    """Features [B, in] → [B, out]: standardised per feature, then linear."""

    shift: Tensor
    scale: Tensor

    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.register_buffer("shift", torch.zeros(inside))
        self.register_buffer("scale", torch.ones(inside))
        self.linear = nn.Linear(inside, outside, bias=False)

    def measure(self, features: Tensor) -> None:
        """Take mean and spread of [N, in] features as those to be removed."""
        self.shift.copy_(features.mean(dim=0))
        self.scale.copy_(features.std(dim=0).clamp(min=1e-6).reciprocal())

    def forward(self, features: Tensor, drop: float = 0.0) -> Tensor:
        return self.linear(dropout((features - self.shift) * self.scale, drop, training=drop > 0))


class Projections(nn.Module):
    """The image side, the text side, and the logarithm of the factor on cosines."""

    def __init__(self, image_width: int, text_width: int, width: int):
        super().__init__()
        self.image = Projection(image_width, width)
        self.text = Projection(text_width, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # where CLIP starts


def number_of_group(group: str) -> int:
    """A group's name as a number in [0, 2³²), spread evenly: what decides whether it is kept aside."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big")


def numbers_of_sentences(sentences: list[str]) -> Tensor:
    """int64 [N]: equal numbers for equal sentences."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(sentence, len(numbers)) for sentence in sentences])


def fit_projections(
    images: Tensor, texts: Tensor, sentences: Tensor, groups: Tensor, options: PairOptions
) -> tuple[Projections, dict[str, float]]:
    """Fit on all rows but those held out, and measure retrieval on these.

    Args:
        images: float [N, image width]; texts: float [N, text width]; features of the frozen towers.
        sentences: int64 [N]; rows with equal numbers are right for each other.
        groups: int64 [N] from `number_of_group`; a group is fitted on or kept aside as a whole.
    Returns: the projections, and facts: sample counts, `image_to_text_R@1` and the like, on held-out rows.
    """
    aside = groups < options.held_out * 2**32
    if aside.all() or (~aside).sum() < 2:
        aside = torch.zeros_like(aside)  # too few groups to keep any aside
    fitted = (~aside).nonzero().squeeze(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        projections = Projections(images.shape[1], texts.shape[1], options.width)
        projections.image.measure(images[fitted])
        projections.text.measure(texts[fitted])
        _descend(projections, images, texts, sentences, fitted, options)
    facts: dict[str, float] = {"fitted_on": len(fitted), "held_out": int(aside.sum())}
    if aside.any():
        with torch.no_grad():
            image_rows = normalize(projections.image(images[aside]), dim=1)
            text_rows = normalize(projections.text(texts[aside]), dim=1)
        facts |= retrieval(image_rows, text_rows, sentences[aside][:, None] == sentences[aside])
    return projections, facts


def _descend(
    projections: Projections,
    images: Tensor,
    texts: Tensor,
    sentences: Tensor,
    fitted: Tensor,
    options: PairOptions,
) -> None:
    batch = min(options.batch_size, len(fitted))
    steps = options.epochs * max(1, len(fitted) // batch)
    weights = [projections.image.linear.weight, projections.text.linear.weight]
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": options.weight_decay},
            {"params": [projections.log_scale], "weight_decay": 0.0},
        ],
        lr=options.lr,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, total_steps=steps, pct_start=0.1)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < batch:
            order = fitted[torch.randperm(len(fitted))]
        rows, order = order[:batch], order[batch:]
        image_rows = normalize(projections.image(images[rows], options.dropout), dim=1)
        text_rows = normalize(projections.text(texts[rows], options.dropout), dim=1)
        positive = sentences[rows][:, None] == sentences[rows]
        loss = multi_positive_contrast(image_rows, text_rows, projections.log_scale.exp(), positive)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        projections.log_scale.data.clamp_(max=math.log(100))
