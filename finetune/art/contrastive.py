"""Which explanation belongs to an image and an emotion: scores of triples, and their loss."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from ..mixing import draw_partners


class Scorer(nn.Module):
    """MLP([image; emotion; explanation]) → a score, as in the paper: four hidden layers, ReLU, no norm, no
    temperature.

    image_width, width: of an image's mean patch, and of the decoder's states.
    """

    def __init__(self, image_width: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (image_width + 2 * width, width, width, width):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, image: Tensor, emotion: Tensor, explanation: Tensor) -> Tensor:
        """[..., W_image], [..., W], [..., W] → [...]."""
        return self.layers(torch.cat([image, emotion, explanation], dim=-1))[..., 0]


class Cosine(nn.Module):
    """cos(A [image; emotion], B explanation) · scale → a score; our choice in place of the paper's `Scorer`.

    That one has to find out by itself that two of its inputs are to be compared, and its ReLUs die at the
    rates at which a drawn decoder is trained: there it stays at chance, where this one learns. The scale is
    learnt, 10 at first and 100 at most (as CLIP's).
    """

    def __init__(self, image_width: int, width: int) -> None:
        super().__init__()
        self.shown, self.said = nn.Linear(image_width + width, width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, image: Tensor, emotion: Tensor, explanation: Tensor) -> Tensor:
        """[..., W_image], [..., W], [..., W] → [...]."""
        shown = normalize(self.shown(torch.cat([image, emotion], dim=-1)), dim=-1)
        cosine = (shown * normalize(self.said(explanation), dim=-1)).sum(-1)
        return cosine * self.scale.exp().clamp(max=100)


def pooled(states: Tensor, places: Tensor) -> Tensor:
    """The mean of states [N, L, W] over places, bool [N, L], of which there is at least one."""
    weights = places.to(states.dtype)[..., None]
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def candidates(
    slots: int, emotion: Tensor, there: Tensor, negatives: str, distinct: bool
) -> tuple[Tensor, Tensor]:
    """(which sentences' explanations each of N is compared with, which of them count): int64 and bool [N, K].

    Sentences are in the order of images, `slots` each; the first candidate is a sentence's own. two: then
    come the other one of its image, and one of another image, by a random permutation (torch's global
    generator) in which no image keeps its place. batch: all of the others.

    Args:
        emotion: int64 [N]. there: bool [N]; what is not there stands for nothing.
        distinct: no negatives of the same emotion.
    """
    count = len(emotion)
    own = torch.arange(count, device=emotion.device)
    image, slot = own // slots, own % slots
    if negatives == "batch":
        others = (own[:, None] + own) % count
        different = torch.ones_like(others, dtype=torch.bool)
        different[:, 0] = False
    else:
        partner = image * slots + (slot + 1) % slots
        other = draw_partners(count // slots, [], emotion.device)[image] * slots
        other = torch.where(there[other + slot], other + slot, other)
        others = torch.stack([own, partner, other], dim=1)
        different = others != own[:, None]
    counts = different & there[others]
    if distinct:
        counts &= emotion[others] != emotion[:, None]
    counts[:, 0] = True
    return others, counts


def contrastive_loss(scores: Tensor, counts: Tensor, there: Tensor) -> Tensor:
    """Cross-entropy of a sentence's own explanation (the first) against the others, over those sentences that
    are there and have others; 0 without any. scores, counts: [N, K]; there: bool [N]."""
    rows = there & counts[:, 1:].any(1)
    logits = scores.float().masked_fill(~counts, -torch.inf)
    first = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    each = cross_entropy(logits, first, reduction="none")
    return (each * rows).sum() / rows.sum().clamp(min=1)
