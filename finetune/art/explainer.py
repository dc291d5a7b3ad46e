"""A finished run made usable: images in, emotions and explanations out."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...foundation.config import load_config
from ...foundation.errors import UserError
from ...zoo import load_encoder
from ...zoo.release import read_tensors
from ..outcome import ABOUT, WEIGHTS
from .config import ArtConfig, GenerationConfig
from .explain import emotion_log_probabilities, explain
from .lexicon import read_lexicon
from .model import Sevlm
from .sequences import WordReader
from .task import ArtTask
from .vision import Look, Vision
from .vocabulary import Vocabulary

VOCABULARY = "vocabulary.json"


class Explainer:
    """What a run learnt; see `load_explainer`.

    Attributes:
        look: a stream view that makes images as the model wants them. space: the label space of the emotions.
        emotions: the names of its classes.
    """

    def __init__(
        self, task: ArtTask, look: Look, reader: WordReader | None, config: GenerationConfig, space: str
    ) -> None:
        self.task, self.look, self.reader, self.config = task.eval(), look, reader, config
        self.space, self.emotions = space, task.model.vocabulary.emotions

    def check(self, emotion: str) -> None:
        """Raises UserError for an emotion that is none of the classes."""
        if emotion not in self.emotions:
            raise UserError(f"no emotion {emotion!r}; there are {', '.join(self.emotions)}")

    @torch.no_grad()
    def __call__(
        self, images: Tensor, emotion: str | None = None, write: bool = True
    ) -> list[dict[str, Any]]:
        """uint8 [B, 3, S, S] → for each {"emotion", "explanation", "distribution": name → probability}.

        emotion: explain this one instead of the likeliest (see `check`). write: False leaves explanations
        empty, which saves most of the time.
        """
        if emotion is not None:
            self.check(emotion)
        seen = self.task.seen({"image": images})
        log_p = emotion_log_probabilities(self.task.model, seen)
        chosen = log_p.argmax(1)
        if emotion is not None:
            chosen = torch.full_like(chosen, self.emotions.index(emotion))
        texts = (
            explain(self.task.model, seen, chosen, self.reader, self.config) if write else [""] * len(images)
        )
        return [
            {
                "emotion": self.emotions[number],
                "explanation": text,
                "distribution": dict(zip(self.emotions, row)),
            }
            for number, text, row in zip(chosen.tolist(), texts, log_p.exp().tolist())
        ]


def load_explainer(run: Path, lexicon: Path | None = None) -> Explainer:
    """The model of a finished run's folder (or of the `model/` in it), on the CPU.

    lexicon: where the list of words lies that it was trained with, if not where it lay. The encoder's own
    folder or file must still be there: its architecture is read from it (with `patches`, its weights too).
    Raises UserError: no finished run, a damaged file, another lexicon.
    """
    run = run.parent if (run / ABOUT).is_file() else run
    folder = run / "model"
    if not (folder / ABOUT).is_file():
        raise UserError(f"{run}: no finished run of kind: art (no model/{ABOUT})")
    config = load_config(ArtConfig, run / "finetune.yaml")
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    vocabulary = Vocabulary(
        (folder / VOCABULARY).read_text(encoding="utf-8"), label_space(config.space).names
    )
    reader, vad = None, config.model.vad
    if vad is not None:
        words = read_lexicon(vad.lexicon.model_copy(update={"path": lexicon or vad.lexicon.path}))
        if words.sha256 != (trained := about["model"]["vad"]["lexicon"]["sha256"]):
            raise UserError(
                f"{lexicon or vad.lexicon.path}: not the lexicon that the model was trained with "
                f"(sha256 {words.sha256}, not {trained})"
            )
        reader = WordReader(vocabulary, words, vad.level)
    weights = read_tensors(folder / WEIGHTS, about["weights_sha256"])
    whole = config.patches is None
    encoder = load_encoder(config.encoder, random=whole or config.random, image_size=config.image_size)
    vision = Vision(encoder, pixels=config.pixels)
    decoder = config.model.decoder.model_copy(update={"weights": None})
    sizes = config.model.model_copy(update={"decoder": decoder, "released": None})
    model = Sevlm(sizes, vocabulary, vision.width)
    task = ArtTask(vision, model)
    (task if whole else model).load_state_dict(
        weights if whole else {name.removeprefix("model."): value for name, value in weights.items()}
    )
    look = Look(encoder.image_size, config.pixels)
    return Explainer(task, look, reader, config.evaluation.generation, config.space)
