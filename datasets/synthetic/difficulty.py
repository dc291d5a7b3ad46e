"""How readable the emotion is in a built-in dataset: from colours, from each true cue, from all of them.

The colour rows say how little a trivial model gets, the last row about how much there is to get.
Run as `python -m vemo.datasets.synthetic.difficulty DIR`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from .cues import EMOTIONS

CUES = ("scene", "air", "object", "face", "pose")


def probe_accuracy(features: np.ndarray, labels: np.ndarray, folds: int = 4, decay: float = 3e-3) -> float:
    """Accuracy of logistic regression on held-out folds; features [N, F], labels [N] class numbers."""
    fold = np.random.default_rng(0).permutation(len(labels)) % folds
    x = torch.tensor((features - features.mean(0)) / (features.std(0) + 1e-6), dtype=torch.float32)
    x, y = torch.cat([x, torch.ones(len(x), 1)], 1), torch.tensor(labels)
    right, threads = 0, torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are tiny: more threads would mostly wait for each other
    try:
        for held_out in range(folds):
            test = torch.tensor(fold == held_out)
            predicted = (x[test] @ _fit(x[~test], y[~test], decay)).argmax(1)
            right += int(predicted.eq(y[test]).sum())
    finally:
        torch.set_num_threads(threads)
    return right / len(labels)


def _fit(x: torch.Tensor, y: torch.Tensor, decay: float) -> torch.Tensor:
    weights = torch.zeros(x.shape[1], len(EMOTIONS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weights, y) + decay * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


def colour_features(image: Image.Image) -> dict[str, np.ndarray]:
    """What a model sees that knows colours only: their mean and spread, a histogram, a thumbnail of 4 × 4."""
    pixels = np.asarray(image.convert("RGB").resize((48, 48), Image.Resampling.BOX), np.float64) / 255
    bins = (pixels * 3.999).astype(int)
    histogram = np.bincount((bins @ [16, 4, 1]).ravel(), minlength=64) / 48**2
    return {
        "mean colour": np.concatenate([pixels.mean((0, 1)), pixels.std((0, 1))]),
        "colour histogram": histogram,
        "thumbnail 4 × 4": pixels.reshape(4, 12, 4, 12, 3).mean((1, 3)).ravel(),
    }


def cue_words(story: dict, kinds: Sequence[str]) -> set[str]:
    """The true cues of the given kinds in one entry of truth.json, as words."""
    words = {f"{kind}: {story[kind]['value']}" for kind in kinds if kind in ("scene", "air")}
    if "object" in kinds:
        words |= {f"object: {cue['value']}" for cue in story["objects"]}
    for person in story["people"]:
        words |= {f"{kind}: {person[kind]['value']}" for kind in kinds if kind in ("face", "pose")}
    return words


def difficulty(folder: Path) -> dict[str, float]:
    """Accuracies on the true emotions, by what the model may see; files that do not open are left out."""
    truth = json.loads((folder / "truth.json").read_bytes())["images"]
    stories, colours = [], []
    for name, story in truth.items():
        try:
            colours.append(colour_features(Image.open(folder / name)))
        except (UnidentifiedImageError, OSError):
            continue
        stories.append(story)
    labels = np.array([EMOTIONS.index(story["emotion"]) for story in stories])
    result = {"majority": float(np.bincount(labels).max() / len(labels))}
    for kind in colours[0]:
        result[kind] = probe_accuracy(np.array([colour[kind] for colour in colours]), labels)
    for name, kinds in [*((f"true {cue}", (cue,)) for cue in CUES), ("all true cues", CUES)]:
        bags = [cue_words(story, kinds) for story in stories]
        vocabulary = sorted(set[str]().union(*bags))
        features = np.array([[word in bag for word in vocabulary] for bag in bags], np.float64)
        result[name] = probe_accuracy(features, labels)
    return result


if __name__ == "__main__":
    import sys

    for row, accuracy in difficulty(Path(sys.argv[1])).items():
        print(f"{row:18} {accuracy:6.1%}")
