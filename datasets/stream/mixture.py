"""Several local shard sets in one training stream, in stated shares.

An epoch of a mixture is so many samples, of which every set has its share to the sample. Sets take turns in
a fixed pattern that is as even as whole samples allow (`order.interleave`), so every global batch, and every
rank's part of it, has about the shares of the whole. Each set is gone through in permutations of its own,
without regard to the mixture's epochs: none of its samples comes again before all of them have come.
All this is a function of (seed, position), as in `TrainStream`.
"""

import bisect
import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from ...foundation.errors import UserError
from .decode import fast_packages
from .order import apportion, set_seed
from .selection import SelectionConfig, drawn, selected
from .shardset import ShardSet
from .stream import (
    LoadingConfig,
    LocalStream,
    SetSamples,
    ShardSetConfig,
    StreamConfig,
    View,
    check_batch,
    open_shardset,
)
from .turns import Turns


def _local(value: Any) -> Any:
    if isinstance(value, str) and "://" in value:
        raise ValueError("mixtures need local shard sets (their order needs an index)")
    return value


class MixtureSet(ShardSetConfig):
    """One set of a mixture."""

    shards: Annotated[Path, BeforeValidator(_local)] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        description="folder of a shard set (what `vemo shards build` wrote)"
    )
    weight: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="share of the samples, relative to the other sets'"
    )
    cap: int | None = Field(
        None,
        ge=1,
        description="without weights: the set counts for no more than so many samples, of which "
        "the next ones come in the next epoch",
    )


class MixtureConfig(LoadingConfig):
    """Several shard sets in one run: name → set. `set` in batches is a set's place in this order, from 0."""

    mixture: dict[str, MixtureSet] = Field(
        description="the sets by name; weights on all of them, or on none: by size"
    )
    temperature: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="without weights: a set of n samples has a share as n^(1/temperature); 2: as the root",
    )
    samples_per_epoch: int | None = Field(
        None, ge=1, description="of all sets together, rounded down to whole batches; null: as many as exist"
    )

    @field_validator("mixture")
    @classmethod
    def _sets_with_weights_or_without(cls, sets: dict[str, MixtureSet]) -> dict[str, MixtureSet]:
        if not sets:
            raise ValueError("name at least one set")
        bare = [name for name, each in sets.items() if each.weight is None]
        if 0 < len(bare) < len(sets):
            raise ValueError(f"give every set a weight, or none; {', '.join(bare)} has none")
        if capped := [name for name, each in sets.items() if each.cap and each.weight is not None]:
            raise ValueError(
                f"{', '.join(capped)}: weight and cap both say how much of a set is seen: keep one"
            )
        return sets

    @model_validator(mode="after")
    def _one_rule_of_shares(self) -> "MixtureConfig":
        if self.temperature != 1 and all(each.weight is not None for each in self.mixture.values()):
            raise ValueError("temperature does nothing beside weights: keep one of the two")
        return self


def _form(data: Any) -> str:
    is_mixture = "mixture" in data if isinstance(data, dict) else isinstance(data, MixtureConfig)
    return "[mixture]" if is_mixture else "[shards]"  # in brackets: no keys, to those who explain mistakes


DataConfig = Annotated[
    Annotated[StreamConfig, Tag("[shards]")] | Annotated[MixtureConfig, Tag("[mixture]")],
    Discriminator(_form),
]
"""The `data` section of a run: one set (`shards: …`), or several (`mixture: …`)."""


def sets_of(config: DataConfig) -> list[ShardSetConfig]:
    """The one set of a run, or those of its mixture."""
    return list(config.mixture.values()) if isinstance(config, MixtureConfig) else [config]


@dataclass(frozen=True)
class Part:
    """An open set of a mixture; `share` of 1 is all of the mixture's samples."""

    name: str
    shards: ShardSet
    split: str
    share: Fraction
    select: SelectionConfig | None = None

    @property
    def count(self) -> int:
        return self.shards.count(self.split)

    @property
    def numbers(self) -> np.ndarray:
        """Those in its split that are drawn, int64 [n]."""
        return selected(self.shards, self.split, self.select)


