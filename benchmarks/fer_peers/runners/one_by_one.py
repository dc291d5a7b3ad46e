"""What every runner in Python shares: images in one at a time, probabilities and milliseconds out.

    python RUNNER ENVIRONMENT IMAGES OUT

IMAGES holds uint8 [N, 48, 48], nothing else. OUT becomes JSON: classes, probabilities [N][C], and of each
image the CPU milliseconds from grey pixels to probabilities, the peer's own resizing included (wall time says
nothing on a machine that is shared).
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 48
WARM = 20  # images classified before anything is measured


def run(classify: Callable[[np.ndarray], Iterable[float]], classes: Sequence[str]) -> None:
    """`classify`: uint8 [48, 48] → probabilities in the order of `classes`."""
    images = np.fromfile(sys.argv[2], np.uint8).reshape(-1, SIDE, SIDE)
    for image in images[:WARM]:
        classify(image)
    said: dict[str, Any] = {"classes": list(classes), "probabilities": [], "cpu_ms": []}
    for image in images:
        began = time.process_time()
        probabilities = [float(value) for value in classify(image)]
        said["cpu_ms"].append(1e3 * (time.process_time() - began))
        said["probabilities"].append(probabilities)
    Path(sys.argv[3]).write_text(json.dumps(said))
