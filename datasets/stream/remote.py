"""Shards behind a URL to batches, through webdataset: read in sequence, never stored.

Shards are permuted by (seed, epoch) before they are dealt out to ranks and workers, so that each sees other
shards in every epoch, then mixed in a buffer. Every byte is counted and hashed on its way (`download.py`),
because webdataset alone drops the rest of a damaged shard without a word. Its `.decode()` is never used (it
unpickles): the record is JSON, the image goes to our decoder.

Samples have the numbers and seeds that they have locally. With one rank an epoch holds exactly the samples of
the split (less those that do not fill a last batch). With several, shards cannot be dealt out evenly: a rank
that runs short starts its shards again, one with too many leaves some out.
"""

import json
import os
import random
import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ...foundation.errors import UserError
from ..sidecars.layout import Sidecar
from ..sidecars.reading import merge_row, with_sidecars
from .catalogue import ShardEntry
from .collate import Batch, collate, split_batch
from .decode import fast_packages
from .download import Download, fetch_catalogue, fetch_rows, fetch_sidecars
from .order import epoch_order, sample_seeds
from .stream import Failure, View, apply_view, check_batch, check_start, checked, start_worker, unchanged

os.environ["WDS_SECURE"] = "1"  # webdataset reads it when it is imported: no `pipe:` URLs, no pickles
from webdataset import filters, tariterators, utils

utils.enforce_security = True  # pyright: ignore[reportAttributeAccessIssue] # in case somebody imported it before us


