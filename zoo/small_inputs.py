"""What timm's own arguments do not give for inputs of some 48 pixels."""

from typing import Any

from timm.models.resnet import ResNet
from torch import nn

from ..foundation.errors import UserError


def small_stem(model: Any) -> None:
    """In place: a ResNet's first convolution is 3 × 3 with stride 1 and there is no max-pooling, so that the
    first stage sees every pixel, as He et al. (2016) have it for CIFAR. Weights of that layer are drawn anew.

    Raises UserError for another model than a timm ResNet with a stem of one convolution.
    """
    stem = getattr(model, "conv1", None)
    if not isinstance(model, ResNet) or not isinstance(stem, nn.Conv2d):
        raise UserError("encoder_arguments.small_stem: only for ResNets with a stem of one convolution")
    model.conv1 = nn.Conv2d(stem.in_channels, stem.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")  # as timm's ResNets
    model.maxpool = nn.Identity()
    for info in model.feature_info:
        info["reduction"] = int(info["reduction"]) // (2 if info["module"] == "act1" else 4)
