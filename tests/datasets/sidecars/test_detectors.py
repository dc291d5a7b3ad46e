"""Detectors: what each hands to its network and makes of the answer, and every file that is none.

Networks are made here, tiny and with known answers; the published ones are tried where VEMO_DETECTORS names a
folder that holds them.
"""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from vemo.datasets.sidecars import PersonsConfig, write_persons
from vemo.datasets.sidecars.detectors import TorchvisionDetector, letterbox, load_detector
from vemo.datasets.stream import ShardSet
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.foundation import UserError
from vemo.foundation.files import sha256_of

BLUE, RED = (0, 0, 255), (255, 0, 0)


def filled(colour: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_a_letterbox_keeps_the_shape_and_fills_with_grey():
    canvas, scale = letterbox(filled(RED, 30, 60), 64, 64)
    assert canvas.shape == (64, 64, 3) and scale == 64 / 60
    assert (canvas[:32] == RED).all() and (canvas[32:] == 114).all()
    canvas, scale = letterbox(filled(RED, 640, 320), 64, 96)
    assert scale == 0.1 and (canvas[:, :32] == RED).all() and (canvas[:, 32:] == 114).all()
    assert letterbox(filled(RED, 1, 5000), 64, 64)[0][0, 0].tolist() == list(RED)


@pytest.fixture
def make_onnx(tmp_path):
    """make_onnx(name, labels=None, shape=…, output="dets"): a network that finds two boxes of 8 x 8.

    Their score is the mean of the first channel over 255: 1 for a blue canvas fed as BGR, 0 for a red one.
    """
    onnx = pytest.importorskip("onnx", reason="tiny networks are made with onnx: pip install 'vemo[onnx]'")
    pytest.importorskip("onnxruntime", reason="they run in onnxruntime: pip install 'vemo[detect]'")
    helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

    def make(name="tiny.onnx", labels=None, shape=(1, 3, 64, 96), output="dets"):
        boxes = onnx.numpy_helper.from_array(
            np.array([[[2, 4, 10, 12], [32, 0, 40, 8]]], np.float32), "boxes"
        )
        first = onnx.numpy_helper.from_array(np.array([0]), "first")
        full = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), 255, np.float32), "full")
        column = onnx.numpy_helper.from_array(np.array([1, 1, 1]), "column")
        two = onnx.numpy_helper.from_array(np.array([1, 2, 1]), "two")
        nodes = [
            helper.make_node("Gather", ["input", "first"], ["blue"], axis=1),
            helper.make_node("ReduceMean", ["blue"], ["mean"], keepdims=1),
            helper.make_node("Div", ["mean", "full"], ["share"]),
            helper.make_node("Reshape", ["share", "column"], ["score"]),
            helper.make_node("Tile", ["score", "two"], ["scores"]),
            helper.make_node("Concat", ["boxes", "scores"], [output], axis=2),
        ]
        outputs = [helper.make_tensor_value_info(output, FLOAT, (1, None, 5))]
        initializers = [boxes, first, full, column, two]
        if labels is not None:
            initializers.append(onnx.numpy_helper.from_array(np.array([labels]), "known"))
            nodes.append(helper.make_node("Identity", ["known"], ["labels"]))
            outputs.append(helper.make_tensor_value_info("labels", INT64, (1, None)))
        inputs = [helper.make_tensor_value_info("input", FLOAT, shape)]
        graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return make


def test_an_onnx_detector_sees_bgr_and_answers_in_the_images_pixels(make_onnx):
    path = make_onnx()
    detector = load_detector(f"onnx:{path}")
    assert detector.maker.name == "tiny" and detector.maker.weights_sha256 == sha256_of(path)
    assert detector.maker.licence is None
    found = detector(filled(BLUE, 640, 960))
    np.testing.assert_allclose(found, [[20, 40, 100, 120, 1], [320, 0, 400, 80, 1]], rtol=1e-6)
    assert (detector(filled(RED, 640, 960))[:, 4] == 0).all()
    half = detector(filled(BLUE, 64, 48))  # the right half of the canvas is grey
    np.testing.assert_allclose(half[:, 4], (255 + 114) / 2 / 255, rtol=1e-5)


