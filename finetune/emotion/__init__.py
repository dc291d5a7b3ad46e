"""Heads for emotion: a class, a distribution, several classes, valence and arousal, polarity then emotion.

Lives here: the kinds of heads with their configs, targets and losses, and the joining of a person's features
with the scene's. Not here: the run, mixing of samples, augmentation (`finetune`), label spaces and the maps
between them (`datasets`), metrics (`evaluation`).
"""

from .build import build_head
from .config import HeadConfig
from .context import ContextConfig, ContextFusion
from .head import Head
from .targets import build_targets

__all__ = [
    "ContextConfig",
    "ContextFusion",
    "Head",
    "HeadConfig",
    "build_head",
    "build_targets",
]
