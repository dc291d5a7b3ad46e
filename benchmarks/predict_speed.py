"""What a face costs on one CPU core: classification by torch and onnxruntime, and a frame with its detector.

    python benchmarks/predict_speed.py [--yunet FILE] [--rounds 7] [--compile]

The architecture of configs/finetune/fer_small.yaml with random weights (which cost the same) in `vemo
predict`'s own predictor, on one thread, CPU time, in alternation. The frame has 640 × 480 pixels and one face
of the built-in dataset; YuNet's file is yours to bring (or VEMO_YUNET), without it frames are left out.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from common import measure, write_result
from PIL import Image
from vemo.datasets.sidecars.detectors import find_yunet, load_detector
from vemo.datasets.stream.decode import decode
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import build_head
from vemo.finetune.fer import SqueezeConfig
from vemo.finetune.outcome import save_model
from vemo.finetune.predict.config import FaceConfig
from vemo.finetune.predict.export import export
from vemo.finetune.predict.loading import load_model
from vemo.finetune.predict.looks import Faces
from vemo.finetune.predict.predictor import Predictor
from vemo.finetune.predict.run import results
from vemo.finetune.predict.sources import Frame
from vemo.finetune.task import FinetuneTask
from vemo.foundation.terminal import table_text
from vemo.zoo import load_encoder

CONFIG = Path(__file__).parent.parent / "configs/finetune/fer_small.yaml"
BATCHES, FACES = (1, 8, 32), 32  # faces in a measurement
FRAMES = 10
FACE_MS, FRAME_MS = 3.0, 25.0  # what is asked of the default predictor
DEFAULT, EAGER = "default (onnxruntime)", "torch, channels first"


class ChannelsFirst:
    """Plain torch, in place of a predictor's network."""

    def __init__(self, task: FinetuneTask) -> None:
        self.task = task.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.task.outputs({"image": images})
        return {name: each.double().softmax(1) for name, each in outputs.items()}


def random_model(folder: Path) -> Path:
    """The config's model as a fine-tuning run leaves it, untrained, with its ONNX file."""
    config = FinetuneConfig.model_validate(yaml.safe_load(CONFIG.read_text()))
    arguments = {"random": True, "image_size": config.image_size, "arguments": config.encoder_arguments}
    encoder = load_encoder(config.encoder, **arguments)
    heads = {name: build_head(name, each, encoder.width) for name, each in config.heads.items()}
    assert isinstance(config.squeeze, SqueezeConfig)
    task = FinetuneTask(encoder, heads, squeeze=config.squeeze).eval()
    said = config.model_dump(mode="json")
    about = {
        "encoder": encoder.description,
        "image_size": encoder.image_size,
        "person": "none",
        "context": None,
        "squeeze": said["squeeze"],
        "heads": said["heads"],
        "view": said["view"],
        "crop_fraction": 1.0,
    }
    save_model(folder / "model", task, about)
    print(export(folder).summary)
    return folder


def classifiers(folder: Path, compiled: bool) -> dict[str, Predictor]:
    """Name → the predictor, differently run."""
    default = load_model(folder, "cpu", backend="auto")
    assert default.network.backend == "onnxruntime"
    plain: Any = load_model(folder, "cpu")
    plain.network = ChannelsFirst(plain.task)
    found = {
        DEFAULT: default,
        EAGER: plain,
        "torch (backend=torch)": load_model(folder, "cpu"),
        "torch, bf16": load_model(folder, "cpu", "bf16"),
    }
    if compiled:
        quick: Any = copy.deepcopy(load_model(folder, "cpu"))
        quick.network.task.encoder.compile(dynamic=True)
        found["torch.compile of the encoder"] = quick
    return found


def one_face(yunet: str, folder: Path) -> tuple[torch.Tensor, bytes]:
    """A frame uint8 [3, 480, 640] with one face that YuNet finds, and its JPEG."""
    synthesize(SynthesizeConfig(out=folder, images=24, seed=3))
    detector = load_detector(f"yunet:{yunet}")
    for path in sorted((folder / "image").rglob("*.jpg")):
        canvas = Image.effect_noise((640, 480), 30).convert("RGB")
        canvas.paste(Image.open(path).convert("RGB"), (160, 80))
        scores = detector(np.asarray(canvas))[:, 4]
        if scores.max(initial=0) > 0.7 and (scores >= FaceConfig().score).sum() == 1:
            file = folder / "frame.jpg"
            canvas.save(file, quality=90)
            return decode(file.read_bytes()), file.read_bytes()
    raise SystemExit("YuNet finds no face in the built-in dataset")


