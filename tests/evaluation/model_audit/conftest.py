"""Drawn predictions of three classes with a table of attributes; one thread."""

import csv

import numpy as np
import pytest
import torch
from vemo.evaluation.predictions import Predictions, save_predictions

CLASSES = ("positive", "negative", "neutral")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def draw():
    """draw(kind, count, worse): predictions whose samples named in `worse` (bool) are mostly wrong."""

    def drawn(kind="single", count=400, worse=None, seed=0):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 3, count)
        right = random.random(count) < np.where(np.zeros(count, bool) if worse is None else worse, 0.4, 0.9)
        said = np.where(right, labels, (labels + 1) % 3)
        logits = torch.from_numpy(random.normal(size=(count, 3))).float() * 0.1
        logits[torch.arange(count), torch.from_numpy(said)] += 1.5
        targets = torch.eye(3)[torch.from_numpy(labels)]
        if kind == "distribution":
            targets = 0.7 * targets + 0.1
        ids = tuple(f"x/{number}" for number in range(count))
        groups = tuple(f"g{number // 2}" for number in range(count))
        return Predictions(kind, "polarity3", CLASSES, ids, groups, logits, targets)

    return drawn


@pytest.fixture
def files(draw, tmp_path):
    """(predictions, table): half of 400 samples are of a side that is served worse; a few have no age."""
    worse = np.arange(400) % 4 < 2
    save_predictions(tmp_path / "test.safetensors", draw(worse=worse))
    with (tmp_path / "table.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "side", "age"])
        for number in range(400):
            age = "" if number < 8 else 15 if number < 20 else 25 + 20 * (number // 2 % 5 > 1)
            rows.writerow([f"x/{number}", "left" if worse[number] else "right", age])
    return tmp_path / "test.safetensors", tmp_path / "table.csv"
