"""Local shards to batches: training order that resumes exactly, evaluation that sees every sample once.

The order is computed in the main process, from (seed, epoch) alone; workers are sent the numbers of the
samples to prepare. So it cannot depend on how many workers there are, when they were started, or where a run
was stopped.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..remote import PathOrUrl
from .collate import Batch, collate
from .decode import ImageLoader, fast_packages
from .derived import DerivingView, label_maps
from .order import epoch_order, sample_seeds
from .selection import SelectionConfig, drawn, selected
from .shardset import ShardSet

if TYPE_CHECKING:
    from .mixture import MixtureConfig

View = Callable[[Callable[[], Tensor], dict[str, Any], int], dict[str, Any]]
"""view(image_loader, record, seed) -> dict of tensors, numbers and strings. Picklable, and nothing in it is
random but through the seed. Called in workers."""


class ShardSetConfig(Config):
    """Which samples, and what is known of them."""

    shards: PathOrUrl = Field(description="folder or URL of a shard set (what `vemo shards build` wrote)")
    split: str = Field("train", description="which split of it")
    overlays: tuple[Path, ...] = Field(
        (), description="files of edits to apply, in this order, after the set's own overrides.jsonl"
    )
    sidecars: tuple[str, ...] = Field(
        (), description="sidecars whose columns join the records, such as [persons]"
    )
    spaces: dict[str, str | tuple[str, ...]] = Field(
        {}, description="labels to derive: {mikels8: ekman7} or {mikels8: [ekman7, polarity2]}"
    )
    select: SelectionConfig | None = Field(None, description="a part of the split's samples; null: all")


class LoadingConfig(Config):
    """Who prepares the samples."""

    workers: int = Field(
        0, ge=0, description="loader processes per rank; 0 prepares batches in the training process"
    )
    fast: bool = Field(False, description="decode with simplejpeg and OpenCV (the `fast` extra)")


class StreamConfig(LoadingConfig, ShardSetConfig):
    """Where the samples come from and who prepares them."""


class BatchSource(Protocol):
    """What a trainer needs to know of a stream."""

    samples_per_epoch: int

    def batches(self, start: int) -> Iterator[Batch]: ...


class Work(NamedTuple):
    """One micro-batch to prepare."""

    position: int  # global number of samples before it, for messages
    indices: np.ndarray  # int64 [micro-batch]
    seeds: np.ndarray  # int64, like indices


class Failure(NamedTuple):
    """A user error in a worker, carried home: exceptions themselves arrive as pages of traceback."""

    message: str


class Preparation(Dataset[Any]):
    """Work -> batch: read, decode, view, collate. Runs in workers; any failure names the sample."""

    def __init__(self, samples: "Samples") -> None:
        self.samples = samples

    def __getitem__(self, work: Work) -> Batch | Failure:
        try:
            return self.prepare(work)
        except UserError as error:
            return Failure(str(error))

    def prepare(self, work: Work) -> Batch:
        pairs = zip(work.indices.tolist(), work.seeds.tolist())
        return collate([self.samples.prepare(index, seed) for index, seed in pairs])


class Samples(Protocol):
    """Samples that can be prepared one by one, by number. Picklable."""

    def prepare(self, index: int, seed: int) -> dict[str, Any]: ...


class SetSamples:
    """The samples of a split, as a view gives them."""

    def __init__(self, shards: ShardSet, split: str, view: View, fast: bool) -> None:
        self.shards, self.split, self.view, self.fast = shards, split, view, fast

    def prepare(self, index: int, seed: int) -> dict[str, Any]:
        record, data = self.shards.read(self.split, index)
        try:
            return apply_view(self.view, data, record, index, seed, self.fast)
        except UserError as error:
            raise UserError(f"{self._name(index, record)}: {error}") from error
        except Exception as error:
            error.add_note(f"while preparing {self._name(index, record)}")
            raise

    def _name(self, index: int, record: dict[str, Any]) -> str:
        shard = self.shards.shard_of(self.split, index)
        return f"{self.shards.folder}: sample {record['id']} (number {index} of {self.split}, in {shard}.tar)"


def apply_view(
    view: View, data: bytes, record: dict[str, Any], index: int, seed: int, fast: bool
) -> dict[str, Any]:
    """One sample as its view gives it, with "index" and "seed" added."""
    return {**view(ImageLoader(data, fast), record, seed), "index": index, "seed": seed}


class LocalStream:
    """Endless training batches whose samples are a function of their position in the run.

    Positions count samples over all ranks, from the run's first. Global batch k is the k-th run of
    `global_batch` positions; rank r prepares the r-th of `world` contiguous parts of it, in `accumulation`
    contiguous micro-batches. So a position means the same with any number of ranks, micro-batches and
    workers.
    """

    def __init__(
        self,
        samples: Samples,
        samples_per_epoch: int,
        global_batch: int,
        rank: int,
        world: int,
        accumulation: int,
        workers: int,
    ) -> None:
        self.samples_per_epoch = samples_per_epoch
        self.global_batch, self.rank, self.world = global_batch, rank, world
        self.accumulation, self.workers = accumulation, workers
        self._preparation = Preparation(samples)

    def draw(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(numbers, seeds), int64 [count] each, of the samples from `position` on, all of one epoch."""
        raise NotImplementedError

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """This rank's micro-batches from global sample position `start` on, without end.

        Raises:
            UserError: `start` is not the beginning of a global batch; while iterating, a sample that cannot
            be prepared.
        """
        check_start(start, self.global_batch)
        return prepared(self._preparation, _Endless(self, start), self.workers)

    def work(self, start: int) -> Iterator[Work]:
        """What `batches` will prepare: numbers only, cheap."""
        micro_batch = self.global_batch // (self.world * self.accumulation)
        for position in count_up(start, self.global_batch):
            begin = position + self.rank * micro_batch * self.accumulation
            for low in range(begin, begin + micro_batch * self.accumulation, micro_batch):
                yield Work(position, *self.draw(low, micro_batch))


