"""Which pictures there are: labels, splits, and the flaws that were asked for, fixed before any is drawn."""

from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import Field, model_validator

from ...foundation.config import Config
from ...foundation.errors import UserError
from .attributes import AttributeShares
from .cues import EMOTION_SHARES, EMOTIONS, CueStrengths

SPLITS = {"train": 0.8, "val": 0.05, "test": 0.15}
FLAWS = ("label_noise", "exact_duplicates", "near_duplicates", "leaks", "broken_files")
BROKEN_KINDS = ("truncated", "zero_bytes", "wrong_extension")


class SynthesizeConfig(Config):
    """The built-in dataset: how much to draw, how hard to make it, and which flaws to plant."""

    out: Path = Field(description="folder to write to; created, or an earlier built-in dataset")
    layout: Literal["emoset", "artemis"] = Field(
        default="emoset", description="emoset: one emotion a picture; artemis: what annotators felt, and why"
    )
    annotators: int = Field(default=6, ge=5, le=40, description="artemis: answers to each picture")
    images: int = Field(default=4000, ge=8, description="how many, all splits together")
    seed: int = Field(default=0, ge=0, description="another seed draws another dataset")
    size: int = Field(default=192, ge=48, le=1024, description="longer side in pixels")
    quality: int = Field(default=90, ge=10, le=95, description="JPEG quality")
    workers: int = Field(
        default=-1, ge=-1, description="processes; -1 is one a core, 0 draws in this process"
    )
    cues: CueStrengths = CueStrengths()
    attributes: AttributeShares = AttributeShares()
    grading: float = Field(
        default=1.0, ge=0, le=1, description="how freely exposure, saturation and tint vary"
    )
    label_noise: float = Field(
        default=0.0, ge=0, le=0.9, description="share with a wrong label; truth.json keeps the true one"
    )
    exact_duplicates: float = Field(
        default=0.0, ge=0, le=0.4, description="share that is a copy within its split, byte by byte"
    )
    near_duplicates: float = Field(
        default=0.0, ge=0, le=0.4, description="share that is an altered copy within its split"
    )
    leaks: float = Field(
        default=0.0, ge=0, le=0.15, description="share that is a copy, in val or test, of a training picture"
    )
    broken_files: float = Field(
        default=0.0, ge=0, le=0.4, description="share of files cut off, empty or misnamed"
    )

    @model_validator(mode="after")
    def _flaws_are_planted_in_one_layout(self) -> "SynthesizeConfig":
        asked = [name for name in FLAWS if getattr(self, name)]
        if self.layout == "artemis" and asked:
            raise ValueError(f"layout=artemis has no {asked[0]}: flaws are planted with layout=emoset only")
        return self

    def recipe(self) -> dict[str, Any]:
        """All that decides what is drawn: not where it lies, nor how many drew it, nor another layout's."""
        lacks = {"layout", "annotators"} if self.layout == "emoset" else {"attributes", *FLAWS}
        return self.model_dump(mode="json", exclude={"out", "workers", *lacks})


@dataclass(frozen=True, slots=True)
class Slot:
    """One image file to be written."""

    number: int
    identifier: str  # amusement_00001: the label and a running number
    label: str  # what the dataset says
    emotion: str  # what the picture was drawn for
    split: str
    seed: str
    copy_of: str | None = None  # identifier of the original
    copy: str | None = None  # "exact" | "near"
    planted: str | None = None  # "exact_duplicate" | "near_duplicate" | "leak"
    broken: str | None = None

    @property
    def image_path(self) -> str:
        return f"image/{self.label}/{self.identifier}.jpg"

    @property
    def annotation_path(self) -> str:
        return f"annotation/{self.label}/{self.identifier}.json"


