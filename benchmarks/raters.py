"""Soft labels of several raters against shares of their votes, on simulated answers whose truth is known.

    nice .venv/bin/python benchmarks/raters.py [--seeds 5]

Five raters, right 90, 80, 70, 50 and 30 times of a hundred, three answers a sample; their mistakes fall
evenly on the other classes, or on favourites of their own (Dirichlet 50 and 0.5). Divergences are mean −log
of the probability of the true class, in nats; votes are smoothed by the constant that suits them best, the
best possible are the probabilities for who knows how every rater errs.
"""

import argparse
from typing import Any

import numpy as np
from common import write_result
from vemo.datasets.raters import dawid_skene

SKILLS, ANSWERS = (0.9, 0.8, 0.7, 0.5, 0.3), 3
CASES = ((24, "evenly"), (60, "evenly"), (400, "evenly"), (400, "favourites"), (2000, "favourites"))
CLASSES, ALIKE = 8, {"evenly": 50.0, "favourites": 0.5}
CONSTANTS = (1e-6, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=5)
    seeds = range(arguments.parse_args().seeds)
    found = {}
    for samples, mistakes in CASES:
        rows = [measured(np.random.default_rng(seed), samples, ALIKE[mistakes]) for seed in seeds]
        found[f"{samples} samples, mistakes {mistakes}"] = {
            key: {"mean": round(float(np.mean(each)), 3), "deviation": round(float(np.std(each, ddof=1)), 3)}
            for key, each in ((key, [row[key] for row in rows]) for key in rows[0])
        }
    data = f"simulated: {len(SKILLS)} raters, {ANSWERS} answers a sample, {CLASSES} classes"
    claim = "soft labels merged by raters' estimated skill beat the majority vote in KL to the truth"
    payload = {"claim": claim, "data": data, "seeds": list(seeds), "cases": found}
    print(write_result("raters", payload))


def measured(generator: np.random.Generator, samples: int, alike: float) -> dict[str, Any]:
    prevalence = generator.dirichlet(np.full(CLASSES, 5.0))
    truth = generator.choice(CLASSES, samples, p=prevalence)
    confusion = np.zeros((len(SKILLS), CLASSES, CLASSES))
    for rater, skill in enumerate(SKILLS):
        for name in range(CLASSES):
            wrong = generator.dirichlet(np.full(CLASSES - 1, alike)) * (1 - skill)
            confusion[rater, name] = np.insert(wrong, name, skill)
    items = np.repeat(np.arange(samples), ANSWERS)
    who = np.concatenate([generator.choice(len(SKILLS), ANSWERS, replace=False) for _ in range(samples)])
    answers = np.array([generator.choice(CLASSES, p=confusion[r, truth[i]]) for i, r in zip(items, who)])
    votes = np.zeros((samples, CLASSES))
    np.add.at(votes, (items, answers), 1)
    exact = np.tile(prevalence, (samples, 1))
    np.multiply.at(exact, items, confusion[who, :, answers])
    exact /= exact.sum(1, keepdims=True)
    shape = (samples, len(SKILLS), CLASSES)

    def divergence(shares: np.ndarray) -> float:
        return float(-np.log(shares[np.arange(samples), truth]).mean())

    def right(shares: np.ndarray) -> float:
        return float((shares.argmax(1) == truth).mean())

    soft = dawid_skene(items, who, answers, shape).posterior
    published = np.maximum(dawid_skene(items, who, answers, shape, smoothing=0).posterior, 1e-12)
    smoothed = [(votes + constant / CLASSES) / (ANSWERS + constant) for constant in CONSTANTS]
    return {
        "votes, divergence": min(divergence(each) for each in smoothed),
        "soft labels, divergence": divergence(soft),
        "without smoothing, divergence": divergence(published),
        "best possible, divergence": divergence(exact),
        "votes, right": right(votes),
        "soft labels, right": right(soft),
    }


if __name__ == "__main__":
    main()
