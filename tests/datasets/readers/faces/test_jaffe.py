"""JAFFE: everything stands in the file's name, but for the raters' means in the readme."""

import io

import pytest
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.faces.jaffe import JaffeConfig
from vemo.foundation.errors import UserError

NAMES = {
    "KA.AN1.39.tiff": "anger",
    "KA.DI2.43.tiff": "disgust",
    "KL.FE3.176.tiff": "fear",
    "KM.HA1.4.tiff": "happiness",
    "KM.NE1.1.tiff": "neutral",
    "YM.SA3.57.tiff": "sadness",
    "YM.SU2.59.tiff": "surprise",
}
# The readme's table, and a part of the prose around it.
README = """\
Semantic Ratings Data 5 4 3 2 1 KM-NE1

 N  HAP  SAD  SUR  ANG  DIS  FEA  PIC
--------------------------------------
 1 2.87 2.52 2.10 1.97 1.97 2.06 KM-NE1\r
39 1.00 2.5 1.35 4.61 3.03 1.90\tKA-AN1
40 1.00 2.5 1.35 4.61 3.03 9.90 YM-SU2
"""


def tiff(path, grey):
    """256 × 256 grey pixels without compression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("L", (256, 256), grey).save(buffer, "TIFF")
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("above", ["jaffedbase", ""])
def test_names_tell_expression_and_subject(tmp_path, round_trip, above):
    root = tmp_path / "set"
    for grey, name in enumerate(NAMES):
        tiff(root / above / name, grey)
    records = round_trip(JaffeConfig(), root)
    assert {name: record["labels"]["fer7"]["class"] for name, record in records.items()} == {
        f"jaffe/{name.removesuffix('.tiff')}": expression for name, expression in NAMES.items()
    }
    groups = {name[6:8]: record["source"]["group"] for name, record in records.items()}
    assert groups == {"KA": "KA", "KL": "KL", "KM": "KM", "YM": "YM"}
    assert not any("split" in record["source"] for record in records.values())
    assert not any("attributes" in record for record in records.values())


def test_ratings_of_the_readme_are_attributes(tmp_path, round_trip):
    root = tmp_path / "set"
    for grey, name in enumerate(NAMES):
        tiff(root / name, grey)
    (root / "README_FIRST.txt").write_bytes(README.encode())
    records = round_trip(JaffeConfig(), root)
    rated = {name: record["attributes"] for name, record in records.items() if "attributes" in record}
    assert rated == {
        "jaffe/KM.NE1.1": {
            "rating_happiness": 2.87,
            "rating_sadness": 2.52,
            "rating_surprise": 2.1,
            "rating_anger": 1.97,
            "rating_disgust": 1.97,
            "rating_fear": 2.06,
        },
        "jaffe/KA.AN1.39": {
            "rating_happiness": 1,
            "rating_sadness": 2.5,
            "rating_surprise": 1.35,
            "rating_anger": 4.61,
            "rating_disgust": 3.03,
            "rating_fear": 1.9,
        },
    }


def test_strange_names_and_copies_fail(tmp_path):
    for grey, name in enumerate(["KA.AN1.39.tiff", "KA.AN1.39.tiff.png", "KA.XX1.40.tiff", "group.tiff"]):
        tiff(tmp_path / name, grey)
    reader, outcomes = make_reader(JaffeConfig(), tmp_path), {}
    for row in reader.rows():
        try:
            outcomes[row.id] = reader.read(row)[0].id
        except SampleError as error:
            outcomes[row.id] = error.reason
    assert outcomes == {
        "KA.AN1.39": "jaffe/KA.AN1.39",
        "KA.AN1.39~2": "duplicate_id",
        "KA.XX1.40.tiff": "bad_annotation",
        "group.tiff": "bad_annotation",
    }


def test_another_folder(tmp_path):
    tiff(tmp_path / "group.tiff", 0)
    with pytest.raises(UserError, match=r"no image is named like KA\.AN1\.39\.tiff.*no jaffe folder.*zenodo"):
        make_reader(JaffeConfig(), tmp_path)
