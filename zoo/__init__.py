"""Released encoders: their file format, and loading one (or any timm model) to use it.

Here live what a weight file needs to be *used*: architecture, preprocessing, hashes, the frozen forward
pass. Training, losses, probes and datasets do not belong here.
"""

from .encoder import Encoder, load_encoder
from .release import Architecture, Preprocessing, ReleaseDescription, read_release, save_release
from .trunk import build_trunk

__all__ = [
    "Architecture",
    "Encoder",
    "Preprocessing",
    "ReleaseDescription",
    "build_trunk",
    "load_encoder",
    "read_release",
    "save_release",
]
