"""ExpW: several labelled faces in one image, boxes in an unusual order, confidences beyond 1."""

import pytest
from PIL import Image
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.faces.expw import ExpWConfig
from vemo.foundation.errors import UserError

# The number in the last column, and fer7's word for it.
NUMBERED = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def write(root, lines, name="label/label.lst", newline="\n"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes("".join(line + newline for line in lines).encode())


def photo(root, name, grey=0, folder="image/origin"):
    """100 × 80 pixels."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("L", (100, 80), grey).save(root / folder / name)


def outcomes(root, **settings):
    return outcomes_of(make_reader(ExpWConfig(**settings), root))


def classes(record):
    return [person["labels"]["fer7"]["class"] for person in record["persons"]]


def test_faces_of_one_image_are_its_persons(tmp_path, round_trip):
    root = tmp_path / "set"
    for place, name in enumerate(["angry_actor_104.jpg", "happy baby_1.jpg", "awe_é_2.JPG"]):
        photo(root, name, place)
    # Name, face, top, left, right, bottom, confidence, expression.
    lines = [
        "angry_actor_104.jpg 0 28 13 66 71 22.9362 0",
        "happy baby_1.jpg 0 1 2 30 40 0.5 3",
        *(f"angry_actor_104.jpg {face} 1 {face} 9 8 10 {face}" for face in range(1, 7)),
        "awe_é_2.jpg 2 -4 -5 120 90 61.2 5",
        "awe_é_2.jpg 2 -4 -5 120 90 61.2 5",
    ]
    write(root, lines, newline=" \r\n")
    records = round_trip(ExpWConfig(), root)
    assert set(records) == {"expw/angry_actor_104.jpg", "expw/happy baby_1.jpg", "expw/awe_é_2.jpg"}
    first = records["expw/angry_actor_104.jpg"]
    assert "labels" not in first and classes(first) == NUMBERED
    assert first["persons"][0] == {
        "box": [13, 28, 66, 71],
        "labels": {"fer7": {"class": "anger"}},
        "attributes": {"face_id": 0, "box_confidence": 22.9362},
    }
    assert classes(records["expw/happy baby_1.jpg"]) == ["happiness"]
    (clipped,) = records["expw/awe_é_2.jpg"]["persons"]  # the repeated line is the same face
    assert clipped["box"] == [0, 0, 100, 80]
    assert records["expw/awe_é_2.jpg"]["source"]["path"] == "image/origin/awe_é_2.JPG"


def test_lines_that_cannot_be_used_fail_and_the_other_faces_count(tmp_path):
    photo(tmp_path, "a.jpg")
    photo(tmp_path, "b.jpg", 1)
    lines = [
        "a.jpg 0 1 2 30 40 9 3",
        "a.jpg 1 1 2 30 40 9 7",
        "a.jpg 2 1 2 30 40 9 happy",
        "a.jpg 3.5 1 2 30 40 9 1",
        "a.jpg 4 nan 2 30 40 9 1",
        "a.jpg 5 1 2 30 40 1",
        "a.jpg 0 1 2 30 40 9 4",
        "",
        "a.jpg 0 5 5 50 50 9 4",
        "b.jpg 0 1 200 300 40 9 3",
        "gone.jpg 0 1 2 30 40 9 3",
        "../../c.jpg 0 1 2 30 40 9 3",
    ]
    write(tmp_path, lines)
    found = outcomes(tmp_path)
    assert classes(found.pop("a.jpg")) == ["happiness", "sadness"]  # one number, two boxes: two faces
    assert {name: said.partition(":")[0] for name, said in found.items()} == {
        **dict.fromkeys((f"line{number}" for number in range(2, 8)), "bad_row"),
        "b.jpg": "bad_annotation",
        "gone.jpg": "missing_image",
        "../../c.jpg": "path_escapes_root",
    }
    assert "label.lst line 2: expression is 7, not from 0 to 6" in found["line2"]
    assert "expression is 'happy', not a number" in found["line3"]
    assert "face_id is '3.5', not a whole number" in found["line4"]
    assert "the same face was happiness before, and is sadness" in found["line7"]
    assert "nothing of the box [200.0, 1.0, 300.0, 40.0] lies in 100 × 80 pixels" in found["b.jpg"]


def test_images_without_a_line_are_listed_where_asked_for(tmp_path):
    photo(tmp_path, "a.jpg")
    photo(tmp_path, "b.jpg", 1)
    write(tmp_path, ["a.jpg 0 1 2 30 40 9 3"])
    assert list(outcomes(tmp_path)) == ["a.jpg"]
    found = outcomes(tmp_path, unlabelled=True)
    assert list(found) == ["a.jpg", "b.jpg"]
    assert "persons" not in found["b.jpg"]


def test_copies_share_a_group_and_there_is_no_split(tmp_path):
    for name, grey in (("a.jpg", 0), ("b.jpg", 1), ("c.jpg", 0)):
        photo(tmp_path, name, grey, "origin")
    write(tmp_path, [f"{name}.jpg 0 1 2 30 40 9 3" for name in "abc"], "label.lst")
    first, other, copy = make_reader(ExpWConfig(), tmp_path).rows()
    assert first.group == copy.group != other.group
    assert {row.split for row in (first, other, copy)} == {None}


def test_a_damaged_image_fails_before_its_boxes_are_judged(tmp_path):
    (tmp_path / "image" / "origin").mkdir(parents=True)
    (tmp_path / "image" / "origin" / "a.jpg").write_bytes(b"not an image")
    write(tmp_path, ["a.jpg 0 1 2 30 40 9 3"])
    assert outcomes(tmp_path)["a.jpg"].startswith("undecodable_image: image/origin/a.jpg")


def test_without_the_list(tmp_path):
    photo(tmp_path, "a.jpg")
    with pytest.raises(
        UserError, match=r"no label/label\.lst or label\.lst, so this is no expw folder.*mmlab"
    ):
        make_reader(ExpWConfig(), tmp_path)
