"""The three parts of UniEmoX's objective (paper: L1, L2, L3), each a mean over the batch, each ≥ 0."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize


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
    errors = (predicted.float() - target.float()).square().mean(dim=-1)
    weights = masked.to(errors.dtype)
    weights = torch.where(masked.any(), weights, torch.ones_like(weights))
    return (errors * weights).sum() / weights.sum()


def similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """L2 = 1 − mean cosine of γ and Ω, rows [B, C]; in [0, 2]."""
    return 1 - cosine_similarity(student.float(), teacher.float(), dim=-1).mean()


def contrastive_similarity_loss(
    student: Tensor, teacher: Tensor, texts: Tensor, center_rows: bool = True
) -> Tensor:
    """L1 = 1 − mean cosine between row i of A = γ̂Λ̂ᵀ and row i of C = Ω̂Λ̂ᵀ; in [0, 2].

    student, teacher [B, C]; texts [T, C], T = B in the paper (T > B where texts come from other ranks).
    CLIP's logit scale would cancel, so it is left out. `center_rows` subtracts each row's mean first (our
    choice; the released form does not): all image-text cosines share a large mean, which puts the
    uncentred rows at a cosine of about 0.99 before anything is learnt.
    """
    texts = normalize(texts.float(), dim=-1)
    of_student = normalize(student.float(), dim=-1) @ texts.T
    of_teacher = normalize(teacher.float(), dim=-1) @ texts.T
    if center_rows and texts.shape[0] > 1:  # a row of one number has nothing left once centred
        of_student = of_student - of_student.mean(dim=1, keepdim=True)
        of_teacher = of_teacher - of_teacher.mean(dim=1, keepdim=True)
    return 1 - cosine_similarity(of_student, of_teacher, dim=-1).mean()
