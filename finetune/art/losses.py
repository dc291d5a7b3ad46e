"""What SEVLM minimises: the next token, the next word's values, and which explanation belongs where.

All are means over tokens or sentences of a micro-batch, as in the paper, so that how a batch is cut among
processes matters a little.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .sequences import BECAUSE, END, EXPLANATION, FIXED, LABEL, PROMPT

IGNORED = -100


def next_tokens(ids: Tensor, kind: Tensor, prompt_loss: bool = False) -> Tensor:
    """What each token is to predict, int64 like `ids` [..., L]; −100 where nothing is: before the prompt's
    words (unless `prompt_loss`), before pads, and at the last place."""
    learnt = (kind >= LABEL) & (kind <= END)
    if prompt_loss:
        learnt = learnt | (kind == PROMPT)
    wanted = ids.masked_fill(~learnt, IGNORED)
    return torch.cat([wanted[..., 1:], torch.full_like(wanted[..., :1], IGNORED)], dim=-1)


def language_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats over the T tokens that have a target: logits [T, V], targets [T]; 0 for T = 0."""
    return cross_entropy(logits.float(), targets, reduction="sum") / max(1, len(targets))


def vad_places(vad_target: Tensor, kind: Tensor, boundary: str) -> Tensor:
    """Which tokens' values are to be predicted by the token before, bool [N, L].

    mask: of explanations, words that the lexicon knows. fixed6: from place 6 on, values that are not all 0.
    """
    if boundary == "fixed6":
        places = torch.arange(kind.shape[-1], device=kind.device)
        return (vad_target[..., :3] != 0).any(-1) & (places >= FIXED)
    return (vad_target[..., 3] > 0) & (kind == EXPLANATION)


def vad_loss(predicted: Tensor, vad_target: Tensor, places: Tensor) -> Tensor:
    """Squared error of valence, arousal, dominance of the next token's word, over `places`; 0 without any.

    predicted [N, L, 3]: at token t of token t + 1; vad_target [N, L, 4] and places bool [N, L]: of token t.
    """
    there = places[:, 1:]
    error = (predicted[:, :-1].float() - vad_target[:, 1:, :3]).square().mean(-1)
    return (error * there).sum() / there.sum().clamp(min=1)


def explanation_parts(kind: Tensor, boundary: str) -> tuple[Tensor, Tensor]:
    """(of the emotion, of the explanation), bool [N, L] each: prompt and label; " because" to the end.

    fixed6: places 0 to 5, and all others, pads included.
    """
    if boundary == "fixed6":
        early = torch.arange(kind.shape[-1], device=kind.device).expand_as(kind) < FIXED
        return early, ~early
    return kind < BECAUSE, (kind >= BECAUSE) & (kind <= END)
