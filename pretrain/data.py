"""What a run trains on: one shard set, a mixture of them, or a URL; and what can be said of it beforehand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.stream import (
    DataConfig,
    Mixture,
    MixtureConfig,
    ShardSet,
    StreamConfig,
    held_out,
    open_mixture,
    open_shardset,
    selected,
    sets_of,
)
from ..foundation.errors import UserError


@dataclass(frozen=True)
class TrainingData:
    """The open shard sets of a run, each with the split that is trained on; none where it reads a URL."""

    config: StreamConfig | MixtureConfig
    sets: tuple[tuple[ShardSet, str], ...] = ()
    mixture: Mixture | None = None

    @property
    def only(self) -> ShardSet | None:
        """The one shard set, where there is one."""
        return self.sets[0][0] if len(self.sets) == 1 else None

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record that is trained on, once. Raises UserError for a URL."""
        if not self.sets:
            raise UserError(f"{self.config.shards}: records can be counted in local shard sets only")  # pyright: ignore
        for (shards, split), each in zip(self.sets, sets_of(self.config)):
            for index in selected(shards, split, each.select).tolist():
                yield shards.record(split, index)

    def held_out(self) -> tuple[ShardSet, str, np.ndarray]:
        """The one shard set, its split, and the numbers of what `select.hold_out` leaves out of training.

        Raises UserError if that is nothing, or data is not one local shard set.
        """
        config = self.config
        if isinstance(config, MixtureConfig) or not self.sets or config.select is None:
            raise UserError("nothing is held out: set data.select.hold_out above 0 (of one local shard set)")
        shards, split = self.sets[0]
        numbers = held_out(shards, split, config.select)
        if len(numbers) == 0:
            raise UserError(
                f"{shards.folder}: data.select.hold_out holds out no group of split {split!r}; raise it"
            )
        return shards, split, numbers

    def description(self) -> dict[str, Any]:
        """What of it a checkpoint depends on: not where the shards lie, nor how many workers read them.

        Sidecars and derived labels are part of a local set's fingerprint.
        """
        if self.mixture is not None:
            return {"fast": self.config.fast, "mixture": self.mixture.fingerprint}
        config: Any = self.config
        if not self.sets:
            return config.model_dump(mode="json", exclude={"workers", "spaces", "select", "overlays"})
        found = {"split": config.split, "fast": config.fast, "shards": self.sets[0][0].fingerprint}
        return found | ({"select": config.select.model_dump(mode="json")} if config.select else {})

    def facts(self) -> dict[str, Any]:
        """For a release: dataset, split and samples; of a mixture by name, with weight and licence."""
        if self.mixture is not None:
            return {"mixture": self.mixture.facts()}
        config: Any = self.config
        if not self.sets:
            return {"dataset": str(config.shards), "split": config.split, "samples": None}
        shards, split = self.sets[0]
        samples = len(selected(shards, split, config.select))
        return {"dataset": shards.manifest["dataset"], "split": split, "samples": samples}

    @property
    def licence(self) -> str | None:
        """Of the images; of a mixture every one that is stated."""
        stated = dict.fromkeys(shards.manifest.get("licence") for shards, _ in self.sets)
        return "; ".join(licence for licence in stated if licence) or None


def open_data(config: DataConfig) -> TrainingData:
    """Open what is local. Raises UserError: as `ShardSet`, and an unknown or empty split of a mixture."""
    if isinstance(config, MixtureConfig):
        mixture = open_mixture(config)
        return TrainingData(config, tuple((part.shards, part.split) for part in mixture.parts), mixture)
    if isinstance(config.shards, str):
        return TrainingData(config)
    return TrainingData(config, ((open_shardset(config), config.split),))


def homes(config: DataConfig) -> list[Path]:
    """The folders of the shard sets; UserError for a URL."""
    shards = [each.shards for each in sets_of(config)]
    if remote := [each for each in shards if isinstance(each, str)]:
        raise UserError(f"{remote[0]}: teacher.cached needs a local shard set: embeddings are checked there")
    return [Path(each) for each in shards]


def joined(config: DataConfig, names: Sequence[str]) -> DataConfig:
    """The config with these sidecars beside those it names, in every set."""

    def more(each: Any) -> Any:
        new = [name for name in names if name not in each.sidecars]
        return each.model_copy(update={"sidecars": (*each.sidecars, *new)})

    if isinstance(config, MixtureConfig):
        sets = {name: more(each) for name, each in config.mixture.items()}
        return config.model_copy(update={"mixture": sets})
    return more(config)
