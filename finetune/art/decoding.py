"""Writing: tokens one after another, with keys and values kept; the likeliest, a beam, or drawn.

The loop is ours: transformers' `generate` repeats a sentence's last token type, and knows nothing of words'
values, which have to be read anew with every token.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .config import GenerationConfig
from .model import Sevlm
from .sequences import WordReader


class Writer:
    """N sentences of one length that are being written, each beside an image.

    seen: [N, P, W] of `Sevlm.look`. reader: of words' values; None for a model without. cached=False reads
    all anew for every token, which a model with a bidirectional encoder of values needs.
    """

    def __init__(self, model: Sevlm, seen: Tensor, reader: WordReader | None, cached: bool = True) -> None:
        if reader is None and model.emotion_encoder is not None:
            raise ValueError("this model reads words' values: it needs the lexicon it was trained with")
        self.model, self.seen = model, seen
        self.reader = reader if model.emotion_encoder is not None else None
        self.cache = model.new_cache() if cached and model.causal else None
        self.words = [""] * len(seen)
        self.ids = torch.zeros(len(seen), 0, dtype=torch.int64, device=seen.device)
        self.values = torch.zeros(len(seen), 0, 4, device=seen.device)

    def feed(self, ids: Tensor) -> Tensor:
        """Write further tokens, int64 [N, t]; the logits of what follows, float32 [N, V]."""
        before = self.ids.shape[1]
        self.ids = torch.cat([self.ids, ids], dim=1)
        if self.reader is not None:
            self.values = torch.cat([self.values, self._read(self.reader, ids)], dim=1)
        begin = 0 if self.cache is None else before
        explaining = (self.ids == self.model.vocabulary.because).cumsum(1) > 0
        values = None if self.reader is None else self.values
        embedded = self.model.embed(self.ids[:, begin:], explaining[:, begin:], values, begin)
        states = self.model.states(embedded, self.seen, cache=self.cache)
        return self.model.logits(states[:, -1]).float()

    def take(self, rows: Tensor) -> None:
        """Go on with these sentences, int64 [N], in place of those there were; of the same images."""
        self.ids, self.values = self.ids[rows], self.values[rows]
        self.words = [self.words[row] for row in rows.tolist()]
        if self.cache is not None:
            self.cache.self_attention_cache.reorder_cache(rows)

    def _read(self, reader: WordReader, ids: Tensor) -> Tensor:
        rows = []
        for place, tokens in enumerate(ids.tolist()):
            row = []
            for token in tokens:
                self.words[place], _ = reader.following(self.words[place], token)
                row.append(torch.from_numpy(reader.lexicon(self.words[place])))
            rows.append(torch.stack(row))
        return torch.stack(rows).to(ids.device)


@torch.no_grad()
def write(
    model: Sevlm,
    seen: Tensor,
    begin: Tensor,
    reader: WordReader | None,
    config: GenerationConfig,
    cached: bool = True,
) -> list[list[int]]:
    """What follows `begin`, int64 [N, t], beside images `seen` [N, P, W]: tokens until one that is special,
    without it, at most `config.tokens`. The model should be in eval mode."""
    if config.kind == "beam":
        return _beam(model, seen, begin, reader, config, cached)
    writer, stops = Writer(model, seen, reader, cached), _stops(model, seen.device)
    generator = torch.Generator().manual_seed(config.seed)
    logits = writer.feed(begin)
    done = torch.zeros(len(seen), dtype=torch.bool, device=seen.device)
    written: list[Tensor] = []
    for number in range(config.tokens):
        token = logits.argmax(1) if config.kind == "greedy" else _nucleus(logits, config, generator)
        token = token.masked_fill(done, model.vocabulary.pad)
        done |= torch.isin(token, stops)
        written.append(token)
        if done.all() or number + 1 == config.tokens:
            break
        logits = writer.feed(token[:, None])
    return [_until(row, model.vocabulary.specials) for row in torch.stack(written, dim=1).tolist()]


def nucleus(logits: Tensor, top_p: float, temperature: float) -> Tensor:
    """Probabilities [N, V] of the fewest likeliest tokens of mass top_p or more (Holtzman et al. 2020)."""
    shares, order = (logits / temperature).softmax(1).sort(1, descending=True)
    shares = shares.masked_fill(shares.cumsum(1) - shares >= top_p, 0)
    kept = torch.zeros_like(shares).scatter_(1, order, shares)
    return kept / kept.sum(1, keepdim=True)


def _nucleus(logits: Tensor, config: GenerationConfig, generator: torch.Generator) -> Tensor:
    shares = nucleus(logits, config.top_p, config.temperature)
    return torch.multinomial(shares.cpu(), 1, generator=generator)[:, 0].to(logits.device)


def _beam(
    model: Sevlm,
    seen: Tensor,
    begin: Tensor,
    reader: WordReader | None,
    config: GenerationConfig,
    cached: bool,
) -> list[list[int]]:
    """A sentence that has ended keeps its place in the beam, with the score it ended with."""
    count, beams, pad = len(seen), config.beams, model.vocabulary.pad
    writer = Writer(model, seen.repeat_interleave(beams, 0), reader, cached)
    stops = _stops(model, seen.device)
    log_p = writer.feed(begin.repeat_interleave(beams, 0)).log_softmax(1)
    scores = torch.full((count, beams), -torch.inf, device=seen.device)
    scores[:, 0] = 0  # at first all are alike
    done = torch.zeros(count * beams, dtype=torch.bool, device=seen.device)
    lengths = torch.zeros(count * beams, device=seen.device)
    written = torch.zeros(count * beams, 0, dtype=torch.int64, device=seen.device)
    first = (torch.arange(count, device=seen.device) * beams)[:, None]
    for number in range(config.tokens):
        log_p[done] = -torch.inf
        log_p[done, pad] = 0
        scores, best = (scores[..., None] + log_p.view(count, beams, -1)).flatten(1).topk(beams)
        rows, token = (first + best // log_p.shape[1]).flatten(), (best % log_p.shape[1]).flatten()
        lengths = lengths[rows] + ~done[rows]
        written = torch.cat([written[rows], token[:, None]], dim=1)
        done = done[rows] | torch.isin(token, stops)
        if done.all() or number + 1 == config.tokens:
            break
        writer.take(rows)
        log_p = writer.feed(token[:, None]).log_softmax(1)
    winners = first[:, 0] + (scores / lengths.view(count, beams) ** config.length_penalty).argmax(1)
    return [_until(row, model.vocabulary.specials) for row in written[winners].tolist()]


def _stops(model: Sevlm, device: torch.device) -> Tensor:
    return torch.tensor(model.vocabulary.specials, device=device)


def _until(tokens: Sequence[int], stops: Sequence[int]) -> list[int]:
    end = next((place for place, token in enumerate(tokens) if token in stops), len(tokens))
    return list(tokens[:end])
