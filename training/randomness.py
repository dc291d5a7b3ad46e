"""Randomness as a function of where a run is, so that there is no generator state to save or to lose."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(*parts: int) -> None:
    """Seed Python's, numpy's and torch's (all devices) global generators from a tuple of integers.

    Call it with the run's seed before a model is built, so that a run killed before its first checkpoint
    starts again from the same weights.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    seed = int.from_bytes(digest, "big") >> 1  # torch takes 63 bits without a sign
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - other people's transforms use the global generator
    torch.manual_seed(seed)


@contextmanager
def keep_randomness() -> Iterator[None]:
    """Afterwards the global generators are as they were before (of GPUs, the one in use)."""
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002
