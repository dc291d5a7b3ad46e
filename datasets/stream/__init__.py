"""Shard sets to batches: order, decoding, transforms, collation, local and remote.

What lives here: everything between bytes in a shard and a batch of uint8 tensors. What does not: writing
shards (`datasets.shards`), what a label means (`datasets.taxonomy`), what a model sees in an image (views
belong to the tasks that need them), and anything that runs on the device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .overlay import Overlay, read_overlay
from .shardset import ShardSet

if TYPE_CHECKING:
    from .decode import DecodeError, ImageLoader
    from .mixture import DataConfig, Mixture, MixtureConfig, MixtureStream, open_mixture, sets_of
    from .order import generator
    from .selection import SelectionConfig, held_out, selected
    from .stream import (
        BatchSource,
        StreamConfig,
        TrainStream,
        View,
        evaluation_batches,
        open_batches,
        open_shardset,
    )
    from .transforms import EvaluationView

# Names that need torch are fetched on first use: a builder process that re-packs a shard set only opens it,
# and importing torch alone would cost it some 450 MB.
_HOMES = {
    "decode": ("DecodeError", "ImageLoader"),
    "mixture": ("DataConfig", "Mixture", "MixtureConfig", "MixtureStream", "open_mixture", "sets_of"),
    "order": ("generator",),
    "selection": ("SelectionConfig", "held_out", "selected"),
    "stream": (
        "BatchSource",
        "StreamConfig",
        "TrainStream",
        "View",
        "evaluation_batches",
        "open_batches",
        "open_shardset",
    ),
    "transforms": ("EvaluationView",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "BatchSource",
    "DataConfig",
    "DecodeError",
    "EvaluationView",
    "ImageLoader",
    "Mixture",
    "MixtureConfig",
    "MixtureStream",
    "Overlay",
    "SelectionConfig",
    "ShardSet",
    "StreamConfig",
    "TrainStream",
    "View",
    "evaluation_batches",
    "generator",
    "held_out",
    "open_batches",
    "open_mixture",
    "open_shardset",
    "read_overlay",
    "selected",
    "sets_of",
]