def test_an_onnx_detector_of_many_classes_keeps_persons(make_onnx):
    assert len(load_detector(f"onnx:{make_onnx('both.onnx', labels=[0, 0])}")(filled(BLUE, 64, 96))) == 2
    assert len(load_detector(f"onnx:{make_onnx('one.onnx', labels=[16, 0])}")(filled(BLUE, 64, 96))) == 1
    assert len(load_detector(f"onnx:{make_onnx('none.onnx', labels=[16, 2])}")(filled(BLUE, 64, 96))) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_an_onnx_detector_in_any_number_of_processes(pictures, make_onnx, workers):
    config = PersonsConfig(shards=pictures, detector=f"onnx:{make_onnx()}", score=0, workers=workers)
    assert write_persons(config).found == 18
    assert len(ShardSet(pictures, sidecars=["persons"]).record("train", 0)["persons"]) == 2


def test_onnx_files_that_are_no_detector(make_onnx, tmp_path):
    with pytest.raises(UserError, match=r"image \[1, 3, H, W\] of fixed size, this takes \[1, 3, 'h', 'w'\]"):
        load_detector(f"onnx:{make_onnx('free.onnx', shape=(1, 3, 'h', 'w'))}")
    with pytest.raises(UserError, match=r"gives `dets` \[1, n, 5\].* this gives found"):
        load_detector(f"onnx:{make_onnx('other.onnx', output='found')}")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"broken.onnx: onnxruntime cannot read it"):
        load_detector(f"onnx:{tmp_path / 'broken.onnx'}")
    with pytest.raises(UserError, match="no such file"):
        load_detector(f"onnx:{tmp_path / 'nowhere.onnx'}")


@pytest.mark.parametrize(("package", "spec"), [("onnxruntime", "onnx:a.onnx"), ("cv2", "yunet:a.onnx")])
def test_a_missing_package_is_one_line(monkeypatch, package, spec):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"needs the package {package}: pip install 'vemo\[detect\]'"):
        load_detector(spec)


@pytest.mark.parametrize("spec", ["", "onnx", "onnx:", "yolo:x.pt", "/a/b.onnx"])
def test_unknown_specs_list_the_known_kinds(spec):
    with pytest.raises(UserError, match=r"unknown; there are onnx:FILE, torchvision:NAME\[@FILE\], dataset"):
        load_detector(spec)


SMALL = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Untrained weights of torchvision's smallest detector."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(get_model(SMALL, weights=None, weights_backbone=None).state_dict(), path)
    return path


def test_a_torchvision_detector_from_a_file(weights):
    detector = load_detector(f"torchvision:{SMALL}@{weights}")
    assert detector.here and detector.maker.name == f"torchvision-{SMALL}"
    assert detector.maker.weights_sha256 == sha256_of(weights)
    found = detector(filled(RED, 50, 70))
    assert found.dtype == np.float32 and found.shape[1] == 5
    assert ((found[:, 2] <= 70) & (found[:, 3] <= 50)).all()


class Answers(nn.Module):
    """In place of a network: a person, a bicycle, a person; and what it was shown."""

    def forward(self, images):
        self.shown = images
        boxes = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
        return [{"boxes": boxes, "labels": torch.tensor([1, 2, 1]), "scores": torch.tensor([0.9, 0.8, 0.1])}]


def test_a_torchvision_detector_keeps_persons(weights):
    detector = TorchvisionDetector(f"{SMALL}@{weights}")
    detector.model = Answers()
    found = detector(filled(RED, 5, 7))
    np.testing.assert_allclose(found, [[1, 2, 3, 4, 0.9], [9, 10, 11, 12, 0.1]], rtol=1e-6)
    (shown,) = detector.model.shown
    assert (
        shown.shape == (3, 5, 7)
        and (shown.amax((1, 2)) == torch.tensor([1.0, 0, 0], device=shown.device)).all()
    )


def test_torchvision_names_and_files_that_are_none(weights, tmp_path):
    with pytest.raises(UserError, match=f"unknown; there are .*{SMALL}"):
        load_detector("torchvision:yolo")
    with pytest.raises(UserError, match="does not fit ssd300_vgg16"):
        load_detector(f"torchvision:ssd300_vgg16@{weights}")
    with pytest.raises(UserError, match="no such file"):
        load_detector(f"torchvision:{SMALL}@{tmp_path / 'nowhere.pt'}")
    (tmp_path / "code.pt").write_bytes(pickle.dumps(os.getcwd, protocol=2))
    with pytest.raises(UserError, match=r"code.pt: no weights that can be read safely"):
        load_detector(f"torchvision:{SMALL}@{tmp_path / 'code.pt'}")


