"""GPT-2 with cross-attention: transformers' own, built to our sizes; its weights drawn or read."""

from pathlib import Path
from typing import Any

import torch

from ...foundation.errors import UserError
from ...zoo.release import read_tensors
from .config import DecoderConfig
from .library import library
from .vocabulary import Vocabulary

TABLES = ("wte.weight", "wpe.weight")


def build_decoder(config: DecoderConfig, vocabulary: Vocabulary, drop_embeddings: bool = True) -> Any:
    """transformers' GPT2Model with cross-attention, its weights drawn from torch's global generator, or read.

    drop_embeddings: False leaves the dropout of embeddings to whoever makes them.
    """
    transformers = library("transformers")
    settings = transformers.GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=config.positions,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        resid_pdrop=config.dropout,
        attn_pdrop=config.dropout,
        embd_pdrop=config.dropout if drop_embeddings else 0.0,
        bos_token_id=vocabulary.end,
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.pad,
        add_cross_attention=True,
    )
    settings._attn_implementation = "sdpa"
    decoder = transformers.GPT2Model(settings)
    if config.weights is not None:
        load_decoder(decoder, config.weights)
    return decoder


def load_decoder(decoder: Any, path: Path) -> None:
    """GPT-2's weights from a safetensors file with Hugging Face's names, in place.

    Cross-attention stays as drawn unless the file has it, and so do the tokens that are not in the file.
    Raises UserError: a size differs, something is missing, or there is something that GPT-2 has no use for.
    """
    own = decoder.state_dict()
    given = {name.removeprefix("transformer."): value for name, value in read_tensors(path).items()}
    given = {
        name: value
        for name, value in given.items()
        if name != "lm_head.weight" and not name.endswith((".attn.bias", ".attn.masked_bias"))
    }
    for name in TABLES:  # fewer tokens or positions than ours; the rest stays as drawn
        if (
            name in given
            and len(given[name]) < len(own[name])
            and given[name].shape[1:] == own[name].shape[1:]
        ):
            given[name] = torch.cat([given[name].to(own[name].dtype), own[name][len(given[name]) :]])
    drawn = {name for name in own if "cross" in name}
    wrong = [name for name, value in given.items() if name not in own or value.shape != own[name].shape]
    missing = [name for name in own if name not in given and name not in drawn]
    if wrong or missing:
        what = f"{wrong[0]} is not of this decoder" if wrong else f"{missing[0]} is missing"
        raise UserError(
            f"model.decoder.weights={path}: {what}; "
            "layers, heads, width, positions and vocabulary.gpt2 must be the file's"
        )
    decoder.load_state_dict(given, strict=False)


def new_cache(decoder: Any) -> Any:
    """An empty cache of a decoder's keys and values: those of what is written, and those of the image."""
    transformers = library("transformers")
    caches = (transformers.DynamicCache(config=decoder.config) for _ in range(2))
    return transformers.EncoderDecoderCache(*caches)
