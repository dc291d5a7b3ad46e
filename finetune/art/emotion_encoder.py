"""Words' valence, arousal and dominance in context: what joins their embeddings."""

import torch
from torch import Tensor, nn

from .config import VadConfig

INPUTS = 4  # valence, arousal, dominance, known


class CausalEncoder(nn.Module):
    """A transformer (pre-norm) in which a token sees what stands before it: [N, L, 4] → [N, L, width].

    So what is read while writing is what was read in training, and the decoder's keys and values can be
    kept. Sizes and learnt positions are our choice.
    """

    def __init__(self, config: VadConfig, positions: int, dropout: float) -> None:
        super().__init__()
        self.width = config.width
        self.read = nn.Linear(INPUTS, config.width)
        self.positions = nn.Parameter(torch.empty(positions, config.width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 4 * config.width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, config.layers, nn.LayerNorm(config.width), enable_nested_tensor=False
        )

    def forward(self, values: Tensor) -> Tensor:
        """values: float [N, L, 4]."""
        length = values.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, values.device)
        return self.layers(self.read(values) + self.positions[:length], mask=mask, is_causal=True)


class PaperEncoder(nn.Module):
    """The paper's: three post-norm layers of width 3, one head, bidirectional, [N, L, 4] → [N, L, 3].

    LayerNorm over 3 numbers leaves one degree of freedom, and a token sees the values of words that are still
    to be written; both are as published. So is a last linear map that nothing uses: it takes part with
    weight 0.
    """

    width = 3

    def __init__(
        self, layers: int = 3, hidden: int = 128, positions: int = 5000, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(positions, 3))
        self.norm = nn.LayerNorm(3)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_PaperLayer(hidden, dropout) for _ in range(layers))
        self.unused = nn.Linear(3, 1)

    def forward(self, values: Tensor) -> Tensor:
        """values: float [N, L, 4]; whether a word is known is not looked at."""
        states = self.dropout(self.norm(values[..., :3] + self.positions[: values.shape[1]]))
        for layer in self.layers:
            states = states + layer(states)
        return states + 0 * self.unused(states)


class _PaperLayer(nn.Module):
    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(3, 3) for _ in range(3))
        self.attention_norm, self.mlp_norm = nn.LayerNorm(3), nn.LayerNorm(3)
        self.mlp = nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        attended = nn.functional.scaled_dot_product_attention(
            self.query(states), self.key(states), self.value(states)
        )
        states = self.attention_norm(states + self.dropout(attended))
        return self.mlp_norm(states + self.dropout(self.mlp(states)))


def build_emotion_encoder(config: VadConfig, positions: int, dropout: float) -> CausalEncoder | PaperEncoder:
    """The encoder that `config.encoder` names. positions: the longest sequence."""
    return PaperEncoder() if config.encoder == "bidirectional" else CausalEncoder(config, positions, dropout)