def test_torchvision_without_a_network_says_what_to_give(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(UserError, match=rf"no route to host\); give a file: torchvision:{SMALL}@FILE"):
        TorchvisionDetector(SMALL)


def test_a_file_that_is_no_yunet(tmp_path):
    pytest.importorskip("cv2", reason="YuNet runs in OpenCV: pip install 'vemo[detect]'")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"broken\.onnx: OpenCV cannot use it as YuNet"):
        load_detector(f"yunet:{tmp_path / 'broken.onnx'}")


def test_a_network_that_is_no_yunet(make_onnx):
    pytest.importorskip("cv2", reason="YuNet runs in OpenCV: pip install 'vemo[detect]'")
    with pytest.raises(UserError, match="OpenCV cannot use it as YuNet"):
        load_detector(f"yunet:{make_onnx('tiny2.onnx')}")


def published(name: str) -> Path:
    folder = os.environ.get("VEMO_DETECTORS")
    if not folder:
        pytest.skip(f"VEMO_DETECTORS names no folder with {name}")
    path = next(Path(folder).rglob(name), None)
    if path is None:
        pytest.skip(f"no {name} below {folder}")
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Drawn pictures, and of each whether people are in it."""
    from vemo.datasets.shards import BuildConfig, build

    root = tmp_path_factory.mktemp("drawn")
    synthesize(SynthesizeConfig(out=root / "native", images=40, seed=3))
    config = {"root": root / "native", "out": root / "set", "reader": {"kind": "emoset"}, "workers": 0}
    return ShardSet(build(BuildConfig.model_validate(config)).out)


def images_of(shards):
    from vemo.datasets.shards.images import decode_pixels

    for split in shards.splits:
        for place in range(shards.count(split)):
            record, data = shards.read(split, place)
            yield record, decode_pixels(data)


@pytest.mark.real_data
def test_the_published_person_detector_finds_drawn_people(drawn):
    pytest.importorskip("onnxruntime", reason="it runs in onnxruntime: pip install 'vemo[detect]'")
    detector = load_detector(f"onnx:{published('yolox_tiny_8xb8-300e_humanart-6f3252f9.onnx')}")
    assert detector.maker.name == "yolox-tiny-humanart" and detector.maker.licence.startswith("Apache-2.0")
    overlaps = []
    for record, pixels in images_of(drawn):
        if len(record.get("persons", ())) == 1:
            found = detector(pixels)
            sure = found[found[:, 4] > 0.5]
            overlaps.append(max((overlap(record["persons"][0]["box"], row[:4]) for row in sure), default=0))
    assert np.mean(np.array(overlaps) > 0.5) > 0.5, overlaps


def overlap(one, other) -> float:
    """Intersection over union of two boxes."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    inner = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(inner / (sum(areas) - inner))


@pytest.mark.real_data
def test_the_published_yunet_finds_drawn_faces_at_any_size(drawn):
    pytest.importorskip("cv2", reason="YuNet runs in OpenCV: pip install 'vemo[detect]'")
    detector = load_detector(f"yunet:{published('face_detection_yunet_2023mar.onnx')}")
    assert detector.maker.name == "yunet-2023mar"
    sure = []
    for _, pixels in images_of(drawn):
        small, large = detector(pixels), detector(pixels.repeat(4, 0).repeat(4, 1))
        if len(small) and small[:, 4].max() > 0.8 and len(large):
            first, second = (rows[rows[:, 4].argmax()] for rows in (small, large))
            sure.append((first, second))
    assert len(sure) >= 5
    pixels_at = [0, 1, 2, 3, *range(5, 15)]
    apart = [np.abs(first[pixels_at] - second[pixels_at] / 4) for first, second in sure]
    assert np.median(apart) < 4
    for face, _ in sure:
        x1, y1, x2, y2 = face[:4]
        right_eye, left_eye, nose, right_corner, left_corner = face[5:].reshape(5, 2)
        assert x1 < right_eye[0] < left_eye[0] < x2 and right_corner[0] < left_corner[0]
        assert y1 < right_eye[1] < nose[1] < right_corner[1] < y2 + 0.1 * (y2 - y1)
