"""Raters who err in known ways, and overlays of what they say."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SKILLS = (0.9, 0.8, 0.7, 0.5, 0.3)


@dataclass(frozen=True)
class Crowd:
    """Answers (items, who, answers: int [A]), what is true [N], and how that comes about."""

    truth: np.ndarray
    prevalence: np.ndarray  # [C]
    confusion: np.ndarray  # [R, C, C]
    items: np.ndarray
    who: np.ndarray
    answers: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.truth), len(self.confusion), len(self.prevalence)

    @property
    def votes(self) -> np.ndarray:
        counts = np.zeros((self.shape[0], self.shape[2]))
        np.add.at(counts, (self.items, self.answers), 1)
        return counts

    @property
    def exact(self) -> np.ndarray:
        """P(class) of each sample for who knows how everybody errs, [N, C]."""
        scores = np.tile(np.log(self.prevalence), (self.shape[0], 1))
        np.add.at(scores, self.items, np.log(self.confusion[self.who, :, self.answers]))
        shares = np.exp(scores - scores.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


@pytest.fixture
def crowd() -> Callable[..., Crowd]:
    """crowd(seed, samples, classes, alike): five raters, three answers a sample; a smaller `alike` gives
    raters favourite mistakes."""

    def make(seed: int, samples: int = 400, classes: int = 8, alike: float = 50) -> Crowd:
        generator = np.random.default_rng(seed)
        prevalence = generator.dirichlet(np.full(classes, 5.0))
        truth = generator.choice(classes, samples, p=prevalence)
        confusion = np.zeros((len(SKILLS), classes, classes))
        for rater, skill in enumerate(SKILLS):
            for name in range(classes):
                wrong = generator.dirichlet(np.full(classes - 1, alike)) * (1 - skill)
                confusion[rater, name] = np.insert(wrong, name, skill)
        items = np.repeat(np.arange(samples), 3)
        who = np.concatenate([generator.choice(len(SKILLS), 3, replace=False) for _ in range(samples)])
        answers = [
            generator.choice(classes, p=confusion[rater, truth[item]]) for item, rater in zip(items, who)
        ]
        return Crowd(truth, prevalence, confusion, items, who, np.array(answers))

    return make


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[..., Path]:
    """overlay(name, edit, …): the path of an overlay with these lines."""

    def write(name: str, *edits: dict) -> Path:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(edit) + "\n" for edit in edits))
        return path

    return write


@pytest.fixture
def said() -> Callable[..., dict]:
    """said(by, number, name, …): a rater's edit of one sample's class in mikels8."""

    def edit(by: str, number: int, name: str | None, **more) -> dict:
        return {"id": f"toy/train_{number}", "set": {"labels.mikels8.class": name}, "by": by, **more}

    return edit
