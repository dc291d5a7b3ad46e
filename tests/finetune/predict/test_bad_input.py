"""What goes wrong with pictures, faces and numbers is a row that says so, and the run goes on."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from vemo.cli import main
from vemo.finetune.predict import load_model
from vemo.finetune.predict.alignment import TEMPLATE, TEMPLATE_SIDE
from vemo.finetune.predict.config import FaceConfig
from vemo.finetune.predict.looks import Faces, Pictures
from vemo.finetune.predict.networks import FEATURES
from vemo.finetune.predict.run import results
from vemo.finetune.predict.sources import Frame
from vemo.foundation.files import sha256_of


def face(x1, y1, x2, y2, score=0.9, points=None):
    """A detection as YuNet gives it, float [15]."""
    points = TEMPLATE / TEMPLATE_SIDE * (x2 - x1, y2 - y1) + (x1, y1) if points is None else points
    return np.array([x1, y1, x2, y2, score, *np.ravel(points)], np.float32)


def rows_of(model, detections, size=(200, 300), **config):
    """The rows of one noisy frame in which a detector finds these."""
    noise = np.random.default_rng(0).integers(0, 255, (3, *size)).astype(np.uint8)
    found = np.array(detections, np.float32).reshape(-1, 15)
    predictor = load_model(model)
    look = Faces(predictor, lambda pixels: found, FaceConfig(**config))
    frames = [Frame("picture", image=torch.from_numpy(noise))]
    return [row for _, rows in results(frames, look, predictor) for row in rows]


def test_no_face(model):
    (row,) = rows_of(model, [])
    assert (row.status, row.said) == ("no_face", {}) and "no detection of 0.6 or more" in row.reason


def test_detections_that_are_no_numbers_or_no_face(model):
    nan, beyond = face(10, 10, 60, 60), face(20, 20, 80, 80)
    nan[3] = np.nan
    coincide = face(100, 100, 160, 160, points=np.full((5, 2), 130.0))
    outside = face(150, 50, 210, 110, points=TEMPLATE + 4000)
    beyond[7] = np.inf
    rows = rows_of(model, [nan, beyond, coincide, outside, face(200, 100, 260, 160)])
    assert sorted(row.status for row in rows) == ["ok", "skipped", "skipped"]
    assert {row.reason for row in rows} == {
        None,
        "the points coincide",
        "the middle of the face lies outside the image",
    }


def test_many_and_tiny_faces(model):
    grid = [
        face(12 * x, 12 * y, 12 * x + 10, 12 * y + 10, 0.99 - 0.001 * x) for x in range(20) for y in range(15)
    ]
    rows = rows_of(model, grid)
    assert len(rows) == 51 and [row.status for row in rows] == ["skipped"] * 51
    assert rows[0].reason == "10 pixels; smallest=24" and rows[-1].reason.startswith("250 more faces")
    rows = rows_of(model, grid, smallest=5, most=300)
    assert len(rows) == 300 and {row.status for row in rows} == {"ok"} and all(row.said for row in rows)


def test_a_profile_is_looked_at_unless_asked_not_to(model):
    """Half the face is hidden: eyes and mouth corners lie one behind the other."""
    points = np.array([[70, 60], [72, 60], [95, 80], [70, 105], [72, 105]], float)
    detection = face(40, 20, 110, 130, points=points)
    (row,) = rows_of(model, [detection])
    assert row.status == "ok"
    (row,) = rows_of(model, [detection], turn=0.5)
    assert row.status == "skipped" and row.reason.startswith("turned by ")
    (row,) = rows_of(model, [face(40, 20, 110, 130, points=np.tile(points.mean(0), (5, 1)))], turn=0.5)
    assert row.status == "skipped"


def test_a_face_that_fills_and_leaves_the_picture(model):
    (row,) = rows_of(model, [face(-400, -300, 700, 500)])
    assert row.status == "ok" and row.box == [0, 0, 300, 200]


def test_answers_that_are_no_numbers(model):
    """Of five pictures one gives NaN, one infinity: their rows say so, the others are untouched."""
    predictor = load_model(model)
    network = predictor.network
    pictures = [np.random.default_rng(seed).integers(0, 255, (3, 40, 40)) for seed in range(5)]
    frames = [Frame(f"{n}", image=torch.from_numpy(each.astype(np.uint8))) for n, each in enumerate(pictures)]
    sound = [rows[0].said for _, rows in results(frames, Pictures(predictor), predictor)]

    class Sick:
        def __getattr__(self, name):
            return getattr(network, name)

        def __call__(self, images):
            said = network(images)
            said["emotion"][1, 2], said["tone"][3] = torch.nan, torch.inf
            assert FEATURES in said
            return said

    predictor.network = Sick()
    rows = [rows[0] for _, rows in results(frames, Pictures(predictor), predictor)]
    assert [row.status for row in rows] == ["ok", "failed", "ok", "failed", "ok"]
    assert rows[1].reason == "heads.emotion: the model gives no number" and rows[1].said == {}
    assert "heads.tone" in rows[3].reason
    assert [rows[place].said for place in (0, 2, 4)] == [sound[place] for place in (0, 2, 4)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(make_model, tmp_path, scene, capsys, bad):
    """`vemo predict` says so in every row and by its exit code."""
    folder = make_model({"emotion": {"kind": "single", "space": "mikels8"}})
    path = folder / "model/model.safetensors"
    weights = load_file(path)
    weights["heads.emotion.linear.bias"][0] = bad
    save_file(weights, path)
    about = json.loads((folder / "model/model.json").read_text())
    about["weights_sha256"] = sha256_of(path)
    (folder / "model/model.json").write_text(json.dumps(about))
    Image.fromarray(scene((10, 10, 40, 40))).save(tmp_path / "a.png")
    assert main(["predict", str(tmp_path / "a.png"), "--checkpoint", str(folder), "--json"]) == 1
    shown = capsys.readouterr()
    row = json.loads(shown.out)
    assert (row["status"], row["heads"]) == ("failed", {}) and "1 failed" in shown.err


def test_a_picture_of_one_pixel_and_a_ribbon(model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, size in {"dot": (1, 1), "ribbon": (2, 900), "post": (700, 1)}.items():
        Image.fromarray(rng.integers(0, 255, (*size, 3)).astype(np.uint8)).save(tmp_path / f"{name}.png")
    assert main(["predict", str(tmp_path), "--checkpoint", str(model), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["blank", "ok", "ok"]


def test_a_webcam_from_the_command_line(model, red_faces, scene, monkeypatch, capsys):
    """A face, nobody, the lens covered; then it is unplugged, which the last row and the exit code say."""
    shown = iter([scene((20, 20, 60, 60)), scene(), np.zeros((96, 128, 3), np.uint8)])

    class Camera:
        def __init__(self, number):
            assert number == 0

        def isOpened(self):
            return True

        def read(self):
            pixels = next(shown, None)
            return (False, None) if pixels is None else (True, pixels[:, :, ::-1])

        def release(self):
            pass

    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(VideoCapture=Camera))
    given = ["webcam:0", "--checkpoint", str(model), "--faces", "--yunet", "any.onnx", "--every-frame"]
    assert main(["predict", *given, "--face-smallest", "10", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["ok", "no_face", "no_face", "incomplete"]
    assert rows[0]["track"] == 1 and rows[2]["reason"] == "the frame is of one colour"
    assert rows[3]["reason"] == "the camera gives no more frames"