class RemoteTrainStream:
    """`TrainStream` for a URL: the same arguments and batches, another order.

    The order depends on (seed, epoch) and on the numbers of ranks and workers. With the same numbers it
    resumes exactly, by reading again, but not preparing again, what the stopped epoch had read.

    Args:
        url: of the folder that holds manifest.json and the shards.
        shuffle: samples that each reader mixes at a time; they are held in memory as undecoded bytes.
        sidecars: names of sidecars whose columns join the records; a shard's rows are fetched with the shard.

    Raises:
        UserError: as `TrainStream`, and when there are fewer shards than ranks × workers.
    """

    def __init__(
        self,
        url: str,
        split: str,
        view: View,
        global_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        accumulation: int = 1,
        workers: int = 0,
        fast: bool = False,
        shuffle: int = 500,
        sidecars: Sequence[str] = (),
    ) -> None:
        catalogue = fetch_catalogue(url)
        count = catalogue.count(split)
        check_batch(global_batch, world, accumulation, count, f"{url}: split {split!r}")
        entries, readers = catalogue.of(split), max(1, workers)
        if len(entries) < world * readers:
            raise UserError(
                f"{url}: split {split!r} has {len(entries)} shards, fewer than "
                f"{world} ranks × {readers} workers = {world * readers}; "
                "use fewer workers or build with a smaller samples_per_shard"
            )
        if fast:
            fast_packages()
        joined = fetch_sidecars(url, sidecars, catalogue)
        self.fingerprint = with_sidecars(catalogue.fingerprint, joined)
        self.samples_per_epoch = count // global_batch * global_batch
        self.global_batch, self.seed, self.rank, self.world, self.workers = (
            global_batch,
            seed,
            rank,
            world,
            workers,
        )
        self.micro_batch = global_batch // (world * accumulation)
        self._samples = _Samples(url.rstrip("/"), _numbered(entries), joined, view, fast, seed, shuffle)
        self._shards = len(entries)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """This rank's micro-batches from global sample position `start` on, without end."""
        check_start(start, self.global_batch)
        epoch, within = divmod(start, self.samples_per_epoch)
        while True:
            wanted = (self.samples_per_epoch - within) // self.world // self.micro_batch
            chunks = self._passes(epoch, within // self.world)
            yield from islice(_rebatched(chunks, self.micro_batch), wanted)
            chunks.close()  # ends the epoch's workers
            epoch, within = epoch + 1, 0

    def _passes(self, epoch: int, skip: int) -> Generator[Batch, None, None]:
        """Chunks of samples from this rank's shards of an epoch, over and over, less the first `skip`
        samples."""
        mine = epoch_order(self._shards, self.seed, epoch)[self.rank :: self.world].tolist()
        plan = [mine[worker :: max(1, self.workers)] for worker in range(max(1, self.workers))]
        counts = [self._samples.count(part) for part in plan]
        skip %= sum(counts)
        while True:
            rounds = _whole_rounds(counts, self.micro_batch, skip)
            rest = skip - sum(min(count, rounds * self.micro_batch) for count in counts)
            reader = _Reader(self._samples, plan, epoch, self.micro_batch, rounds * self.micro_batch)
            for chunk in _chunks(reader, self.workers):
                size = len(chunk["index"])
                if rest:
                    samples, rest = split_batch(chunk)[rest:], max(0, rest - size)
                    if samples:
                        yield collate(samples)
                else:
                    yield chunk
            skip = 0


def remote_evaluation_batches(
    url: str,
    split: str,
    view: View,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    fast: bool = False,
    sidecars: Sequence[str] = (),
) -> Iterator[Batch]:
    """`evaluation_batches` for a URL: every sample exactly once over all ranks, ragged, shard by shard."""
    catalogue = fetch_catalogue(url)
    entries, joined = catalogue.of(split), fetch_sidecars(url, sidecars, catalogue)
    mine = list(range(rank, len(entries), world))
    plan = [mine[worker :: max(1, workers)] for worker in range(max(1, workers))]
    samples = _Samples(url.rstrip("/"), _numbered(entries), joined, view, fast, seed=0, shuffle=0)
    yield from _chunks(_Reader(samples, plan, 0, batch_size, 0), workers)


@dataclass(frozen=True)
class _Samples:
    """How the samples of given shards are read and prepared; shared by all readers."""

    url: str
    shards: tuple[tuple[ShardEntry, int], ...]  # each with the number of its first sample
    sidecars: tuple[Sidecar, ...]
    view: View
    fast: bool
    seed: int
    shuffle: int

    def count(self, numbers: list[int]) -> int:
        return sum(self.shards[number][0].samples for number in numbers)

    def read(self, numbers: list[int], epoch: int, reader: int, skip: int) -> Iterator[dict[str, Any]]:
        """Prepared samples of the shards `numbers`, mixed, less the first `skip`."""
        raw = self._raw(numbers)
        if self.shuffle:
            mixing = random.Random(int(sample_seeds(self.seed, epoch, np.array([reader]))[0]))
            raw = filters.shuffle(self.shuffle, initial=self.shuffle, rng=mixing)(raw)
        for index, shard, members in islice(raw, skip, None):
            yield self._prepared(index, shard, members, epoch)

    def _raw(self, numbers: list[int]) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(number of the sample, its shard, its members), verified."""
        for number in numbers:
            entry, first = self.shards[number]
            rows = [fetch_rows(self.url, sidecar, entry.name) for sidecar in self.sidecars]
            where = f"{self.url}/{entry.name}.tar"
            download = Download(where, entry)
            files = tariterators.tar_file_expander(iter([{"url": where, "stream": download}]))
            seen = 0
            try:
                for members in tariterators.group_by_keys(files):
                    members["__rows__"] = [each[seen] for each in rows if seen < len(each)]
                    yield first + seen, entry.name, members
                    seen += 1
            except (tarfile.TarError, OSError, ValueError) as error:
                raise UserError(
                    f"{where}: truncated or damaged after {seen} samples: {error.args[0]}"
                ) from error
            download.finish()
            if seen != entry.samples:
                raise UserError(
                    f"{where}: damaged: it holds {seen} samples, shards.jsonl says {entry.samples}"
                )

    def _prepared(self, index: int, shard: str, members: dict[str, Any], epoch: int) -> dict[str, Any]:
        where = f"{self.url}: sample {members['__key__']} (number {index}, in {shard}.tar)"
        try:
            record = json.loads(members["json"])
            image = next(
                data for name, data in members.items() if name != "json" and not name.startswith("__")
            )
            for sidecar, row in zip(self.sidecars, members["__rows__"]):
                merge_row(sidecar, self.url, record, row)
        except (KeyError, ValueError, StopIteration) as error:
            raise UserError(f"{where} has no image or no valid record") from error
        seed = int(sample_seeds(self.seed, epoch, np.array([index]))[0])
        try:
            return apply_view(self.view, image, record, index, seed, self.fast)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        except Exception as error:
            error.add_note(f"while preparing {where}")
            raise


class _Reader(IterableDataset[Any]):
    """Chunks of `size` samples from one worker's shards; a Failure in place of a user error, and then no
    more."""

    def __init__(self, samples: _Samples, plan: list[list[int]], epoch: int, size: int, skip: int) -> None:
        self.samples, self.plan, self.epoch, self.size, self.skip = samples, plan, epoch, size, skip

    def __iter__(self) -> Iterator[Batch | Failure]:
        info = get_worker_info()
        reader = info.id if info else 0
        samples = self.samples.read(self.plan[reader], self.epoch, reader, self.skip)
        try:
            while chunk := list(islice(samples, self.size)):
                yield collate(chunk)
        except UserError as error:
            yield Failure(str(error))


def _chunks(reader: _Reader, workers: int) -> Iterator[Batch]:
    if workers == 0:
        return checked(reader)
    return checked(
        DataLoader(
            reader,
            batch_size=None,
            num_workers=workers,
            collate_fn=unchanged,
            worker_init_fn=start_worker,
            generator=torch.Generator(),
        )
    )


def _whole_rounds(counts: list[int], size: int, skip: int) -> int:
    """How many rounds, in which every reader gives its next `size` samples or what it has left, fit into
    `skip`."""
    rounds = 0
    while sum(min(count, (rounds + 1) * size) for count in counts) <= skip and rounds * size < max(counts):
        rounds += 1
    return rounds


def _rebatched(chunks: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Batches of exactly `size` from chunks of any size, in order."""
    waiting: list[dict[str, Any]] = []
    for chunk in chunks:
        if not waiting and len(chunk["index"]) == size:
            yield chunk
            continue
        waiting += split_batch(chunk)
        while len(waiting) >= size:
            yield collate(waiting[:size])
            waiting = waiting[size:]


def _numbered(entries: tuple[ShardEntry, ...]) -> tuple[tuple[ShardEntry, int], ...]:
    return tuple(zip(entries, accumulate((entry.samples for entry in entries), initial=0)))
