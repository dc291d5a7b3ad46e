"""Shard sets to batches: order, decoding, transforms, collation, local and remote.

What lives here: everything between bytes in a shard and a batch of uint8 tensors. What does not: writing
shards (`datasets.shards`), what a label means (`datasets.taxonomy`), what a model sees in an image (views
belong to the tasks that need them), and anything that runs on the device.
"""

from .decode import DecodeError, ImageLoader, decode
from .order import generator
from .overlay import Overlay, read_overlay
from .shardset import ShardSet
from .stream import BatchSource, StreamConfig, TrainStream, View, evaluation_batches, open_batches
from .transforms import EvaluationView

__all__ = [
    "BatchSource",
    "DecodeError",
    "EvaluationView",
    "ImageLoader",
    "Overlay",
    "ShardSet",
    "StreamConfig",
    "TrainStream",
    "View",
    "decode",
    "evaluation_batches",
    "generator",
    "open_batches",
    "read_overlay",
]
