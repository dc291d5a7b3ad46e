"""Squeeze-and-excitation (Hu et al. 2018): channels weighed by what the whole image is about.

z = GAP(X), s = sigmoid(W2 relu(W1 z)), without biases, and s · X. Of Swin-SE (Vats & Chadha 2023,
arXiv:2301.10906) only the abstract is public; where SE sits, its reduction and all else here are our choice.
Since GAP(s · X) = s · GAP(X), SE of the last feature map before pooling is SE of the pooled feature
(`position: head`); after every stage (`position: stages`) it is another network.
"""

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from ...foundation.config import Config
from ...foundation.errors import UserError


class SqueezeConfig(Config):
    """Where channels are weighed, and what goes with it."""

    position: Literal["head", "stages"] = Field(
        default="head", description="head: the pooled feature; stages: after every stage of a Swin or a CNN"
    )
    reduction: int = Field(default=16, ge=1, description="Channels over the width of the layer between")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Of the feature that the heads get")
    norm: bool = Field(default=True, description="Layer norm of the pooled feature, before anything else")


class Excitation(nn.Module):
    """s in (0, 1) [B, C] of means z [B, C]."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.reduce = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def forward(self, means: Tensor) -> Tensor:
        return self.expand(self.reduce(means).relu()).sigmoid()


class FeatureSqueeze(nn.Module):
    """Between an encoder's feature and the heads: layer norm, weights, dropout; [B, width] → [B, width]."""

    def __init__(self, width: int, config: SqueezeConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if config.norm else nn.Identity()
        self.excitation = Excitation(width, config.reduction) if config.position == "head" else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor) -> Tensor:
        features = self.norm(features)
        if self.excitation is not None:
            features = self.excitation(features) * features
        return self.dropout(features)


class MapSqueeze(nn.Module):
    """The end of a stage: s · X of a feature map, [B, C, H, W] or, `last`, [B, H, W, C]."""

    def __init__(self, channels: int, reduction: int, last: bool) -> None:
        super().__init__()
        self.excitation = Excitation(channels, reduction)
        self.last = last

    def forward(self, maps: Tensor) -> Tensor:
        if self.last:
            return self.excitation(maps.mean((1, 2)))[:, None, None] * maps
        return self.excitation(maps.mean((2, 3)))[:, :, None, None] * maps


def squeeze_stages(model: Any, reduction: int) -> None:
    """In place: a `MapSqueeze` as the last block of every stage (Swin, ResNet, ConvNeXt, FasterNet, …).

    Names in the state_dict stay, and new ones follow those of the blocks. Raises UserError for a model of
    which timm does not name every stage: a ViT has none, an EfficientNet has such weights already.
    """
    last = getattr(model, "output_fmt", "NCHW") == "NHWC"
    stages = {
        each["module"]: (blocks, each["num_chs"])
        for each in getattr(model, "feature_info", None) or ()
        if isinstance(blocks := _blocks(model.get_submodule(each["module"])), nn.Sequential)
    }
    homes = {name.rpartition(".")[0] for name in stages}
    every = len(homes) == 1 and (
        homes == {""} or len(list(model.get_submodule(homes.pop()).children())) == len(stages)
    )
    if not every:
        raise UserError("squeeze.position=stages: timm does not name the stages of this encoder; use head")
    for blocks, channels in stages.values():
        blocks.append(MapSqueeze(channels, reduction, last))


def _blocks(stage: Any) -> Any:
    return getattr(stage, "blocks", stage)
