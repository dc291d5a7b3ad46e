"""The order of samples, their seeds, and what a hash decides: stateless functions of (seed, epoch, index).

Own arithmetic instead of a library's generator, so that an order is the same on every version of numpy: a run
may be resumed years later.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

_GOLDEN = 0x9E3779B97F4A7C15
_ALL = 2**64 - 1
_SEEDS = 1  # purposes, so that the order of an epoch and its samples' seeds are unrelated
_ORDER = 2
_SETS = 3
HELD_OUT = 4  # purposes of `draws`
FEW = 5


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of 0 … count − 1, int64 [count], that depends on (seed, epoch) only."""
    return np.argsort(_hash(_ORDER, seed, epoch, np.arange(count)), kind="stable")


def sample_seeds(seed: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """A 63-bit seed for every sample of an epoch, int64 like `indices`."""
    return (_hash(_SEEDS, seed, epoch, indices) >> np.uint64(1)).astype(np.int64)


def set_seed(seed: int, number: int) -> int:
    """The seed of one set of a mixture: sets of one size have unrelated orders, their samples other seeds."""
    return int(_hash(_SETS, seed, 0, np.array([number]))[0])


def apportion(shares: Sequence[Fraction], total: int) -> list[int]:
    """`total` as whole numbers in proportion to shares that sum to 1: each rounded down, or up by less than
    one, to those of the largest remainders (Hamilton's method)."""
    exact = [share * total for share in shares]
    counts = [int(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda number: counts[number] - exact[number])
    for number in by_remainder[: total - sum(counts)]:
        counts[number] += 1
    return counts


def interleave(counts: Sequence[int]) -> np.ndarray:
    """Numbers of sets, int16 [sum(counts)]: i occurs counts[i] times, as evenly as whole places allow.

    The largest set takes evenly spaced places, the next ones evenly spaced places of what is left (our
    choice: two sets alternate as Bresenham's lines do). Of n consecutive places a set has its share of n
    within about two, at any n (measured, up to ten sets).
    """
    total = sum(counts)
    found, free = np.empty(total, np.int16), np.arange(total)
    for number in sorted(range(len(counts)), key=lambda number: -counts[number]):
        count = counts[number]
        taken = (2 * np.arange(count) + 1) * len(free) // (2 * count)
        found[free[taken]] = number
        free = np.delete(free, taken)
    return found


def key_digest(key: str) -> bytes:
    """The 8 bytes by which `draws` knows a group or an id."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()[:8]


def draws(purpose: int, seed: int, digests: bytes | bytearray) -> np.ndarray:
    """64 bits for each of the digests, uint64 [n], unrelated to those of another purpose or seed, and to what
    a build draws splits by: else a hold-out of a split drawn there would have another size, or none."""
    return _hash(purpose, seed, 0, np.frombuffer(digests, ">u8"))


def generator(seed: int) -> np.random.Generator:
    """The generator a view draws from: PCG64 whose state is SplitMix64's next four outputs after `seed`.

    As good as `np.random.default_rng(seed)` for this, and a tenth of its cost: 2 instead of 16 µs an image.
    """
    words: Any = _Words(seed)  # the stubs know SeedSequence only
    return np.random.Generator(np.random.PCG64(words))


class _Words(ISeedSequence):
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        # The same arithmetic as `_mix`, in Python's integers: for four words arrays would cost more.
        words = []
        for step in range(1, n_words + 1):
            bits = (self.seed + step * _GOLDEN) & _ALL
            bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _ALL
            bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _ALL
            words.append(bits ^ (bits >> 31))
        return np.array(words, dtype=np.uint64)


def _hash(purpose: int, seed: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """64 well-mixed bits for every index: SplitMix64's finaliser over each part in turn."""
    state = np.full(1, purpose, dtype=np.uint64)
    for part in (seed, epoch):
        state = _mix(state ^ np.uint64(part % 2**64))
    return _mix(state ^ indices.astype(np.uint64))


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = bits + np.uint64(_GOLDEN)  # arrays wrap silently, as intended
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
