"""What a model says of a split: emotions, explanations, their scores, and a file to read them in."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...datasets.stream import ShardSet
from ...evaluation.captions import TextEmotions, caption_scores, learn_emotions, strong_majority
from ...evaluation.features import group_of
from ...evaluation.predictions import Predictions
from ...evaluation.scoring import flat_scores
from ...foundation.files import write_atomically
from ...training import World
from .answers import answers_of
from .config import GenerationConfig
from .explain import emotion_log_probabilities, explain, tell
from .sequences import WordReader
from .task import ArtTask


@dataclass(frozen=True)
class Told:
    """Of N images of a split that people described, in its order.

    emotions: a distribution over the classes beside the shares of the answers. said: int64 [N], the emotion
    that was written, −1 for none that exists. texts: the explanations. references: what people wrote.
    """

    emotions: Predictions
    said: torch.Tensor
    texts: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    felt: tuple[tuple[int, ...], ...]

    def scores(self) -> dict[str, float]:
        """Of emotions: the distribution's, and `accuracy_strong`, the paper's, over the `strong` images (see
        `strong_majority`); of explanations: see `caption_scores`. {} without images."""
        if not self.texts:
            return {}
        accuracy, count = strong_majority(self.said, self.emotions.targets)
        strong = {} if accuracy is None else {"accuracy_strong": accuracy}
        return {
            **{f"emotion_{name}": value for name, value in flat_scores(self.emotions).items()},
            **strong,
            "strong": count / len(self.texts),
            **caption_scores(self.texts, self.references),
        }

    def alignment(self, reader: TextEmotions) -> dict[str, float]:
        """`alignment`: how often the explanation reads like the emotion that more than half of the answers
        name, over the `strong` images; `alignment_people`: the same of people's own answers of that emotion,
        which is about the most there is to get. {} without such an image."""
        said = reader(self.texts).argmax(1) if self.texts else torch.zeros(0, dtype=torch.int64)
        reached, _ = strong_majority(said, self.emotions.targets)
        if reached is None:
            return {}
        top, emotion = self.emotions.targets.double().max(1)
        own = [
            (text, int(emotion[place]))
            for place in (top > 0.5).nonzero()[:, 0].tolist()
            for text, felt in zip(self.references[place], self.felt[place])
            if felt == emotion[place]
        ]
        read = reader([text for text, _ in own]).argmax(1)
        right = (read == torch.tensor([felt for _, felt in own])).double().mean()
        return {"alignment": reached, "alignment_people": float(right)}


@torch.no_grad()
def tell_split(
    task: ArtTask,
    batches: Iterable[Mapping[str, Any]],
    world: World,
    shards: ShardSet,
    split: str,
    space: str,
    reader: WordReader | None,
    config: GenerationConfig,
) -> Told:
    """What the task, in eval mode, says of the images of `batches`; every process has to call it, with its
    part of them, and all get the same. Images that nobody described are left out."""
    rows: list[tuple[int, np.ndarray, int, str]] = []
    for batch in batches:
        moved = {
            key: value.to(world.device) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }
        seen = task.seen(moved)
        log_p = emotion_log_probabilities(task.model, seen)
        if config.emotion == "free":
            told = tell(task.model, seen, reader, config)
        else:
            best = log_p.argmax(1)
            told = list(zip(best.tolist(), explain(task.model, seen, best, reader, config)))
        index = batch["index"].tolist()
        rows += [(number, row, *each) for number, row, each in zip(index, log_p.float().cpu().numpy(), told)]
    every = sorted((row for part in world.gather(rows) for row in part), key=lambda row: row[0])
    emotions = task.model.vocabulary.emotions
    kept, records, answers = [], [], []
    for row in every:
        record = shards.record(split, row[0])
        if found := answers_of(record, emotions):
            kept.append(row)
            records.append(record)
            answers.append(found)
    shares = np.zeros((len(kept), len(emotions)), np.float32)
    for place, found in enumerate(answers):
        for emotion, _ in found:
            shares[place, emotion] += 1 / len(found)
    outputs = np.array([row[1] for row in kept], np.float32).reshape(shares.shape)
    predictions = Predictions(
        "distribution",
        space,
        emotions,
        tuple(record["id"] for record in records),
        tuple(group_of(record) for record in records),
        torch.from_numpy(outputs),
        torch.from_numpy(shares),
    )
    return Told(
        predictions,
        torch.tensor([row[2] for row in kept], dtype=torch.int64),
        tuple(row[3] for row in kept),
        tuple(tuple(text for _, text in found) for found in answers),
        tuple(tuple(emotion for emotion, _ in found) for found in answers),
    )


def emotion_reader(answers: Iterable[tuple[str, str]], emotions: tuple[str, ...]) -> TextEmotions:
    """What reads an explanation's emotion, learnt from people's (emotion, text)."""
    told = list(answers)
    return learn_emotions(
        [text for _, text in told], [emotions.index(name) for name, _ in told], len(emotions)
    )


def save_told(path: Path, told: Told) -> None:
    """One JSON line an image: id, emotion, its probability, explanation, and what people wrote."""
    names, probabilities = told.emotions.classes, told.emotions.said
    with write_atomically(path) as stream:
        for place, text in enumerate(told.texts):
            said = int(told.said[place])
            line = {
                "id": told.emotions.ids[place],
                "emotion": names[said] if said >= 0 else None,
                "probability": round(float(probabilities[place, said]), 4) if said >= 0 else None,
                "explanation": text,
                "people": told.references[place],
            }
            stream.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
