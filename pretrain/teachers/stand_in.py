"""`stand-in`: a small CLIP of open_clip's own architecture, trained on this dataset's own sentences.

It is not OpenAI CLIP and knows nothing beyond the train split: it exists so that the whole of UniEmoX can run
where no CLIP weights can be had. Architecture, tokenizer and temperature are open_clip's; what differs from
CLIP's recipe (all our choice): the size; word vectors that stay as drawn (a few thousand sentences cannot
train 49,408); a loss that knows of repeated sentences (`contrast.py`); and what a batch compares its images
with: their whole sentences, or every single statement made in them, or their first statements, by chance. So
a statement alone ("The overall emotion conveyed is awe.") is understood as well, and the first, which is the
emotion unless the style is `faithful`, best. A text is right for every image whose sentence makes all of its
statements.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...datasets.stream import ShardSet
from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ...training import OptimizerConfig, ScheduleConfig, Task, Trainer, TrainerConfig, World
from .contrast import multi_positive_contrast
from .open_clip import ClipTeacher
from .options import StandInOptions, TeacherOptions
from .reading import Sentence, cache_key, chosen, read_pairs
from .storage import read_fitted, save_fitted

NAME = "stand-in: a small CLIP trained on this dataset's own sentences; not OpenAI CLIP"
FORMAT = 1  # part of the cache key: raise it when what is trained changes
MARGIN = 1.15  # images are held a little larger than the input, to crop at random
VISION: dict[str, Any] = {"layers": [1, 1, 1, 1], "width": 16, "head_width": 32}
TEXT: dict[str, Any] = {"width": 128, "heads": 4, "layers": 2}
WIDTH = 128
TEXTS = {"whole": 0.2, "statements": 0.2, "first": 0.6}  # what a batch compares images with: chances
MAX_SCALE = math.log(100)


def build_stand_in(options: StandInOptions) -> open_clip.CLIP:
    """The untrained model, drawn from `options.seed` without touching the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = open_clip.CLIP(
            WIDTH,
            open_clip.CLIPVisionCfg(**VISION, image_size=options.image_size),
            open_clip.CLIPTextCfg(**TEXT),
        )
    model.token_embedding.requires_grad_(False)
    return model


def statements(sentence: str) -> list[str]:
    """The single statements of a sentence as `vemo.pretrain.sentences` builds it."""
    parts = sentence.split(". ")
    return [part if part.endswith(".") or part is parts[-1] else part + "." for part in parts]


class Pictures:
    """The train split in memory: images uint8 [N, 3, S, S] and their sentences. A `BatchSource`.

    Order, crops, flips and what texts are made of are functions of (seed, place in the run) alone, so a
    resumed run sees what an unbroken one would. Rank r of w takes the r-th part of each global batch.
    """

    def __init__(
        self,
        images: Tensor,
        sentences: list[str],
        size: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ):
        self.images, self.sentences, self.size = images, sentences, size
        self.batch_size = min(batch_size, len(sentences)) // world * world
        self.samples_per_epoch = len(sentences) // self.batch_size * self.batch_size
        self.seed, self.rank, self.world = seed, rank, world

    def batches(self, start: int) -> Iterator[dict[str, Any]]:
        """Endless batches from global sample position `start`, a multiple of the batch size."""
        part = self.batch_size // self.world
        for position in itertools.count(start, self.batch_size):
            epoch, offset = divmod(position, self.samples_per_epoch)
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.sentences))
            rows = order[offset : offset + self.batch_size]
            # Chances are drawn for the global batch, so they do not depend on how many processes share it.
            generator = np.random.default_rng([self.seed, position])
            corners = generator.integers(0, self.images.shape[-1] - self.size + 1, (len(rows), 2))
            flips = generator.random(len(rows)) < 0.5
            kind = generator.choice(list(TEXTS), p=list(TEXTS.values()))
            mine = slice(self.rank * part, (self.rank + 1) * part)
            sentences = [self.sentences[row] for row in rows[mine]]
            images = [
                self.images[row, :, top : top + self.size, left : left + self.size].flip([-1] if flip else [])
                for row, (top, left), flip in zip(rows[mine], corners[mine], flips[mine])
            ]
            yield {
                "image": torch.stack(images),
                "sentence": sentences,
                "texts": texts_of(sentences, str(kind)),
            }


def texts_of(sentences: list[str], kind: str) -> list[str]:
    """The texts, each once, that images with these sentences are compared with; `kind` as in TEXTS."""
    if kind == "statements":
        parts = [part for sentence in sentences for part in statements(sentence)]
    else:
        parts = [statements(sentence)[0] for sentence in sentences] if kind == "first" else sentences
    return list(dict.fromkeys(parts))


