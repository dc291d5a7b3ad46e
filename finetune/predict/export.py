"""A fine-tuned model or an encoder as one ONNX file that needs nothing of ours, nor torch, to be used.

In: `image`, uint8 RGB [batch, 3, S, S]. Out: `features`, float32 [batch, W], and of each head, under its
name, float32 [batch, C]: calibrated probabilities, or values in [−1, 1]. Normalisation and temperatures are
in the graph; what the columns are, and how a picture becomes [3, S, S], stands in the file's metadata.
"""

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import __version__
from ...foundation.errors import UserError
from ...foundation.files import write_atomically
from ...zoo.download import RELEASE
from ...zoo.release import DESCRIPTION_NAME
from .loading import ONNX, load_encoder_predictor, load_model, model_folder
from .networks import FEATURES, FORMAT, IMAGE, features_and_outputs, probabilities
from .predictor import Predictor

# Of probabilities and values, and of features' largest magnitude; fp32 differs by some 1e-6. Our choice.
TOLERANCE, OF_HALF = 1e-4, 2e-2
SMALL = 1024  # numbers of a tensor that is not worth halving
TRIED = 3  # pictures on which the file is compared with the modules


@dataclass(frozen=True)
class Exported:
    """The file that was written, and by how much at most what it says differs from torch (see TOLERANCE)."""

    path: Path
    outputs: tuple[str, ...]
    difference: float

    @property
    def summary(self) -> str:
        """A line for people."""
        size = self.path.stat().st_size / 2**20
        names = ", ".join(self.outputs)
        return f"{self.path}: {size:.1f} MiB, gives {names}; differs from torch by {self.difference:.1e}"


def export(folder: Path | str, out: Path | None = None, half: bool = False) -> Exported:
    """Write the model or encoder in `folder` as ONNX to `out` (None: `model.onnx` beside model.json, where
    prediction finds it), whole or not at all, and compare it with torch.

    half: weights are stored in float16, which halves the file, and computed with in float32 all the same.
    Raises UserError: no model there, missing packages, an architecture that cannot be exported, or a file
    that does not say what torch says.
    """
    _packages()
    folder = Path(folder).expanduser()
    is_encoder = (folder / DESCRIPTION_NAME).is_file()
    predictor = load_encoder_predictor(folder, "cpu") if is_encoder else load_model(folder, "cpu")
    if out is None:
        out = folder / "encoder.onnx" if is_encoder else model_folder(folder) / ONNX
        if (out.parent / RELEASE).is_file():
            raise UserError(f"{folder}: the files of a release are fixed; name another place: OUT.onnx")
    if out.suffix != ".onnx":
        raise UserError(f"{out}: name it .onnx")
    if FEATURES in predictor.heads:
        raise UserError(f"heads.{FEATURES}: a head of this name would hide the features; rename it")
    graph = _Graph(predictor).eval()
    images = _pictures(predictor.image_size)
    content = _exported(graph, images, predictor, half)
    difference = _difference(content, graph, images)
    if not difference <= (OF_HALF if half else TOLERANCE):
        raise UserError(f"{folder}: as ONNX it differs from torch by {difference:.1e}; nothing was written")
    with write_atomically(out) as stream:
        stream.write(content)
    return Exported(out, (FEATURES, *predictor.heads), difference)


class _Graph(nn.Module):
    """What is exported: a tuple, features first."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.task, self.temperatures = predictor.task, predictor.temperatures

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features, outputs = features_and_outputs(self.task, image)
        said = probabilities(self.task, outputs, self.temperatures)
        return (features.float(), *(each.float() for each in said.values()))


def _packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"the export needs the package {error.name}: pip install 'vemo[onnx]'") from None


def _pictures(size: int) -> Tensor:
    """uint8 [TRIED, 3, size, size]."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (TRIED, 3, size, size), dtype=torch.uint8, generator=generator)


def _exported(graph: nn.Module, images: Tensor, predictor: Predictor, half: bool) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own making
            program: Any = torch.onnx.export(
                graph,
                (images,),
                dynamo=True,
                verbose=False,
                input_names=[IMAGE],
                output_names=[FEATURES, *predictor.heads],
                dynamic_shapes={IMAGE: {0: torch.export.Dim("batch")}},
            )
    except Exception as error:  # the exporter's have no class in common
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"torch cannot export this model as ONNX ({first})") from None
    model = program.model
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces: paths of this machine
    if half:
        _halve(model.graph)
    model.metadata_props.update({name: json.dumps(value) for name, value in _facts(predictor).items()})
    model.producer_name, model.producer_version = "vemo", __version__
    return program.model_proto.SerializeToString()


def _halve(graph: Any) -> None:
    """In place: weights as float16 with a cast behind each, which onnxruntime does once, on loading."""
    import onnx_ir

    for value in list(graph.initializers.values()):
        weights = value.const_value.numpy()
        if weights.dtype != np.float32 or weights.size < SMALL:
            continue
        stored = onnx_ir.tensor(weights.astype(np.float16), name=f"{value.name}.half")
        kind = onnx_ir.TensorType(onnx_ir.DataType.FLOAT16)
        halved = onnx_ir.Value(name=stored.name, shape=value.shape, type=kind, const_value=stored)
        cast = onnx_ir.node("Cast", [halved], {"to": int(onnx_ir.DataType.FLOAT)})
        value.replace_all_uses_with(cast.outputs[0])
        del graph.initializers[value.name]
        graph.register_initializer(halved)
        graph.insert_before(graph[0], cast)


def _facts(predictor: Predictor) -> dict[str, Any]:
    """Name → what can be JSON. The keys that `OnnxNetwork` and `Predictor` read, and what people may ask."""
    about = predictor.about
    heads = {
        name: {**head, "temperature": predictor.temperatures.get(name)}
        for name, head in predictor.heads.items()
    }
    return {
        "format": FORMAT,
        "input": f"{IMAGE}: uint8 RGB [batch, 3, {predictor.image_size}, {predictor.image_size}]",
        "heads": heads,
        "image_size": predictor.image_size,
        "crop_fraction": predictor.crop_fraction,
        "interpolation": predictor.interpolation,
        "person": about["person"],
        "encoder": predictor.task.encoder.description.get("name"),
        "weights_sha256": about["weights_sha256"],
        "licence": about.get("licence"),
        "versions": {"vemo": __version__, "torch": torch.__version__},
    }


def _difference(content: bytes, graph: nn.Module, images: Tensor) -> float:
    """The largest one over all pictures, one by one and together; of features in units of their largest."""
    import onnxruntime

    worst = 0.0
    try:
        session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = [session.run(None, {IMAGE: batch.numpy()}) for batch in (images, images[:1])]
    except Exception as error:  # its exceptions share no class of their own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"torch cannot export this model so that onnxruntime runs it ({first})") from None
    with torch.inference_mode():
        wanted = [graph(images), graph(images[:1])]
    for here, there in zip(found, wanted):
        for place, (one, other) in enumerate(zip(here, there)):
            scale = max(float(other.abs().max()), 1e-6) if place == 0 else 1.0
            worst = max(worst, float((torch.from_numpy(one) - other).abs().max()) / scale)
    return worst
