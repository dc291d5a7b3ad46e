"""Where the decoder looks while it writes each word: its cross-attention over the picture, word by word.

A map is a place to look, not a reason: it says what a word's token took from where, not why it was chosen.
"""

from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...evaluation.reports.attention import overlay
from ...evaluation.reports.colours import SEQUENTIAL
from ...foundation.errors import UserError
from ...pretrain.pictures.sheet import (
    ACROSS,
    FAINT,
    GAP,
    INK,
    INNER,
    LINE,
    TEXT_SIZE,
    TILE,
    blank,
    font,
    legend,
    printable,
    to_pillow,
    write_sheet,
)
from .model import Sevlm
from .sequences import LABEL, SequenceBuilder, WordReader
from .vocabulary import tidy


@torch.no_grad()
def word_attention(
    model: Sevlm, seen: Tensor, emotion: int, text: str, reader: WordReader | None
) -> tuple[list[str], Tensor]:
    """(words of an explanation, what each took from each patch while it was written: float32 [words, P]).

    seen: [1, P, W] of `Sevlm.look`. The weights of all layers and heads are averaged, and those of a word's
    tokens; each is of the place before the token, where it is chosen. Maps are multiples of an even share:
    their mean over the patches is 1. The model should be in eval mode.
    """
    vocabulary, text = model.vocabulary, tidy(text)
    if not text:
        return [], torch.zeros(0, seen.shape[1])
    tokens = vocabulary.encode(f" {text}")
    builder = SequenceBuilder(vocabulary, reader, len(tokens) + 20 + max(map(len, vocabulary.labels)))
    row = builder(emotion, text)
    begin = len(builder.begin(emotion))
    length = begin + len(tokens)
    ids = torch.as_tensor(row["ids"])[None, :length].to(seen.device)
    explaining = (torch.as_tensor(row["kind"]) > LABEL)[None, :length].to(seen.device)
    values = torch.as_tensor(row["vad"])[None, :length].to(seen.device) if reader is not None else None
    with Weights(model.decoder) as weights:
        model.states(model.embed(ids, explaining, values), seen)
    at = weights.mean()[0, begin - 1 : length - 1]  # token t is chosen at t − 1
    at = at * seen.shape[1]
    words: list[str] = []
    rows: list[list[int]] = []
    for place, token in enumerate(tokens):
        piece = vocabulary.pieces[token]
        if not words or piece[:1].isspace():
            words.append("")
            rows.append([])
        words[-1] += piece
        rows[-1].append(place)
    return [word.strip() for word in words], torch.stack([at[each].mean(0) for each in rows]).float().cpu()


class Weights:
    """A context in which a decoder's passes leave their softmax weights over the picture.

    Fused attention never holds them: they are computed from the queries and keys that its layers give.
    """

    def __init__(self, decoder: Any) -> None:
        self.blocks = [block.crossattention for block in decoder.h]
        self.queries: dict[int, Tensor] = {}
        self.keys: dict[int, Tensor] = {}
        self.handles: list[Any] = []

    def __enter__(self) -> "Weights":
        for number, block in enumerate(self.blocks):
            for store, layer in ((self.queries, block.q_attn), (self.keys, block.c_attn)):

                def keep(
                    module: Any,
                    inputs: Any,
                    output: Tensor,
                    store: dict[int, Tensor] = store,
                    at: int = number,
                ) -> None:
                    store[at] = output

                self.handles.append(layer.register_forward_hook(keep))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def mean(self) -> Tensor:
        """Over layers and heads, float32 [N, L, P]; rows sum to 1."""
        found = []
        for number, block in enumerate(self.blocks):
            query, both = self.queries[number], self.keys[number]
            heads = (block.num_heads, -1)
            query = query.float().unflatten(2, heads).transpose(1, 2)
            keys = both.float().split(block.split_size, 2)[0].unflatten(2, heads).transpose(1, 2)
            found.append((query @ keys.transpose(2, 3) * block.scaling).softmax(-1).mean(1))
        return torch.stack(found).mean(0)


def _keeper(store: dict[int, Tensor], number: int) -> Any:
    def keep(module: Any, inputs: Any, output: Tensor) -> None:
        store[number] = output

    return keep


def attention_sheet(path: Path, picture: Tensor, title: str, words: Sequence[str], maps: Tensor) -> Path:
    """Write a PNG: the picture, uint8 [3, S, S] as the model sees it, and for each word where it looked.

    maps: [words, P] of `word_attention`. UserError where the patches are no square.
    """
    side = isqrt(maps.shape[1])
    if side * side != maps.shape[1]:
        raise UserError(f"{maps.shape[1]} patches are no square: there is nothing to lay over the picture")
    # What 1 patch in 100 exceeds, so that one outlier does not darken the rest; an even share is half of 2.
    high = max(2.0, float(maps.quantile(0.99))) if maps.numel() else 2.0
    painted = overlay(picture.expand(len(words), -1, -1, -1), maps.reshape(-1, side, side), high)
    band = _labelled([picture, *painted], ["", *words])
    says = "what a word took from a patch, as a multiple of an even share"
    note = "cross-attention, mean over layers and heads"
    return write_sheet(path, printable(title), note, [([band, legend(SEQUENTIAL, 0, high, says)], "")])


def _labelled(pictures: Sequence[Tensor], words: Sequence[str]) -> Image.Image:
    """Tiles, `ACROSS` a line, each with its word under it."""
    high = TILE + LINE + GAP
    band = blank(INNER, -(-len(pictures) // ACROSS) * high)
    draw = ImageDraw.Draw(band)
    for place, (picture, word) in enumerate(zip(pictures, words)):
        x, y = place % ACROSS * (TILE + GAP), place // ACROSS * high
        band.paste(to_pillow(picture).resize((TILE, TILE), Image.Resampling.BICUBIC), (x, y))
        text = printable(word) or "the picture"
        draw.text((x + 2, y + TILE + 2), text, fill=INK if word else FAINT, font=font(TEXT_SIZE))
    return band