def shares_to_counts(total: int, shares: list[float]) -> list[int]:
    """Whole numbers that add up to `total`, as close to `shares` as can be (largest remainders)."""
    scale = total / sum(shares)
    counts = [int(share * scale) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (counts[i] - shares[i] * scale, i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


@dataclass(slots=True)
class _Draft:
    """A slot in the making."""

    number: int
    emotion: str
    label: str
    split: str
    seed: str
    source: int | None = None
    copy: str | None = None
    planted: str | None = None
    broken: str | None = None


def make_plan(config: SynthesizeConfig) -> list[Slot]:
    """Every file of the dataset, in a fixed order. Flaws never overlap, so that each can be scored alone."""
    rng = Random(f"plan/{config.seed}")
    drafts: list[_Draft] = []
    for emotion, count in zip(EMOTIONS, shares_to_counts(config.images, list(EMOTION_SHARES))):
        counts = shares_to_counts(count, list(SPLITS.values()))
        splits = [split for split, n in zip(SPLITS, counts) for _ in range(n)]
        rng.shuffle(splits)
        for split in splits:
            number = len(drafts)
            drafts.append(_Draft(number, emotion, emotion, split, f"{config.seed}/{number}"))
    free = rng.sample(drafts, len(drafts))  # those without a flaw, in random order
    for name, planted in (
        ("leaks", "leak"),
        ("exact_duplicates", "exact_duplicate"),
        ("near_duplicates", "near_duplicate"),
    ):
        free = _plant_copies(config, name, planted, free)
    kinds = cycle(BROKEN_KINDS)
    broken, free = _take(config, "broken_files", free)
    for draft in broken:
        draft.broken = next(kinds)
    wrong, free = _take(config, "label_noise", free)
    for draft in wrong:
        draft.label = rng.choice([emotion for emotion in EMOTIONS if emotion != draft.emotion])
    return _name(drafts)


def _wanted(config: SynthesizeConfig, name: str) -> int:
    return round(getattr(config, name) * config.images)


def _refuse(config: SynthesizeConfig, name: str, left: int) -> UserError:
    return UserError(
        f"{name}={getattr(config, name)} asks for {_wanted(config, name)} of {config.images} images, "
        f"but only {left} are left for it: ask for fewer flaws, or for more images"
    )


def _take(config: SynthesizeConfig, name: str, free: list[_Draft]) -> tuple[list[_Draft], list[_Draft]]:
    """The drafts that get the flaw `name`, and those that are left."""
    wanted = _wanted(config, name)
    if wanted > len(free):
        raise _refuse(config, name, len(free))
    return free[:wanted], free[wanted:]


def _plant_copies(config: SynthesizeConfig, name: str, planted: str, free: list[_Draft]) -> list[_Draft]:
    """Make some drafts copies of others of the same emotion; returns those that are neither."""
    wanted, used = _wanted(config, name), set[int]()
    pairs: list[tuple[_Draft, _Draft]] = []
    for draft in free:
        if len(pairs) == wanted:
            break
        if draft.number in used or (planted == "leak" and draft.split == "train"):
            continue
        home = ("train" if planted == "leak" else draft.split, draft.emotion)
        for original in free:
            if original.number not in used | {draft.number} and (original.split, original.emotion) == home:
                pairs.append((draft, original))
                used |= {draft.number, original.number}
                break
    if len(pairs) < wanted:
        raise _refuse(config, name, len(pairs))
    for order, (draft, original) in enumerate(pairs):
        draft.seed, draft.source, draft.planted = original.seed, original.number, planted
        draft.copy = {"exact_duplicate": "exact", "near_duplicate": "near"}.get(
            planted, ("exact", "near")[order % 2]
        )
    return [draft for draft in free if draft.number not in used]


def _name(drafts: list[_Draft]) -> list[Slot]:
    """Number the files of each label, from 1, and name the originals of copies."""
    running: Counter[str] = Counter()
    names = []
    for draft in drafts:
        running[draft.label] += 1
        names.append(f"{draft.label}_{running[draft.label]:05d}")
    return [
        Slot(
            number=draft.number,
            identifier=name,
            label=draft.label,
            emotion=draft.emotion,
            split=draft.split,
            seed=draft.seed,
            copy_of=None if draft.source is None else names[draft.source],
            copy=draft.copy,
            planted=draft.planted,
            broken=draft.broken,
        )
        for draft, name in zip(drafts, names)
    ]
