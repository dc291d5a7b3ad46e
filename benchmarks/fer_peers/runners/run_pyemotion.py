"""PyEmotion's network and weights, without the package around them (its detector downloads weights).

The network ends in a sigmoid; the package takes the class of the highest exp(output), as if these were
log-probabilities. What it calls probabilities is therefore here exp(output) scaled to the sum 1.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch
from one_by_one import run

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
package = Path(sys.argv[1]) / "PyEmotion"

spec = importlib.util.spec_from_file_location("pyemotion_networks", package / "networks.py")
assert spec and spec.loader
networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(networks)
network = networks.NetworkV2(in_c=1, nl=32, out_f=len(CLASSES)).eval()
weights = torch.load(package / "model/main_model.pkl", map_location="cpu", weights_only=True)
network.load_state_dict(weights["network"])


@torch.inference_mode()
def classify(image: np.ndarray) -> list[float]:
    """Scaled to [−1, 1]; its size is the network's own."""
    pixels = torch.from_numpy(image).float().div(255).sub(0.5).div(0.5)
    return network(pixels[None, None]).softmax(1)[0].tolist()


torch.set_num_threads(1)
run(classify, CLASSES)
