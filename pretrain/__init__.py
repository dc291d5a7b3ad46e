"""UniEmoX pretraining: a masked autoencoder that also follows a frozen teacher of images and sentences.

Lives here: the masked autoencoder, the person branch and its fusions, the losses, the sentences, the
teachers, and the run that joins them. Not here: reading data (`datasets`), the training loop (`training`),
the format of released encoders (`zoo`), probes (`evaluation`).
"""

from .config import PretrainConfig
from .run import pretrain

__all__ = ["PretrainConfig", "pretrain"]
