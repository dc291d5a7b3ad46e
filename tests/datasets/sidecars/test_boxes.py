"""Persons and faces as sidecars: what is kept of a detector's boxes, and in whose pixels they are."""

import json

import numpy as np
import pytest
from vemo.cli import main
from vemo.datasets.sidecars import FacesConfig, PersonsConfig, boxes, write_faces, write_persons
from vemo.datasets.sidecars.boxes import boxes_of
from vemo.datasets.sidecars.layout import Maker
from vemo.datasets.stream import ShardSet
from vemo.foundation import UserError

SIZE = (100, 200)  # height, width


def found(*rows):
    return np.array(rows, np.float32).reshape(len(rows), -1)


def test_the_surest_come_first_and_the_unsure_not_at_all():
    rows = found([0, 0, 9, 9, 0.6], [0, 0, 8, 8, 0.9], [0, 0, 7, 7, 0.49], [0, 0, 6, 6, 0.5])
    kept = boxes_of(rows, SIZE, "me", score=0.5, most=9)
    assert kept == [
        {"box": [0.0, 0.0, 8.0, 8.0], "score": 0.9, "by": "me"},
        {"box": [0.0, 0.0, 9.0, 9.0], "score": 0.6, "by": "me"},
        {"box": [0.0, 0.0, 6.0, 6.0], "score": 0.5, "by": "me"},
    ]
    assert boxes_of(rows, SIZE, "me", score=0.5, most=2) == kept[:2]
    assert boxes_of(np.empty((0, 5), np.float32), SIZE, "me", 0.5, 9) == []


def test_boxes_end_at_the_image():
    rows = found(
        [-5, -4, 250, 120, 1.0], [150, 20, 260, 30, 0.9], [199.5, 0, 300, 50, 0.8], [210, 0, 300, 50, 0.7]
    )
    kept = boxes_of(rows, SIZE, "me", 0.5, 9)
    assert [each["box"] for each in kept] == [[0.0, 0.0, 200.0, 100.0], [150.0, 20.0, 200.0, 30.0]]


def test_what_is_no_box_is_left_out():
    rows = found([5, 5, 5, 50, 1.0], [9, 9, 2, 2, 1.0], [np.nan, 0, 9, 9, 1.0], [0, 0, np.inf, 9, 1.0])
    assert boxes_of(rows, SIZE, "me", 0.5, 9) == []
    assert boxes_of(found([1, 1, 9, 9, 1.0000001]), SIZE, "me", 0.5, 9)[0]["score"] == 1.0


def test_landmarks_may_lie_outside():
    row = [0, 0, 20, 20, 0.9, -3.0, 5.126, 6, 5, 4, 8, 1, 11, 7, 11]
    (face,) = boxes_of(found(row), SIZE, "me", 0.5, 9)
    assert face["landmarks"] == [[-3.0, 5.13], [6.0, 5.0], [4.0, 8.0], [1.0, 11.0], [7.0, 11.0]]


class RedDetector:
    """Finds the red parts of a picture; a stand-in for a network. Sure by how large they are."""

    maker = Maker(name="red", licence="none", weights_sha256="0" * 64)
    here = False

    def __init__(self, landmarks: bool = False) -> None:
        self.landmarks = landmarks

    def __call__(self, pixels):
        assert pixels.dtype == np.uint8
        red = (pixels[..., 0] > 180) & (pixels[..., 2] < 60)
        if not red.any():
            return np.empty((0, 15 if self.landmarks else 5), np.float32)
        rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, 0.9]
        return found([*box, *box[:2] * 5] if self.landmarks else box)


@pytest.fixture
def detector(monkeypatch):
    """What any spec loads, instead of a network; the specs that were asked for."""
    asked = []

    def load(spec):
        asked.append(spec)
        return RedDetector(landmarks=spec.startswith("yunet"))

    monkeypatch.setattr(boxes, "load_detector", load)
    return asked


def test_persons_of_a_whole_set_in_pixels_of_the_displayed_image(pictures, detector, number_of, red_box):
    report = write_persons(PersonsConfig(shards=pictures, detector="onnx:some.onnx", workers=0))
    assert (report.samples, report.found) == (18, 12)
    assert set(detector) == {"onnx:some.onnx"}
    shards = ShardSet(pictures, sidecars=["persons"])
    for split in shards.splits:
        for record in shards.records(split):
            expected = red_box(number_of(record))
            assert [each["box"] for each in record["persons"]] == ([expected] if expected else [])
            assert all(each["by"] == "red" and each["score"] == 0.9 for each in record["persons"])


def test_what_sidecar_json_says_of_the_detector(pictures, detector):
    config = PersonsConfig(shards=pictures, detector="onnx:some.onnx", score=0.3, licence="MIT", workers=0)
    write_persons(config)
    about = json.loads((pictures / "sidecars/persons/sidecar.json").read_bytes())
    assert about["made_by"] == {"name": "red", "licence": "MIT", "weights_sha256": "0" * 64}
    assert about["settings"] == {"score": 0.3, "most": 20}
    assert about["command"] == "vemo shards persons DIR licence=MIT detector=onnx:some.onnx score=0.3"


def test_a_threshold_that_nothing_passes_leaves_empty_lists(pictures, detector):
    write_persons(PersonsConfig(shards=pictures, detector="onnx:some.onnx", score=0.95, workers=0))
    assert all(r["persons"] == [] for r in ShardSet(pictures, sidecars=["persons"]).records("train"))


def test_another_threshold_needs_another_name(pictures, detector):
    write_persons(PersonsConfig(shards=pictures, detector="onnx:some.onnx", workers=0))
    with pytest.raises(UserError, match=r"settings.score was 0.5 and is now 0.4; .* choose another name"):
        write_persons(PersonsConfig(shards=pictures, detector="onnx:some.onnx", score=0.4, workers=0))


def test_faces_bring_landmarks(pictures, detector, number_of, red_box):
    report = write_faces(FacesConfig(shards=pictures, yunet="some.onnx", workers=0))
    assert report.found == 12 and set(detector) == {"yunet:some.onnx"}
    for record in ShardSet(pictures, sidecars=["faces"]).records("train"):
        expected = red_box(number_of(record))
        assert [each["landmarks"] for each in record["faces"]] == ([[expected[:2]] * 5] if expected else [])


def test_persons_that_the_records_have(pictures, write_said, capsys):
    with pytest.raises(UserError, match="no record has persons; give one of the detectors: onnx:FILE"):
        write_persons(PersonsConfig(shards=pictures, detector="dataset"))
    identifier = ShardSet(pictures).record("train", 0)["id"]
    edit = {"id": identifier, "set": {"persons": []}, "by": "ann"}
    (pictures / "overrides.jsonl").write_text(json.dumps(edit))
    assert main(["shards", "persons", str(pictures), "detector=dataset"]) == 0
    assert "1 of 18 records have persons of their own; nothing to do" in capsys.readouterr().out
    assert not (pictures / "sidecars").exists()


@pytest.mark.parametrize("command", ["persons", "faces"])
def test_mistakes_on_the_command_line_are_one_line(pictures, capsys, command):
    assert main(["shards", command, str(pictures)]) == 2
    assert {"persons": "detector", "faces": "yunet"}[command] in capsys.readouterr().err
    given = {"persons": "detector=onnx:/nowhere.onnx", "faces": "yunet=/nowhere.onnx"}[command]
    assert main(["shards", command, str(pictures), given]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and ("nowhere.onnx" in message or "vemo[detect]" in message)
    assert not (pictures / "sidecars").exists()
