"""A person and the scene around: two features of one sample, joined."""

import torch
from pydantic import Field
from torch import Tensor, nn

from ...foundation.config import Config


class ContextConfig(Config):
    """How the features of a person's crop and of the whole image are joined."""

    width: int | None = Field(default=None, ge=1, description="Of what comes out; null: as what goes in")
    hidden: int | None = Field(default=None, ge=1, description="Of the layer between; null: as what goes in")
    dropout: float = Field(default=0.0, ge=0, lt=1)


class ContextFusion(nn.Module):
    """MLP([a · LN(scene); b · LN(person)]) with (a, b) = softmax of a score of each: [B, W] × 2 → [B, width].

    Joining and an MLP are EMOTIC's baseline (Kosti et al. 2017), the weights CAER-Net's adaptive fusion (Lee
    et al. 2019). Without a person a = 1 and b = 0 (our choice): what the crop shows then has no influence,
    which the fusions of pretraining do not grant. The scores start at 0, both weights at 1/2.
    """

    def __init__(self, width: int, config: ContextConfig) -> None:
        super().__init__()
        self.width = config.width or width
        hidden = config.hidden or width
        self.scene_norm, self.person_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.scene_score = nn.Linear(width, 1)
        # The softmax sees only differences of scores: one bias is enough.
        self.person_score = nn.Linear(width, 1, bias=False)
        for score in (self.scene_score, self.person_score):
            nn.init.zeros_(score.weight)
        nn.init.zeros_(self.scene_score.bias)
        self.mlp = nn.Sequential(
            nn.Linear(2 * width, hidden), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(hidden, self.width)
        )

    def forward(self, scene: Tensor, person: Tensor, has_person: Tensor) -> Tensor:
        """scene, person [B, W]; has_person bool [B]: where false, `person` may be anything, NaN included."""
        there = has_person.bool()[:, None]
        scene = self.scene_norm(scene)
        person = self.person_norm(torch.where(there, person, 0))
        weights = self.weights(scene, person, there)
        return self.mlp(torch.cat([weights[:, :1] * scene, weights[:, 1:] * person], dim=1))

    def weights(self, scene: Tensor, person: Tensor, there: Tensor) -> Tensor:
        """(a, b) of normalised features, [B, 2]; there: bool [B, 1]."""
        scores = torch.cat([self.scene_score(scene), self.person_score(person)], dim=1)
        return scores.masked_fill(torch.cat([torch.zeros_like(there), ~there], dim=1), -torch.inf).softmax(1)
