"""A config of every kind, records of every kind, and batches as a stream collates them."""

import torch
from pydantic import TypeAdapter
from vemo.datasets.stream.collate import collate
from vemo.finetune.emotion import HeadConfig, build_head

WIDTH = 6
CONFIGS = {
    "single": {"kind": "single", "space": "mikels8", "label_smoothing": 0.1},
    "single_soft": {"kind": "single", "space": "mikels8", "labels": "soft"},
    "single_wheel": {"kind": "single", "space": "mikels8", "wheel_temperature": 1.0},
    "single_weights": {"kind": "single", "space": "mikels8", "imbalance": "weights"},
    "single_adjusted": {"kind": "single", "space": "mikels8", "imbalance": "logit_adjustment"},
    "distribution": {"kind": "distribution", "space": "mikels8"},
    "multilabel": {"kind": "multilabel", "space": "emotic26"},
    "multilabel_static": {
        "kind": "multilabel",
        "space": "emotic26",
        "loss": "emotic",
        "class_weights": "static",
    },
    "vad": {"kind": "vad", "ccc": 0},
    "hierarchical": {"kind": "hierarchical", "space": "mikels8", "label_smoothing": 0.1},
    "hierarchical_weights": {
        "kind": "hierarchical",
        "space": "mikels8",
        "labels": "soft",
        "imbalance": "weights",
    },
    "hierarchical_neither": {"kind": "hierarchical", "space": "ekman6", "imbalance": "logit_adjustment"},
}
# Those of which a loss over a batch is not the mean of the losses over its parts.
WHOLE = {
    "multilabel_dynamic": {"kind": "multilabel", "space": "emotic26", "loss": "emotic"},
    "vad_ccc": {"kind": "vad", "mse": 0.5},
}
RECORDS = [
    {
        "labels": {
            "mikels8": {"class": "awe"},
            "ekman6": {"class": "joy"},
            "emotic26": {"classes": ["peace", "esteem"]},
        },
        "vad": {"valence": 0.5, "arousal": -0.25, "dominance": 0.0},
    },
    {
        "labels": {
            "mikels8": {"votes": [0, 0, 0, 0, 3, 0, 1, 0]},
            "ekman6": {"class": "surprise"},
            "emotic26": {"classes": []},
        },
        "vad": {"valence": -0.75},
    },
    {
        "labels": {
            "mikels8": {"distribution": [0.5, 0, 0.25, 0, 0, 0, 0, 0.25]},
            "ekman6": {"class": "fear"},
            "emotic26": {"classes": ["fear"]},
        },
        "vad": {"valence": 0.25, "arousal": 1.0},
    },
    {"id": "silent"},
    {"labels": {"mikels8": {"votes": [2, 2, 0, 0, 0, 0, 0, 0]}, "polarity2": {"class": "negative"}}},
    {
        "labels": {"mikels8": {"class": "fear"}, "ekman6": {"class": "sadness"}},
        "vad": {"dominance": -0.5, "valence": -1.0},
    },
]


def config_of(**options):
    return TypeAdapter(HeadConfig).validate_python(options)


def head_of(name, width=WIDTH, **options):
    """A head with weights that are not next to 0, and counts of which one is 0."""
    torch.manual_seed(0)
    head = build_head("emotion", config_of(**({**CONFIGS, **WHOLE}[name] | options)), width)
    torch.nn.init.normal_(head.linear.weight)
    torch.nn.init.normal_(head.linear.bias)
    if head.needs_counts:
        head.set_counts([0.0, *range(1, len(head.classes))], samples=40)
    return head


def batch_for(head, records=RECORDS):
    return collate([head.targets(record) for record in records])
