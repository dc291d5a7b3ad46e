"""The benchmark suite: tasks × encoders × protocols × seeds, each cell done once, one table made of them.

Lives here: what a suite is told, the cells with the predictions they leave, protocols on frozen features, and
the comparison of cells. Not here: how a model is fine-tuned (handed in, from `finetune`), metrics
(`evaluation.metrics`), how pages look (`evaluation.reports`).
"""

from .evaluate import Evaluated, evaluate

__all__ = ["Evaluated", "evaluate"]
