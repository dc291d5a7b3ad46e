"""Facial expressions: what a run on faces has beside the heads for emotion.

Lives here: squeeze-and-excitation of an encoder's features. Not here: heads and losses
(`finetune.emotion`), SAM (`training.sharpness`), small-input encoders (`zoo`), reading faces (`datasets`).
"""

from .squeeze import FeatureSqueeze, SqueezeConfig, squeeze_stages

__all__ = ["FeatureSqueeze", "SqueezeConfig", "squeeze_stages"]
