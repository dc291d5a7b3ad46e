"""The built-in paintings: a dataset drawn in ArtEmis' native layout, several annotators to a picture.

    artemis_preprocessed.csv        a line an answer: what one annotator felt, and why
    wikiart/<style>/<painting>.jpg  the pictures

and beside it `truth.json` (what every picture shows) and `info.json` (so that nothing drawn passes for
ArtEmis). `configs/datasets/artemis.yaml` reads it like the real one.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from ...foundation.files import write_atomically, write_json
from . import files
from .annotators import POOL, answer, draw_annotators, sights
from .cues import EMOTION_SHARES, EMOTIONS
from .picture import paint
from .plan import SynthesizeConfig, shares_to_counts
from .report import SynthesizeReport
from .story import tell_story
from .styles import STYLES
from .wording import REASONS

TABLE, FOLDER = "artemis_preprocessed.csv", "wikiart"
SPLITS = {"train": 0.85, "val": 0.05, "test": 0.10}  # as ArtEmis' own
FEELINGS = tuple(REASONS)  # the label space artemis9, in its order
COLUMNS = (
    "art_style", "painting", "emotion", "utterance", "repetition", "split", "utterance_spelled",
    "emotion_label", "workerid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Painting:
    """One picture to be drawn, and answered to."""

    number: int
    emotion: str  # what it is drawn for
    split: str

    @property
    def name(self) -> str:
        return f"built-in_painting-{self.number:05d}"


def plan_paintings(config: SynthesizeConfig) -> list[Painting]:
    """Every painting; each emotion has the same splits."""
    rng = Random(f"paintings/{config.seed}")
    kinds: list[tuple[str, str]] = []
    for emotion, count in zip(EMOTIONS, shares_to_counts(config.images, list(EMOTION_SHARES))):
        for split, few in zip(SPLITS, shares_to_counts(count, list(SPLITS.values()))):
            kinds += [(emotion, split)] * few
    rng.shuffle(kinds)
    return [Painting(number, *kind) for number, kind in enumerate(kinds)]


def make_folders(config: SynthesizeConfig) -> None:
    """The folders that pictures are written to."""
    for style in STYLES:
        (config.out / FOLDER / style).mkdir(parents=True)


def draw_painting(config: SynthesizeConfig, painting: Painting) -> dict[str, Any]:
    """Draw one painting, write it, and return its style, what it shows, and all answers to it."""
    story = tell_story(f"artemis/{config.seed}/{painting.number}", painting.emotion, config.cues)
    picture = paint(story, config.size, config.grading)
    data = files.encode(picture.image, config.quality)
    (config.out / FOLDER / story.style / f"{painting.name}.jpg").write_bytes(data)
    seen = sights(story, picture, files.decode(data))
    rng = Random(f"answers/{config.seed}/{painting.number}")
    chosen = rng.sample(draw_annotators(config.seed), min(config.annotators, POOL))
    answers = [(each.name, *answer(rng, each, seen)) for each in chosen]
    return {"style": story.style, "facts": story.facts(), "people": len(picture.people), "answers": answers}


def write_tables(
    config: SynthesizeConfig, plan: list[Painting], results: list[dict[str, Any]]
) -> SynthesizeReport:
    """The table of answers, what is true of every picture, and how many there are of what."""
    felt: Counter[str] = Counter()
    lines = []
    for painting, result in zip(plan, results):
        for worker, emotion, text in result["answers"]:
            felt[emotion] += 1
            label, repetition = FEELINGS.index(emotion), len(result["answers"])
            said = (emotion, text, repetition, painting.split, text, label, worker)
            lines.append((result["style"], painting.name, *said))
    with write_atomically(config.out / TABLE) as stream:
        stream.write(_csv([COLUMNS, *lines]))
    truth = {
        f"{FOLDER}/{result['style']}/{painting.name}.jpg": {"split": painting.split, **result["facts"]}
        for painting, result in zip(plan, results)
    }
    write_json(config.out / "truth.json", {"format": 1, "images": truth})
    write_json(config.out / "info.json", {"dataset": "vemo-built-in-art", "licence": "Apache-2.0"})
    return SynthesizeReport(
        images=len(plan),
        splits={split: sum(painting.split == split for painting in plan) for split in SPLITS},
        emotions={emotion: felt[emotion] for emotion in FEELINGS},
        styles=dict(sorted(Counter(result["style"] for result in results).items())),
        with_persons=sum(bool(result["people"]) for result in results),
        with_attribute={},
        planted={},
        answers=len(lines),
    )


def _csv(lines: list[tuple[Any, ...]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue().encode()
