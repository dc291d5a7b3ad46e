"""Datasets: label spaces, the sample record, readers, shards, streams, the built-in drawn dataset.

Knows nothing of models, losses or trainers. Only light names are handed on here; import a room
(`vemo.datasets.readers`, `.shards`, `.stream`, `.synthetic`) for the rest.
"""

from .sample import Sample, sample_schema
from .taxonomy import LabelMap, LabelSpace, class_index, distribution, label_map, label_space

__all__ = [
    "LabelMap",
    "LabelSpace",
    "Sample",
    "class_index",
    "distribution",
    "label_map",
    "label_space",
    "sample_schema",
]