def ms(found: dict[str, Any], count: int) -> dict[str, float]:
    """Of `measure`'s seconds the milliseconds of one of `count`."""
    return {part: round(1000 * found[part] / count, 3) for part in ("median", "min", "max")}


def of_faces(predictors: dict[str, Predictor], size: int, rounds: int) -> dict[str, Any]:
    """Batch size → name → ms a face."""
    numbers = torch.Generator().manual_seed(0)
    faces = list(torch.randint(0, 256, (FACES, 3, size, size), dtype=torch.uint8, generator=numbers))
    found = {}
    for batch in BATCHES:
        for each in predictors.values():
            each.batch_size = batch
        candidates: dict[str, Callable[[], Any]] = {
            name: (lambda each=each: each(faces)) for name, each in predictors.items()
        }
        seconds = measure(candidates, rounds)
        found[str(batch)] = {name: ms(each, FACES) for name, each in seconds.items()}
    return found


def of_frames(predictor: Predictor, yunet: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Part → ms a frame; `all` is from decoded pixels to a row, one frame at a time as from a camera."""
    image, jpeg = one_face(yunet, folder)
    detector, config = load_detector(f"yunet:{yunet}"), FaceConfig(smallest=10)
    look = Faces(predictor, detector, config)
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    _, crops = look(Frame("frame", image=image))

    def whole() -> None:
        frames = (Frame("frame", image=image, live=True) for _ in range(FRAMES))
        rows = [row for _, rows in results(frames, look, predictor) for row in rows]
        assert len(rows) == FRAMES and rows[0].status == "ok", rows[0]

    seconds = measure(
        {
            "all": whole,
            "detector": lambda: [detector(pixels) for _ in range(FRAMES)],
            "detector and alignment": lambda: [look(Frame("frame", image=image)) for _ in range(FRAMES)],
            "classification": lambda: [predictor(crops) for _ in range(FRAMES)],
            "decoding the JPEG (not in all)": lambda: [decode(jpeg) for _ in range(FRAMES)],
        },
        rounds,
    )
    return {name: ms(each, FRAMES) for name, each in seconds.items()}


def main() -> None:
    """Measure, print a table and write docs/results/predict_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--yunet", type=Path, default=find_yunet(), help="YuNet's ONNX file")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too (needs a compiler)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        folder = random_model(Path(place) / "model")
        predictors = classifiers(folder, arguments.compile)
        size = predictors[DEFAULT].image_size
        faces = of_faces(predictors, size, arguments.rounds)
        frames = None
        if arguments.yunet:
            frames = of_frames(
                predictors[DEFAULT], str(arguments.yunet), Path(place) / "drawn", arguments.rounds
            )
    for batch, found in faces.items():
        base = found[EAGER]["median"]
        rows = [
            (name, f"{each['median']:.2f}", f"{each['min']:.2f}", f"{base / each['median']:.2f}")
            for name, each in found.items()
        ]
        print(f"\nbatches of {batch}\n{table_text(('', 'ms a face', 'least', 'times as fast'), rows)}")
    holds = {f"≤ {FACE_MS:g} ms a face": max(each[DEFAULT]["median"] for each in faces.values()) <= FACE_MS}
    if frames:
        rows = [(name, f"{each['median']:.2f}", f"{each['min']:.2f}") for name, each in frames.items()]
        print(f"\na frame of 640 × 480 with a face\n{table_text(('', 'ms', 'least'), rows)}")
        holds[f"≤ {FRAME_MS:g} ms a frame"] = frames["all"]["median"] <= FRAME_MS
    payload = {
        "claim": f"by default a face is classified in {FACE_MS:g} ms on a core, in batches of any size, and "
        f"a frame of 640 × 480 with a face, detector included, takes {FRAME_MS:g} ms",
        "config": CONFIG.name,
        "threads": 1,
        "rounds": arguments.rounds,
        "ms_per_face_by_batch": faces,
        "ms_per_frame": frames,
        "holds": holds,
    }
    write_result("predict_speed", payload)
    print("\n" + "\n".join(f"{name}: {'holds' if each else 'does not hold'}" for name, each in holds.items()))


if __name__ == "__main__":
    main()
