"""Ways to fuse the scene feature α and the person feature β into γ, all [B, C] → [B, C].

Formulas are those of the public code where it has one; departures from it are named. Every parameter of every
fusion here receives a gradient (a test holds them to it).
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import elu, relu, silu, softmax

from ..foundation.config import Config

FusionName = Literal[
    "easyfusion",
    "multihead_weighted",
    "dual_layer_attention",
    "dual_layer_as_released",
    "mlp_attention_glu",
    "deep_residual_bilinear",
    "psych_prior",
]


class FusionConfig(Config):
    """Which fusion, and its few options (each used by the fusions that have it)."""

    name: FusionName = "easyfusion"
    activation: Literal["elu", "none"] = Field(
        default="none",
        description="easyfusion: elu as released; it bounds γ below by −1, which biases cosines",
    )
    heads: int = Field(default=3, ge=1)
    rank: int = Field(default=256, ge=1, description="deep_residual_bilinear: width of the products")
    blocks: int = Field(default=2, ge=1, description="deep_residual_bilinear: how many in a row")
    prior: Literal["scalar", "gate"] = Field(
        default="scalar",
        description="psych_prior: λ as one learnable number, or as a gate σ(W[α; β] + b) per channel",
    )


class EasyFusion(nn.Module):
    """γ = act(W(LN(α) + LN(β)) + c) with one shared LayerNorm: the released default; no attention in it."""

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.activation = config.activation

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        fused = self.linear(self.norm(scene) + self.norm(person))
        return elu(fused) if self.activation == "elu" else fused


class MultiheadWeighted(nn.Module):
    """γ = LN(Σ_h (α_h ⊙ α + β_h ⊙ β)) + c: channel gates, summed over heads, starting as normal(0, 1)."""

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.scene_gates = nn.Parameter(torch.randn(config.heads, width))
        self.person_gates = nn.Parameter(torch.randn(config.heads, width))
        self.norm = nn.LayerNorm(width)
        self.offset = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        gated = self.scene_gates.sum(0) * scene + self.person_gates.sum(0) * person
        return self.norm(gated) + self.offset


class DualLayerAsReleased(nn.Module):
    """γ = swish(H·(α + β)) + c, which is what the released code computes.

    There the scores are a softmax over an axis of length one, that is, always 1; the parameters behind them
    never got a gradient and are left out here.
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.offset = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        return silu(self.heads * (scene + person)) + self.offset


class DualLayerAttention(nn.Module):
    """γ = swish(Σ_h (s_h α + t_h β)) + c with (s_h, t_h) = softmax([w_h·α, w'_h·β]): our correction.

    The softmax runs over the two sources, so each head weighs scene against person.
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.scene_scores = nn.Linear(width, config.heads)
        # The softmax sees only differences of scores: one bias is enough.
        self.person_scores = nn.Linear(width, config.heads, bias=False)
        self.offset = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        scores = torch.stack([self.scene_scores(scene), self.person_scores(person)])  # [2, B, H]
        weights = softmax(scores, dim=0).sum(dim=2)[..., None]  # [2, B, 1]
        return silu(weights[0] * scene + weights[1] * person) + self.offset


class MlpAttentionGlu(nn.Module):
    """Per head softmax_C(W_h α) ⊙ α + softmax_C(W'_h β) ⊙ β; m = MLP(all heads); γ = ReLU(m ⊙ σ(W_g m)) + c.

    The ReLU keeps γ ≥ c, so it cannot meet signed features well: here for comparison.
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.scene_attention = nn.Linear(width, width * config.heads)
        self.person_attention = nn.Linear(width, width * config.heads)
        self.mlp = nn.Sequential(nn.Linear(width * config.heads, width), nn.ReLU(), nn.Linear(width, width))
        self.gate = nn.Linear(width, width)
        self.offset = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        def attend(layer: nn.Linear, source: Tensor) -> Tensor:
            scores = layer(source).view(len(source), self.heads, -1)
            return softmax(scores, dim=-1) * source[:, None]

        heads = attend(self.scene_attention, scene) + attend(self.person_attention, person)
        mixed = self.mlp(heads.flatten(1))
        return relu(mixed * torch.sigmoid(self.gate(mixed))) + self.offset


class DeepResidualBilinear(nn.Module):
    """z₀ = LN(α + β); z ← z + W_o(tanh(Uα) ⊙ tanh(Vβ)), `blocks` times; γ = Wz + c: our choice.

    The released code names this fusion and does not contain it. Deep (more than one block), residual and
    bilinear in low rank, as in MLB (Kim et al. 2017) and MUTAN (Ben-younes et al. 2017).
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "scene": nn.Linear(width, config.rank),
                    "person": nn.Linear(width, config.rank),
                    "out": nn.Linear(config.rank, width),
                }
            )
            for _ in range(config.blocks)
        )
        self.linear = nn.Linear(width, width)

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        fused = self.norm(scene + person)
        for block in self.blocks:
            product = torch.tanh(block["scene"](scene)) * torch.tanh(block["person"](person))  # pyright: ignore
            fused = fused + block["out"](product)  # pyright: ignore
        return self.linear(fused)


class PsychPrior(nn.Module):
    """γ = W[λ ⊙ α ; β] + c, the paper's figure: λ weighs the scene before the two are joined.

    The paper gives no λ and the released code has none: here one learnable number that starts at 1, or a gate
    per channel computed from both (our choice).
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width, width)
        gated = config.prior == "gate"
        self.gate = nn.Linear(2 * width, width) if gated else None
        self.weight = None if gated else nn.Parameter(torch.ones(1))  # [1]: FSDP shards no scalars

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        weight: Any = self.weight
        if self.gate is not None:
            weight = torch.sigmoid(self.gate(torch.cat([scene, person], dim=-1)))
        return self.linear(torch.cat([weight * scene, person], dim=-1))


_FUSIONS: dict[str, Any] = {
    "easyfusion": EasyFusion,
    "multihead_weighted": MultiheadWeighted,
    "dual_layer_attention": DualLayerAttention,
    "dual_layer_as_released": DualLayerAsReleased,
    "mlp_attention_glu": MlpAttentionGlu,
    "deep_residual_bilinear": DeepResidualBilinear,
    "psych_prior": PsychPrior,
}


def build_fusion(width: int, config: FusionConfig) -> nn.Module:
    """The fusion that `config` names, over features of `width` channels."""
    return _FUSIONS[config.name](width, config)
