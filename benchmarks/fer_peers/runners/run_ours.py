"""A model that `vemo finetune` left, by its head for faces; ENVIRONMENT is its folder."""

import sys

import numpy as np
import torch
from one_by_one import run
from vemo.finetune.predict import load_model

SPACES = ("fer7", "fer8")

torch.set_num_threads(1)
model = load_model(sys.argv[1], "cpu", batch_size=1)
heads = {
    name: head["classes"]
    for name, head in model.heads.items()
    if head["space"] in SPACES and head["kind"] in ("single", "distribution")
}
if not heads:
    sys.exit(f"error: the model has no head for one class of {' or '.join(SPACES)}")
head = next(iter(heads))


def classify(image: np.ndarray) -> list[float]:
    """In the view that the model was measured on; its temperature is applied."""
    colour = torch.from_numpy(image).expand(3, -1, -1)
    return model([model.view(colour)])[head][0].tolist()


run(classify, heads[head])