class StandInTask(Task):
    """Contrastive training of the stand-in.

    batch: `image` uint8 [B, 3, S, S]; `sentence` a list of B; `texts` a list of any length, each once.
    """

    def __init__(self, model: open_clip.CLIP):
        super().__init__()
        self.model = model
        self.tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        images = (batch["image"].float() / 255 - self.mean) / self.std
        texts = batch["texts"]
        image_rows = self.model.encode_image(images, normalize=True)
        text_rows = encode_short(self.model, self.tokenizer(texts).to(images.device))
        positive = says(batch["sentence"], texts).to(images.device)
        scale = self.model.logit_scale.clamp(max=MAX_SCALE).exp()
        return {"loss": multi_positive_contrast(image_rows.float(), text_rows.float(), scale, positive)}


def encode_short(model: Any, tokens: Tensor) -> Tensor:
    """What `model.encode_text(tokens, normalize=True)` gives, without computing the padding.

    The mask is causal and the sentence's end is what is read, so tokens after the longest one change nothing;
    statements are a quarter as long as the context, and the text tower four times as fast.
    """
    length = int(tokens.argmax(dim=1).max()) + 1
    rows = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    rows = model.ln_final(model.transformer(rows, attn_mask=model.attn_mask[:length, :length]))
    ends = rows[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    return normalize(ends @ model.text_projection, dim=-1)


def says(sentences: list[str], texts: list[str]) -> Tensor:
    """bool [N, M]: sentence n makes every statement of text m."""
    made = [set(statements(sentence)) for sentence in sentences]
    asked = [set(statements(text)) for text in texts]
    return torch.tensor([[text <= sentence for text in asked] for sentence in made])


def load_stand_in(
    options: TeacherOptions, shards: ShardSet | None, cache: Path, sentence: Sentence, world: World
) -> ClipTeacher:
    """Train the stand-in on the train split, or take it from `cache`/stand-in-KEY where that was done before.

    KEY stands for the shards, the sentences and `options.stand_in`. Killed in between, a rerun goes on from
    the trainer's last checkpoint. Raises UserError without shards or where no sample has a sentence.
    """
    if shards is None:
        raise UserError("teacher stand-in: it is trained on a shard set's sentences; give one")
    own = options.stand_in
    facts = {"format": FORMAT, "vision": VISION, "text": TEXT, "width": WIDTH, "options": own.model_dump()}
    folder = cache / f"stand-in-{cache_key(shards, sentence, facts)}"
    if (fitted := world.on_main(lambda: read_fitted(folder))) is None:
        _train(folder, own, shards, sentence, world, facts)
        fitted = world.on_main(lambda: read_fitted(folder))
    assert fitted is not None
    state_dict, facts = fitted
    model = build_stand_in(own)
    model.load_state_dict(state_dict)
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    return ClipTeacher(
        model.eval(), tokenizer, name=NAME, description={"kind": "stand-in", **facts}, options=options
    )


def _train(
    folder: Path,
    options: StandInOptions,
    shards: ShardSet,
    sentence: Sentence,
    world: World,
    facts: dict[str, Any],
) -> None:
    pictures = _read(shards, options, sentence, world)
    task = StandInTask(build_stand_in(options))
    config = TrainerConfig(
        epochs=options.epochs,
        batch_size=pictures.batch_size,
        seed=options.seed,
        optimizer=OptimizerConfig(lr=options.lr, weight_decay=0.1),
        schedule=ScheduleConfig(warmup_epochs=min(2, options.epochs / 10)),
        checkpoint_every=max(1, options.epochs // 8) * (pictures.samples_per_epoch // pictures.batch_size),
        clip_norm=None,  # early gradients are large and would be cut: twice as slow to learn
        keep=1,
    )
    last = Trainer(task, pictures, config, folder / "teacher", facts, world=world).fit()
    if world.is_main:
        task.model.logit_scale.data.clamp_(max=MAX_SCALE)
        trained = {"images": len(pictures.sentences), **last["metrics"]}
        save_fitted(folder, task.model.state_dict(), {**facts, "trained": trained})


def _read(shards: ShardSet, options: StandInOptions, sentence: Sentence, world: World) -> Pictures:
    indices = chosen(shards, options.max_images)
    batches = read_pairs(shards, indices, round(options.image_size * MARGIN), sentence)
    images, sentences = [], []
    with Progress("teacher: reading", len(indices), enabled=world.is_main) as progress:
        for pairs in batches:
            images.append(pairs.images)
            sentences += pairs.sentences
            progress.update(len(pairs.sentences))
    if len(sentences) < 2 * world.size:
        raise UserError(
            f"{shards.folder}: too few samples have a sentence; no stand-in can be trained on them"
        )
    return Pictures(
        torch.cat(images),
        sentences,
        options.image_size,
        options.batch_size,
        options.seed,
        world.rank,
        world.size,
    )
