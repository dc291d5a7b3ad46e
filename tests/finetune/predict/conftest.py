"""A model folder without training, videos made on the spot, and a detector of red faces."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from vemo.finetune.emotion import ContextConfig, ContextFusion, HeadConfig, build_head
from vemo.finetune.fer import SqueezeConfig
from vemo.finetune.outcome import save_model
from vemo.finetune.predict.alignment import TEMPLATE, TEMPLATE_SIDE
from vemo.finetune.task import FinetuneTask
from vemo.zoo import load_encoder

RED, GREY = (230, 20, 20), (90, 110, 100)
HEADS = {"emotion": {"kind": "single", "space": "mikels8"}, "tone": {"kind": "vad"}}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_model(release, tmp_path_factory):
    """make_model(heads, encoder, person, squeeze, **about): the folder of a run, its model random."""

    def make(heads=HEADS, encoder=None, person="none", squeeze=None, **about):
        torch.manual_seed(3)
        network = load_encoder(release) if encoder is None else encoder
        fusion = ContextFusion(network.width, ContextConfig()) if person == "crop_and_scene" else None
        built = {
            name: build_head(name, TypeAdapter(HeadConfig).validate_python(each), network.width)
            for name, each in heads.items()
        }
        for head in built.values():
            torch.nn.init.normal_(head.linear.weight, std=0.5)
        folder = tmp_path_factory.mktemp("run")
        facts = {
            "data": {"split": "train"},
            "encoder": network.description,
            "image_size": network.image_size,
            "person": person,
            "context": ContextConfig().model_dump() if fusion else None,
            "heads": heads,
            "view": {"interpolation": "bicubic", "margin": 0.1},
            "crop_fraction": 1.0,
            **({"squeeze": squeeze} if squeeze else {}),
        }
        between = SqueezeConfig.model_validate(squeeze) if squeeze else None
        task = FinetuneTask(network, built, fusion=fusion, squeeze=between).eval()
        save_model(folder / "model", task, {**facts, **about})
        make.last = task
        return folder

    return make


@pytest.fixture(scope="session")
def model(make_model):
    """Classes and axes; not to be written to."""
    return make_model()


@pytest.fixture(scope="session")
def write_video():
    """write_video(path, frames, rate=10, times=None, rotation=0, codec="mpeg4", **options): of [H, W, 3]."""
    av = pytest.importorskip("av", reason="videos are made and read with PyAV: pip install 'vemo[video]'")

    def write(path, frames, rate=10, times=None, rotation=0, codec="mpeg4", **options):
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
            stream.bit_rate = 4_000_000
            for place, pixels in enumerate(frames):
                if place == 0:
                    stream.height, stream.width = pixels.shape[:2]
                    if rotation:
                        stream.set_display_rotation(rotation)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.time_base = Fraction(1, 1000)
                frame.pts = round(1000 * (place / rate if times is None else times[place]))
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


def scene(*boxes, size=(96, 128)):
    """A grey picture [H, W, 3], a little uneven, with red boxes x1, y1, x2, y2."""
    pixels = np.full((*size, 3), GREY, np.uint8)
    pixels[::2] += 20
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = RED
    return pixels


class RedFaces:
    """Finds red boxes above and below which is no other: float32 [n, 15], ArcFace's points in them."""

    def __call__(self, pixels):
        red = (pixels[..., 0] > 160) & (pixels[..., 1:].max(2) < 100)
        found, columns = [], np.flatnonzero(np.diff(np.r_[0, red.any(0).astype(int), 0]))
        for left, right in columns.reshape(-1, 2):
            if right - left < 4:  # what a film's codec leaves beside an edge
                continue
            rows = np.flatnonzero(red[:, left:right].any(1))
            top, bottom = rows[0], rows[-1] + 1
            points = TEMPLATE / TEMPLATE_SIDE * (right - left, bottom - top) + (left, top)
            points[2, 0] += 0.05 * (right - left)  # the nose, a little aside
            found.append([left, top, right, bottom, 0.9 - left / 1000, *points.ravel()])
        return np.array(found, np.float32).reshape(-1, 15)


@pytest.fixture(name="scene")
def _scene():
    return scene


@pytest.fixture(name="red_faces")
def _red_faces(monkeypatch):
    """In YuNet's place: `--yunet` may name any file."""
    monkeypatch.setattr("vemo.finetune.predict.run.load_detector", lambda spec: RedFaces())
    return RedFaces()
