"""The contrastive loss that both stand-ins are fitted with."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def multi_positive_contrast(images: Tensor, texts: Tensor, scale: Tensor, positive: Tensor) -> Tensor:
    """CLIP's symmetric cross-entropy where an image may have several right sentences, and the reverse.

    Datasets of attributes repeat their sentences, and CLIP's own loss would push an image away from the very
    sentence that describes it. Here the target of a row is uniform over all its positives (our choice; as in
    supervised contrastive learning, Khosla et al. 2020). With one positive a row, on the diagonal, the value
    is that of open_clip's ClipLoss.

    Args:
        images: [N, D] rows of length 1. texts: [M, D] rows of length 1. scale: the factor on cosines.
        positive: bool [N, M]; a row or column without any positive is left out of its mean.
    """
    logits = scale * images @ texts.T
    return (_cross_entropy(logits, positive) + _cross_entropy(logits.T, positive.T)) / 2


def _cross_entropy(logits: Tensor, positive: Tensor) -> Tensor:
    counts = positive.sum(dim=1)
    target = positive.to(logits.dtype) / counts.clamp(min=1).unsqueeze(1)
    losses = -(target * log_softmax(logits, dim=1)).sum(dim=1)
    return losses.sum() / (counts > 0).sum().clamp(min=1)


@torch.no_grad()
def retrieval(
    images: Tensor, texts: Tensor, positive: Tensor, ranks: tuple[int, ...] = (1, 10)
) -> dict[str, float]:
    """Recall of image → text and text → image at each rank, and the chance level of the former.

    `positive` bool [N, M] says which pairs count as found; `R@1` 0.3 = 30 % of rows have one in first place.
    """
    similarity = images @ texts.T
    found: dict[str, float] = {}
    for direction, scores, right in (
        ("image_to_text", similarity, positive),
        ("text_to_image", similarity.T, positive.T),
    ):
        rows = right.any(dim=1)
        scores, right = scores[rows], right[rows]
        for rank in ranks:
            top = scores.topk(min(rank, scores.shape[1]), dim=1).indices
            found[f"{direction}_R@{rank}"] = round(right.gather(1, top).any(dim=1).float().mean().item(), 4)
    found["chance_R@1"] = round(positive.float().mean().item(), 5)
    return found
