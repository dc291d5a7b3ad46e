"""SEVLM (Zhang et al. 2024): a small model that names the emotion a painting evokes and says why.

An encoder's patches are read by GPT-2 through cross-attention. Each word's valence, arousal and dominance
join its embedding, and are predicted; a contrastive loss ties image, emotion and explanation together. The
defaults mend the published code's defects; `faithful: true` brings the paper's behaviour back.

Lives here: vocabulary, lexicon, model, losses, decoding, and the run of `kind: art`. Not here: encoders
(`zoo`), the scores of sentences (`evaluation.captions`), the readers of ArtEmis (`datasets.readers.art`).
Needs transformers (`pip install 'vemo[art]'`), for GPT-2 and for byte-pair encoding.
"""

from .config import ArtConfig

__all__ = ["ArtConfig"]
