"""Predicting: what a fine-tuned model says of pictures, videos and the faces in them, row by row.

Lives here: a model folder made usable again, from Python (`vemo.load`) and as ONNX, pictures and videos as
frames, faces aligned and followed, the writers of rows. Not here: training and measuring (`finetune`,
`evaluation`), the face detector itself (`datasets.sidecars`), decoding of pictures (`datasets.stream`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Answer, Model, Prediction, load
    from .config import PredictConfig, options
    from .export import export
    from .loading import load_model
    from .predictor import Predictor
    from .run import predict

# Fetched on first use: the command line has its options from here and should not import torch for --help.
_HOMES = {
    "api": ("Answer", "Model", "Prediction", "load"),
    "export": ("export",),
    "config": ("PredictConfig", "options"),
    "loading": ("load_model",),
    "predictor": ("Predictor",),
    "run": ("predict",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Answer",
    "Model",
    "PredictConfig",
    "Prediction",
    "Predictor",
    "export",
    "load",
    "load_model",
    "options",
    "predict",
]