class TrainStream(LocalStream):
    """Endless training batches from a local shard set.

    The epoch's permutation is a function of (seed, epoch). Its global batches are consecutive runs of it;
    what does not fill one is left out (other samples in every epoch). Balanced classes are gone through
    without regard to epochs, as the sets of a mixture are.

    Args:
        shardset: an open shard set.
        view: makes a sample's tensors; see `View`.
        global_batch: samples per optimizer step, over all ranks.
        workers: loader processes; 0 prepares batches in this process.
        fast: hand views the fast decoder.
        select: which samples of the split.

    Raises:
        UserError: an unknown split, fewer samples than one global batch, a global batch that does not
        divide, or as `selection.drawn`.
    """

    def __init__(
        self,
        shardset: ShardSet,
        split: str,
        view: View,
        global_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        accumulation: int = 1,
        workers: int = 0,
        fast: bool = False,
        select: SelectionConfig | None = None,
    ) -> None:
        self._numbers = selected(shardset, split, select)
        count = len(self._numbers)
        check_batch(global_batch, world, accumulation, count, f"{shardset.folder}: split {split!r}")
        if fast:
            fast_packages()  # missing packages are reported now, not by a worker
        samples = SetSamples(shardset, split, view, fast)
        per_epoch = count // global_batch * global_batch
        super().__init__(samples, per_epoch, global_batch, rank, world, accumulation, workers)
        self.seed = seed
        self._order = lru_cache(1)(partial(epoch_order, count, seed))
        balanced = select is not None and select.balanced
        self._balanced = drawn(shardset, split, select, seed, per_epoch) if balanced else None

    def draw(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        if self._balanced:
            return self._balanced.at(np.arange(position, position + count))
        epoch, within = divmod(position, self.samples_per_epoch)
        indices = self._numbers[self._order(epoch)[within : within + count]]
        return indices, sample_seeds(self.seed, epoch, indices)


class _Endless(Sampler[Work]):
    def __init__(self, stream: LocalStream, start: int) -> None:
        self.stream, self.start = stream, start

    def __iter__(self) -> Iterator[Work]:
        return self.stream.work(self.start)


def evaluation_batches(
    shardset: ShardSet,
    split: str,
    view: View,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    fast: bool = False,
    numbers: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Every sample of a split exactly once over all ranks, in order; the last batch of a rank may be smaller.

    With `numbers`, int64 [n], those samples and no others, in their order.
    Ranks take contiguous parts that differ by at most one sample, so they may do different numbers of
    batches: no collective operation inside the loop. A sample's seed is that of stream seed 0, epoch 0.
    """
    every = np.arange(shardset.count(split)) if numbers is None else numbers
    mine = every[len(every) * rank // world : len(every) * (rank + 1) // world]
    work = [
        Work(int(part[0]), part, sample_seeds(0, 0, part))
        for part in (mine[low : low + batch_size] for low in range(0, len(mine), batch_size))
    ]
    return prepared(Preparation(SetSamples(shardset, split, view, fast)), work, workers)


def prepared(preparation: Preparation, work: Any, workers: int) -> Iterator[Batch]:
    """Batches in the order of `work`, prepared here (workers=0) or by that many processes."""
    if workers == 0:
        for each in work:
            yield preparation.prepare(each)
        return
    loader = DataLoader(
        preparation,
        batch_size=None,
        sampler=work,
        num_workers=workers,
        collate_fn=unchanged,
        worker_init_fn=start_worker,
        # Its own generator: by default the loader would draw from the global one and change a run's random
        # numbers.
        generator=torch.Generator(),
    )
    yield from checked(loader)


def checked(loader: Iterable[Batch | Failure]) -> Iterator[Batch]:
    """A loader's batches; failures of its workers as user errors."""
    delivered = 0
    try:
        for batch in loader:
            if isinstance(batch, Failure):
                raise UserError(batch.message)
            yield batch
            delivered += 1
    except RuntimeError as error:
        if "DataLoader worker" not in str(error) or (
            "exited" not in str(error) and "killed" not in str(error)
        ):
            raise
        what = str(error).splitlines()[0].rstrip(". ")
        raise UserError(
            f"a loader worker died before batch {delivered} of this iteration ({what}); "
            "out of memory is the usual cause, workers=0 shows the sample"
        ) from error


def start_worker(worker: int) -> None:
    """Signals are for the main process to handle, which ends its workers: torchrun and Slurm send them to
    all, and a run that is asked to stop still needs its batches until it has saved."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def unchanged(batch: Any) -> Any:
    """The collate function of loaders whose datasets collate."""
    return batch


def check_batch(global_batch: int, world: int, accumulation: int, count: int, where: str) -> None:
    """Refuse batch sizes that do not divide or do not exist, with the numbers."""
    if global_batch < 1 or global_batch % (world * accumulation):
        raise UserError(
            f"batch_size {global_batch} cannot be divided among {world} ranks × {accumulation} "
            "accumulation steps"
        )
    if count < global_batch:
        raise UserError(
            f"{where} has {count} samples, fewer than one batch of {global_batch}; lower batch_size"
        )


def check_start(start: int, global_batch: int) -> None:
    """Refuse positions inside a global batch."""
    if start < 0 or start % global_batch:
        raise UserError(f"cannot start at sample {start}: not a multiple of the batch size {global_batch}")


def open_shardset(config: ShardSetConfig) -> ShardSet:
    """The local shard set that a config names, with its sidecars and derived labels."""
    if isinstance(config.shards, str):
        raise UserError(f"{config.shards}: not a local shard set")
    return ShardSet(config.shards, config.overlays, config.sidecars, config.spaces)


def open_batches(
    config: "StreamConfig | MixtureConfig",
    view: View,
    *,
    global_batch: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    accumulation: int = 1,
) -> BatchSource:
    """The training stream a config asks for: of one set (webdataset for a URL), or of a mixture of sets."""
    options: dict[str, Any] = {
        "global_batch": global_batch,
        "seed": seed,
        "rank": rank,
        "world": world,
        "accumulation": accumulation,
        "workers": config.workers,
        "fast": config.fast,
    }
    if not isinstance(config, StreamConfig):
        from .mixture import MixtureStream, open_mixture  # imports this module

        return MixtureStream(open_mixture(config), view, **options)
    if isinstance(config.shards, Path):
        return TrainStream(open_shardset(config), config.split, view, select=config.select, **options)
    if config.select is not None:
        raise UserError(
            f"{config.shards}: select needs a local shard set (all records decide what is drawn, those of a "
            "URL come shard by shard while training goes on); copy it here, or leave select out"
        )
    if config.overlays:
        raise UserError(
            f"{config.shards}: overlays need a local shard set; copy it here, or train on a set that has the "
            "edits in its records (vemo shards apply)"
        )
    from .remote import RemoteTrainStream  # imports webdataset, which local training does not need

    if config.spaces:
        view = DerivingView(view, label_maps(config.spaces))
    return RemoteTrainStream(config.shards, config.split, view, sidecars=config.sidecars, **options)