@dataclass(frozen=True)
class Mixture:
    """The open sets of a mixture, in the config's order, which numbers sets and samples.

    A sample's number is its number in its split plus the sizes of the sets before, whatever is selected.
    """

    parts: tuple[Part, ...]
    samples_per_epoch: int  # before it is rounded down to whole batches

    @cached_property
    def starts(self) -> list[int]:
        """The numbers of the sets' first samples."""
        return [0, *accumulate(part.count for part in self.parts[:-1])]

    def locate(self, index: int) -> tuple[int, int]:
        """(number of the set, number in its split) of sample `index` of the mixture: a batch's "index"."""
        number = bisect.bisect_right(self.starts, index) - 1
        return number, index - self.starts[number]

    @property
    def fingerprint(self) -> str:
        """sha256 over names, splits, shares, the size of an epoch, the sets' fingerprints and selections."""
        parts = [
            [part.name, part.split, str(part.share), part.shards.fingerprint]
            + ([part.select.model_dump(mode="json")] if part.select else [])
            for part in self.parts
        ]
        return hashlib.sha256(json.dumps([self.samples_per_epoch, parts]).encode()).hexdigest()

    def facts(self) -> dict[str, dict[str, Any]]:
        """Name → dataset, split, samples that are drawn, weight (a share of 1), licence, for descriptions."""
        return {
            part.name: {
                "dataset": part.shards.manifest.get("dataset"),
                "split": part.split,
                "samples": len(part.numbers),
                "weight": float(part.share),
                "licence": part.shards.manifest.get("licence"),
            }
            for part in self.parts
        }


def open_mixture(config: MixtureConfig) -> Mixture:
    """Open all sets. Raises UserError: as `ShardSet`, an unknown split, or one without samples."""
    sets = {name: open_shardset(each) for name, each in config.mixture.items()}
    counts = {name: sets[name].count(each.split) for name, each in config.mixture.items()}
    for name, count in counts.items():
        if count == 0:
            raise UserError(f"{sets[name].folder}: split {config.mixture[name].split!r} has no samples")
    counts = {
        name: len(selected(sets[name], each.split, each.select)) for name, each in config.mixture.items()
    }
    counts = {name: min(count, config.mixture[name].cap or count) for name, count in counts.items()}
    weights = [
        Fraction(each.weight or _tempered(counts[name], config.temperature))
        for name, each in config.mixture.items()
    ]
    parts = tuple(
        Part(name, sets[name], each.split, weight / sum(weights), each.select)
        for (name, each), weight in zip(config.mixture.items(), weights)
    )
    return Mixture(parts, config.samples_per_epoch or sum(counts.values()))


def _tempered(count: int, temperature: float) -> float:
    """count^(1/temperature), without the digits in which one machine's powers may differ from another's."""
    return count if temperature == 1 else float(f"{count ** (1 / temperature):.12g}")


class MixtureStream(LocalStream):
    """Endless training batches from a mixture; samples as in `TrainStream`, and `set` int64 [B].

    "index" numbers the samples of the whole mixture (see `Mixture.locate`), "set" the sets.

    Args: those of `TrainStream`, but for the mixture in place of a shard set and its split.

    Raises:
        UserError: fewer samples than one global batch, a global batch that does not divide, or a set whose
        share of an epoch is not one sample.
    """

    def __init__(
        self,
        mixture: Mixture,
        view: View,
        global_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        accumulation: int = 1,
        workers: int = 0,
        fast: bool = False,
    ) -> None:
        total = mixture.samples_per_epoch
        check_batch(global_batch, world, accumulation, total, "an epoch of the mixture")
        if fast:
            fast_packages()
        per_epoch = total // global_batch * global_batch
        samples = MixtureSamples(mixture, view, fast)
        super().__init__(samples, per_epoch, global_batch, rank, world, accumulation, workers)
        counts = apportion([part.share for part in mixture.parts], per_epoch)
        for part, count in zip(mixture.parts, counts):
            if count == 0:
                raise UserError(
                    f"{part.shards.folder}: {part.name} has {float(part.share):.2g} of the mixture, which is "
                    f"none of an epoch's {per_epoch} samples; raise its weight or samples_per_epoch"
                )
        sets = [
            drawn(part.shards, part.split, part.select, set_seed(seed, number), count, start)
            for number, (part, count, start) in enumerate(zip(mixture.parts, counts, mixture.starts))
        ]
        self._turns = Turns(sets, counts)

    def draw(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self._turns.at(np.arange(position, position + count))


class MixtureSamples:
    """The samples of a mixture, as a view gives them."""

    def __init__(self, mixture: Mixture, view: View, fast: bool) -> None:
        self.mixture = mixture
        self.sets = [SetSamples(part.shards, part.split, view, fast) for part in mixture.parts]

    def prepare(self, index: int, seed: int) -> dict[str, Any]:
        number, own = self.mixture.locate(index)
        return {**self.sets[number].prepare(own, seed), "index": index, "set": number}
