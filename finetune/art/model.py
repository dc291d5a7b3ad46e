"""SEVLM: GPT-2 that looks at an encoder's patches, reads words' values, and has heads for both."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...foundation.errors import UserError
from .config import ModelConfig
from .contrastive import Cosine, Scorer, candidates, contrastive_loss, pooled
from .decoder import build_decoder, new_cache
from .emotion_encoder import build_emotion_encoder
from .losses import IGNORED, explanation_parts, language_loss, next_tokens, vad_loss, vad_places
from .sequences import END, FIXED, LABEL
from .vocabulary import Vocabulary


class Sevlm(nn.Module):
    """Patches [N, P, image_width] and tokens [N, L] to the decoder's states [N, L, width], and its losses.

    Raises UserError: transformers is missing, or boundary=fixed6 with labels of more than two tokens.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, image_width: int) -> None:
        super().__init__()
        if config.boundary == "fixed6" and max(map(len, vocabulary.labels)) > 2:
            raise UserError(
                "boundary=fixed6 supposes labels of one or two tokens, as in GPT-2's vocabulary "
                "(vocabulary.gpt2)"
            )
        self.config, self.vocabulary = config, vocabulary
        self.released: Any = None  # what became of the authors' weights, if it starts from them
        decoder, vad = config.decoder, config.vad
        self.decoder = build_decoder(
            decoder, vocabulary, drop_embeddings=vad is None or vad.fusion == "residual_zero"
        )
        self.dropout = nn.Dropout(decoder.dropout)
        same = image_width == decoder.width
        self.project = nn.Identity() if same else nn.Linear(image_width, decoder.width)
        self.emotion_encoder = self.fusion = self.vad_head = self.scorer = None
        if vad is not None:
            positions = config.max_length + decoder.positions  # of a sentence that is written, too
            self.emotion_encoder = build_emotion_encoder(vad, positions, decoder.dropout)
            if vad.fusion == "residual_zero":
                self.fusion = nn.Linear(self.emotion_encoder.width, decoder.width, bias=False)
                nn.init.zeros_(self.fusion.weight)
            else:
                self.fusion = nn.Linear(decoder.width + self.emotion_encoder.width, decoder.width)
            self.vad_head = nn.Linear(decoder.width, 3)
        if config.contrastive is not None:
            score = Cosine if config.contrastive.score == "cosine" else Scorer
            self.scorer = score(image_width, decoder.width)

    @property
    def causal(self) -> bool:
        """Whether what was written never changes: keys and values can be kept while writing goes on."""
        return self.config.vad is None or self.config.vad.encoder == "causal"

    def embed(self, ids: Tensor, explaining: Tensor, values: Tensor | None, begin: int = 0) -> Tensor:
        """What GPT-2 adds its positions to: tokens, what they belong to, words' values, [N, L, W].

        ids int64 [N, L], of places from `begin` on; explaining bool [N, L]: from " because" on. values: float
        [N, begin + L, 4], of all places; None where none of `ids` is part of an explanation.
        """
        words: Any = self.decoder.wte
        # GPT-2's token types, which are rows of the same table.
        sort = torch.where(explaining, self.vocabulary.explanation, self.vocabulary.emotion)
        tokens = words(ids) + words(sort)
        if self.emotion_encoder is None or self.fusion is None or values is None:
            return tokens
        places = torch.arange(begin, begin + ids.shape[1], device=ids.device)
        joined = explaining if self.config.boundary == "mask" else (places >= FIXED).expand_as(explaining)
        read = self.emotion_encoder(values)[:, begin:]
        assert self.config.vad is not None
        if self.config.vad.fusion == "residual_zero":
            return tokens + self.fusion(read) * joined[..., None]
        # The paper joins after the positions, which GPT-2 is going to add: they are taken off again.
        positions: Any = self.decoder.wpe(places)
        tokens = self.dropout(tokens + positions)
        return torch.where(joined[..., None], self.fusion(torch.cat([tokens, read], -1)), tokens) - positions

    def states(
        self,
        embedded: Tensor,
        seen: Tensor | None,
        mask: Tensor | None = None,
        places: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """GPT-2's last states [N, L, W] of what `embed` gave.

        seen: [N, P, W] of `look`; None: without an image. mask: bool [N, L] of keys, or [N, 1, L, L]. places:
        int64 [1, L], where not 0, 1, … after the cache. cache: see `new_cache`; what is read is added to it.
        """
        # The cache is the second argument in every version of transformers 5, under two names.
        return self.decoder(
            None,
            cache,
            attention_mask=mask,
            position_ids=places,
            inputs_embeds=embedded,
            encoder_hidden_states=None if seen is None else seen.contiguous(),  # it takes views of it
            use_cache=cache is not None,
        ).last_hidden_state

    def new_cache(self) -> Any:
        """An empty one, for `states`."""
        return new_cache(self.decoder)

    def look(self, patches: Tensor) -> Tensor:
        """[N, P, image_width] → what cross-attention reads, [N, P, W]."""
        return self.project(patches)

    def logits(self, states: Tensor) -> Tensor:
        """[..., W] → [..., V]: by the table of tokens itself, as in GPT-2."""
        words: Any = self.decoder.wte
        return nn.functional.linear(states, words.weight)

    def forward(self, patches: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses: `loss`, and unweighted `language`, `vad`, `contrastive`, where they are asked for.

        patches [B, P, image_width]; of the batch, with S answers an image: ids, kind int64 [B, S, L], emotion
        int64 and there bool [B, S] (what is not there counts nothing), with words' values vad, vad_target
        float [B, S, L, 4].
        """
        slots = batch["ids"].shape[1]
        ids, kind, there = (batch[name].flatten(0, 1) for name in ("ids", "kind", "there"))
        vad, vad_target = (
            batch[name].flatten(0, 1) if name in batch else None for name in ("vad", "vad_target")
        )
        embedded = self.embed(ids, kind > LABEL, vad)
        seen = self.look(patches).repeat_interleave(slots, 0)
        states = self.states(embedded, seen, kind <= END)
        targets = next_tokens(ids, kind, self.config.prompt_loss)
        learnt = (targets != IGNORED) & there[:, None]
        parts = {"language": language_loss(self.logits(states[learnt]), targets[learnt])}
        loss = parts["language"]
        if self.vad_head is not None and self.config.vad is not None and vad_target is not None:
            places = vad_places(vad_target, kind, self.config.boundary) & there[:, None]
            parts["vad"] = vad_loss(self.vad_head(states), vad_target, places)
            loss = loss + self.config.vad.weight * parts["vad"]
        if self.scorer is not None and self.config.contrastive is not None:
            emotion = batch["emotion"].flatten()
            parts["contrastive"] = self._contrastive(patches, embedded, states, kind, emotion, there, slots)
            loss = loss + self.config.contrastive.weight * parts["contrastive"]
        return {"loss": loss, **parts}

    def _contrastive(
        self,
        patches: Tensor,
        embedded: Tensor,
        states: Tensor,
        kind: Tensor,
        emotion: Tensor,
        there: Tensor,
        slots: int,
    ) -> Tensor:
        config = self.config.contrastive
        assert config is not None and self.scorer is not None
        early, late = explanation_parts(kind, self.config.boundary)
        if config.source == "text_only":
            states = self.states(embedded, None, apart(early, late))
        others, counts = candidates(slots, emotion, there, config.negatives, config.distinct)
        shape = (*others.shape, -1)
        image = patches.mean(1).repeat_interleave(slots, 0)[:, None].expand(shape)
        # The prompt is the same in every sentence: its states would hide what little the label's differ by.
        label = kind == LABEL if self.config.boundary == "mask" else early
        scores = self.scorer(
            image, pooled(states, label)[:, None].expand(shape), pooled(states, late)[others]
        )
        return contrastive_loss(scores, counts, there)


def apart(early: Tensor, late: Tensor) -> Tensor:
    """A mask for `Sevlm.states`, bool [N, 1, L, L]: tokens see those before them in their own part only."""
    length = early.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=early.device).tril()
    same = (early[:, :, None] & early[:, None]) | (late[:, :, None] & late[:, None])
    itself = torch.eye(length, dtype=torch.bool, device=early.device)  # a row without any would be NaN
    return ((same & before) | itself)[:, None]
