"""From a config to the head it asks for."""

from typing import Any

from .config import HeadConfig
from .distribution import DistributionHead
from .head import Head
from .hierarchical import HierarchicalHead
from .multilabel import MultilabelHead
from .single import SingleHead
from .vad import VadHead

_HEADS: dict[str, Any] = {
    "single": SingleHead,
    "distribution": DistributionHead,
    "multilabel": MultilabelHead,
    "vad": VadHead,
    "hierarchical": HierarchicalHead,
}


def build_head(name: str, config: HeadConfig, width: int) -> Head:
    """The head of `config.kind` over features [B, width]. Raises UserError for a name that is no word."""
    return _HEADS[config.kind](name, config, width)
