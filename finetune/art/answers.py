"""People's answers as samples of their own: an image, what one of them felt, and why; another beside it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ...datasets.stream import ShardSet, generator
from ...foundation.errors import UserError
from .sequences import SequenceBuilder
from .vocabulary import tidy

ANSWER = "answer"  # the key under which a record says which of its answers is meant


def answers_of(record: Mapping[str, Any], emotions: tuple[str, ...]) -> list[tuple[int, str]]:
    """(number of the emotion, explanation) of every caption that has both, in the record's order."""
    return [
        (emotions.index(caption["emotion"]), tidy(caption["text"]))
        for caption in record.get("captions") or ()
        if caption.get("emotion") in emotions and caption["text"].strip()
    ]


class AnswerSet:
    """A split seen answer by answer: what `TrainStream` asks of a shard set. Picklable.

    So an epoch is every answer once, in an order and with seeds that are functions of (seed, epoch) alone,
    however many workers there are. (The paper's code goes by images, and takes the last answer every time.)

    Args:
        numbers: int64 [n], which samples of the split. several: only images of which several emotions are
            said.

    Raises:
        UserError: there is no answer.
    """

    def __init__(
        self, shards: ShardSet, split: str, numbers: np.ndarray, emotions: tuple[str, ...], several: bool
    ) -> None:
        self.shards, self.split, self.folder = shards, split, shards.folder
        images: list[int] = []
        places: list[int] = []
        for number in numbers.tolist():
            answers = answers_of(shards.record(split, number), emotions)
            if several and len({emotion for emotion, _ in answers}) < 2:
                continue
            images += [number] * len(answers)
            places += range(len(answers))
        self.images, self.places = np.array(images, np.int64), np.array(places, np.int64)
        if not images:
            wanted = "several emotions with explanations" if several else "an emotion with an explanation"
            raise UserError(
                f"{shards.folder}: no sample of split {split!r} has captions with {wanted}; kind: art learns "
                "from ArtEmis and its like (configs/datasets/artemis.yaml)"
            )

    def count(self, split: str) -> int:
        """How many answers there are."""
        return len(self.images)

    def read(self, split: str, index: int) -> tuple[dict[str, Any], bytes]:
        """(record with the answer's place under "answer", image bytes) of answer `index`."""
        record, data = self.shards.read(split, int(self.images[index]))
        return {**record, ANSWER: int(self.places[index])}, data

    def shard_of(self, split: str, index: int) -> str:
        return self.shards.shard_of(split, int(self.images[index]))


@dataclass(frozen=True)
class AnswerView:
    """A stream view → what `look` gives of the image, and of S answers ids, kind [S, L], emotion, there [S]
    (see `Sevlm`), with words' values vad, vad_target [S, L, 4].

    The first answer is the one that is meant; pair: the second is drawn among those of another emotion, and
    is not there where nobody felt another.
    """

    look: Callable[[Callable[[], Tensor], dict[str, Any], int], dict[str, Any]]
    builder: SequenceBuilder
    pair: bool

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        answers = answers_of(record, self.builder.vocabulary.emotions)
        chosen = [answers[record[ANSWER]]]
        there = [True]
        if self.pair:
            others = [answer for answer in answers if answer[0] != chosen[0][0]]
            there.append(bool(others))
            chosen.append(others[int(generator(seed).integers(len(others)))] if others else chosen[0])
        rows = [self.builder(*answer) for answer in chosen]
        stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        emotion = np.array([emotion for emotion, _ in chosen], np.int64)
        shown = self.look(image_loader, record, seed)
        return {**shown, **stacked, "emotion": emotion, "there": np.array(there)}


def texts_of(records: Iterable[Mapping[str, Any]], emotions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(emotion, explanation) of every answer."""
    for record in records:
        for emotion, text in answers_of(record, emotions):
            yield emotions[emotion], text
