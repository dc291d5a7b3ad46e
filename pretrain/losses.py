"""The three parts of UniEmoX's objective (paper: L1, L2, L3) and one to compare with; each a mean over the
batch, each ≥ 0."""

from typing import Literal

import torch
from open_clip.loss import ClipLoss
from torch import Tensor
from torch.nn.functional import cosine_similarity, kl_div, log_softmax, normalize

Form = Literal["cosine", "kl"]


def reconstruction_loss(predicted: Tensor, target: Tensor, masked: Tensor) -> Tensor:
    """L3: the mean over hidden patches of the mean squared error within a patch.

    predicted, target [B, N, P]; masked bool [B, N]. With nothing masked the loss is over all patches.
    Raises ValueError where the shapes differ: broadcasting here once hid that only one token was predicted.
    """
    if predicted.shape != target.shape or masked.shape != target.shape[:2]:
        raise ValueError(
            f"shapes differ: predicted {list(predicted.shape)}, target {list(target.shape)}, "
            f"mask {list(masked.shape)}"
        )
    errors = (_wide(predicted) - _wide(target)).square().mean(dim=-1)
    weights = masked.to(errors.dtype)
    weights = torch.where(masked.any(), weights, torch.ones_like(weights))
    return (errors * weights).sum() / weights.sum()


def similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """L2 = 1 − mean cosine of γ and Ω, rows [B, C]; in [0, 2]."""
    return 1 - cosine_similarity(_wide(student), _wide(teacher), dim=-1).mean()


def contrastive_similarity_loss(
    student: Tensor,
    teacher: Tensor,
    texts: Tensor,
    center_rows: bool = True,
    form: Form = "cosine",
    temperature: float = 0.1,
) -> Tensor:
    """L1: row i of A = γ̂Λ̂ᵀ against row i of C = Ω̂Λ̂ᵀ, the profile of an image over the texts.

    student, teacher [B, C]; texts [T, C], T = B in the paper (T > B where texts come from other ranks).
    form: `cosine`, 1 − mean cosine of the rows, in [0, 2]: the released one. CLIP's logit scale would cancel,
    so it is left out. `kl`, KL(softmax(C/τ) ‖ softmax(A/τ)) at τ = `temperature` (our choice).
    center_rows: of cosines only, subtracts each row's mean first (our choice; not in the released form): all
    image-text cosines share a large mean, which puts the uncentred rows at a cosine of about 0.99 before
    anything is learnt. A softmax does not see the mean.
    """
    of_student, of_teacher = profiles(student, teacher, texts, center_rows)
    if form == "kl":
        log_a, log_c = (log_softmax(rows / temperature, dim=1) for rows in (of_student, of_teacher))
        return kl_div(log_a, log_c, reduction="batchmean", log_target=True)
    return 1 - cosine_similarity(of_student, of_teacher, dim=-1).mean()


def profiles(
    student: Tensor, teacher: Tensor, texts: Tensor, center_rows: bool = True
) -> tuple[Tensor, Tensor]:
    """A and C of `contrastive_similarity_loss`, [B, T] each."""
    texts = normalize(_wide(texts), dim=-1)
    both = [normalize(_wide(rows), dim=-1) @ texts.T for rows in (student, teacher)]
    if center_rows and texts.shape[0] > 1:  # a row of one number has nothing left once centred
        both = [rows - rows.mean(dim=1, keepdim=True) for rows in both]
    return both[0], both[1]


def image_text_loss(student: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric InfoNCE (Radford et al. 2021) by open_clip's ClipLoss, not a part of UniEmoX.

    student, texts [B, C], row i belongs to row i; scale: the factor on cosines. Equal sentences in a batch
    count as each other's negatives, as they do in CLIP.
    """
    rows = [normalize(_wide(each), dim=-1) for each in (student, texts)]
    return ClipLoss()(*rows, logit_scale=scale)


def _wide(tensor: Tensor) -> Tensor:
    """At least float32: autocast hands over 16 bits, which sums of squares do not bear."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
