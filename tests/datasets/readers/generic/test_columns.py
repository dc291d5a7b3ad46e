"""The column mapping: every kind of label, cell and mistake, without a file in sight."""

import math

import pytest
from pydantic import ValidationError
from vemo.datasets.readers.generic.cells import (
    absent,
    flag_of,
    items_of,
    jsonable,
    lookup,
    names_in,
    number_of,
)
from vemo.datasets.readers.generic.columns import (
    BoxColumns,
    CaptionColumns,
    Columns,
    LabelColumns,
    VadColumns,
)
from vemo.datasets.taxonomy import label_space
from vemo.foundation.errors import UserError

EKMAN = label_space("ekman6")  # anger, disgust, fear, joy, sadness, surprise


def label(values, space=EKMAN, **mapping):
    columns = LabelColumns.model_validate(mapping)
    columns.check(space)
    return columns.label(space, values)


@pytest.mark.parametrize(
    ("cell", "mapping", "name"),
    [
        ("Happy ", {}, "joy"),  # a synonym of the label space
        ("glee", {"synonyms": {"Glee": "joy"}}, "joy"),
        ("3", {"names": ["sadness", "fear", "anger", "joy"]}, "joy"),
        (3, {"names": ["sadness", "fear", "anger", "joy"]}, "joy"),
        (0.0, {"names": ["sadness", "fear"]}, "sadness"),  # what gaps make of whole numbers
        ("1", {"names": ["glee", "fright"], "synonyms": {"glee": "joy", "fright": "fear"}}, "fear"),
        ("7", {"synonyms": {"7": "anger"}}, "anger"),
        (0, {"names": ["0", "1"], "synonyms": {"0": "joy", "1": "fear"}}, "joy"),
    ],
)
def test_a_class(cell, mapping, name):
    assert label({"c": cell}, **{"class": "c"}, **mapping) == {"class": name}


@pytest.mark.parametrize("cell", [None, "", "  ", math.nan, "none", -1, "-1", -1.0])
def test_nobody_labelled_this(cell):
    mapping = {"class": "c", "unlabelled": ["none", "-1"]}
    assert label({"c": cell}, **mapping) is None
    assert label({}, **mapping) is None


@pytest.mark.parametrize(
    ("cell", "mapping", "message"),
    [
        ("glee", {}, "ekman6 has no 'glee'"),
        ("2", {}, "2 is a number: say in names which class of ekman6 it means"),
        (2, {"names": ["joy", "fear"]}, "2 is beyond the 2 names, which are counted from 0"),
        (-1, {"names": ["joy", "fear"]}, "ekman6 has no '-1'"),
        (True, {"names": ["joy", "fear"]}, "ekman6 has no 'True'"),
        (0.5, {"names": ["joy", "fear"]}, "ekman6 has no '0.5'"),
    ],
)
def test_a_class_that_is_none(cell, mapping, message):
    with pytest.raises(UserError, match=message):
        label({"c": cell}, **{"class": "c"}, **mapping)


def test_votes_are_put_in_the_order_of_the_space_by_name():
    values = {"n_joy": "3", "n_anger": 1, "n_fear": 2.0}
    votes = {"joy": "n_joy", "fear": "n_fear", "angry": "n_anger"}
    assert label(values, votes=votes) == {"votes": [1, 0, 2, 3, 0, 0]}
    names = ["joy", "surprise", "anger"]
    for cell in ([3, 0, 1], "[3, 0, 1]", "3,0,1", (3, 0, 1)):
        assert label({"v": cell}, votes="v", names=names) == {"votes": [1, 0, 0, 3, 0, 0]}
    # two of the source's classes mean one of the space's
    merged = {"votes": {"glee": "a", "joy": "b"}, "synonyms": {"glee": "joy"}}
    assert label({"a": 1, "b": 2}, **merged) == {"votes": [0, 0, 0, 3, 0, 0]}


def test_no_votes_are_no_label():
    assert label({"a": 0, "b": "0"}, votes={"joy": "a", "fear": "b"}) is None
    assert label({"a": "", "b": None}, votes={"joy": "a", "fear": "b"}) is None
    with pytest.raises(UserError, match="votes for fear is None, not a number"):
        label({"a": 1}, votes={"joy": "a", "fear": "b"})
    with pytest.raises(UserError, match=r"votes are whole numbers, got .*0\.5"):
        label({"a": 0.5}, votes={"joy": "a"})
    with pytest.raises(UserError, match="v has 2 values, there are 3 names"):
        label({"v": [1, 2]}, votes="v", names=["joy", "fear", "anger"])


def test_a_distribution():
    columns = {"joy": "a", "fear": "b"}
    assert label({"a": 0.25, "b": "0.75"}, distribution=columns) == {"distribution": [0, 0, 0.75, 0.25, 0, 0]}
    percent = label({"a": 25, "b": 75}, distribution=columns, normalise=True)
    assert percent == {"distribution": [0, 0, 0.75, 0.25, 0, 0]}
    with pytest.raises(UserError, match="sums to 0 cannot be normalised"):
        label({"a": 0, "b": 0}, distribution=columns, normalise=True)
    with pytest.raises(UserError, match="distribution for fear is inf, not a number"):
        label({"a": 0, "b": math.inf}, distribution=columns)


def test_several_classes():
    for cell in ("Fear; joy ;fear", ["fear", "joy"], '["fear", "joy"]', "['fear', 'joy']"):
        assert label({"t": cell}, classes="t", separator=";") == {"classes": ["fear", "joy"]}
    flags = {"fear": "f", "joy": "j", "anger": "a"}
    assert label({"f": 1, "j": "0", "a": "TRUE"}, classes=flags) == {"classes": ["fear", "anger"]}
    assert label({"f": False, "j": 0.0, "a": "no"}, classes=flags) == {
        "classes": []
    }  # asked, and none it was
    assert label({"f": None, "j": "", "a": math.nan}, classes=flags) is None
    assert label({"t": []}, classes="t") is None
    with pytest.raises(UserError, match=r"joy is 0\.3, neither 1 nor 0"):
        label({"f": 1, "j": 0.3, "a": 0}, classes=flags)
    with pytest.raises(UserError, match="joy is None, neither 1 nor 0"):
        label({"f": 1, "a": 0}, classes=flags)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "exactly one of class, classes, votes, distribution"),
        ({"class": "a", "votes": {"joy": "b"}}, "exactly one of class"),
        ({"votes": "v"}, "must have names, the classes in the order of the list in votes"),
        ({"distribution": "v"}, "must have names, .* list in distribution"),
        ({"class": "a", "synonim": {}}, "synonim"),
    ],
)
def test_mappings_that_make_no_sense(mapping, message):
    with pytest.raises(ValidationError, match=message):
        LabelColumns.model_validate(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        {"class": "a", "synonyms": {"glee": "joyy"}},
        {"class": "a", "names": ["joyy"]},
        {"votes": {"joyy": "a"}},
    ],
)
def test_classes_that_the_mapping_itself_gets_wrong(mapping):
    columns = Columns.model_validate({"labels": {"ekman6": mapping}})
    with pytest.raises(
        UserError, match=r"reader\.columns\.labels\.ekman6: .*no 'joyy' \(did you mean joy\?\)"
    ):
        columns.check_spaces()


def test_spaces_that_do_not_exist_or_hold_no_labels():
    for space, message in [
        ("ekman", "no label space 'ekman'"),
        ("vad", r"belong under reader\.columns\.vad"),
    ]:
        columns = Columns.model_validate({"labels": {space: {"class": "a"}}})
        with pytest.raises(UserError, match=message):
            columns.check_spaces()


def test_vad_is_rescaled_from_the_sources_scale():
    columns = VadColumns(valence="V", arousal="A", dominance="D", scale=(1, 9))
    assert columns.vad({"V": "1", "A": 9, "D": 5.0}) == {"valence": -1, "arousal": 1, "dominance": 0}
    assert columns.vad({"V": 3, "A": "", "D": math.nan}) == {"valence": -0.5}
    assert columns.vad({}) is None
    with pytest.raises(UserError, match="valence is 10, outside the scale 1 to 9"):
        columns.vad({"V": 10})
    with pytest.raises(UserError, match="arousal is 'high', not a number"):
        columns.vad({"A": "high"})
    with pytest.raises(ValidationError, match="lowest, highest"):
        VadColumns(valence="V", scale=(9, 1))
    with pytest.raises(ValidationError, match="scale"):
        VadColumns.model_validate({"valence": "V"})


def test_captions_one_or_many():
    columns = CaptionColumns(text="t", emotion="e", annotator="a")
    assert list(columns.captions({"t": " so calm ", "e": "awe", "a": 7})) == [
        {"text": "so calm", "emotion": "awe", "annotator": "7"}
    ]
    many = {"t": ["one", "", "three"], "e": ["awe", "fear"], "a": "w"}
    assert list(columns.captions(many)) == [
        {"text": "one", "emotion": "awe", "annotator": "w"},
        {"text": "three", "annotator": "w"},
    ]
    assert list(columns.captions({"t": "  ", "e": "awe"})) == []


def test_boxes():
    corners, sizes = BoxColumns(box="b"), BoxColumns(box="b", format="xywh")
    four = BoxColumns(box=["x", "y", "w", "h"], format="xywh")
    box = [{"box": [10, 20, 40, 60]}]
    assert corners.boxes({"b": [10, 20, 40, 60]}, None) == box
    assert sizes.boxes({"b": "[10, 20, 30, 40]"}, (100, 100)) == box
    assert four.boxes({"x": "10", "y": 20, "w": 30, "h": 40.0}, (100, 100)) == box
    assert corners.boxes({"b": "[[10, 20, 40, 60], (1, 2, 3, 4)]"}, None) == [*box, {"box": [1, 2, 3, 4]}]
    assert corners.boxes({"b": [[-5, 20, 400, 60]]}, (100, 50)) == [{"box": [0, 20, 100, 50]}]  # clipped
    assert corners.boxes({"b": []}, None) == corners.boxes({"b": "[]"}, None) == []  # looked, found none
    assert corners.boxes({"b": ""}, None) is four.boxes({"x": "", "y": None}, None) is None  # nobody looked
    with pytest.raises(UserError, match=r"box \[200\.0, .* lies outside the image of 100 × 50 pixels"):
        corners.boxes({"b": [200, 20, 240, 60]}, (100, 50))
    with pytest.raises(UserError, match="four numbers, got"):
        corners.boxes({"b": [1, 2, 3]}, None)
    with pytest.raises(UserError, match="a box's side is None, not a number"):
        four.boxes({"x": 1, "y": 2, "w": 3}, None)
    with pytest.raises(ValidationError, match="one column as box, or a list of four"):
        BoxColumns(box=["x", "y"])


def test_all_unknown_columns_in_one_line():
    columns = Columns.model_validate(
        {
            "path": "file",
            "split": "sett",
            "labels": {"ekman6": {"class": "emotoin"}, "artemis9": {"votes": {"awe": "n.awe"}}},
            "captions": [{"text": "words"}],
            "persons": {"box": ["x1", "y1", "x2", "y2"]},
            "numbers": {"age": "age"},
        }
    )
    known = ["file", "set", "emotion", "n", "n.awe", "x1", "y1", "x2", "age"]
    with pytest.raises(UserError) as caught:
        columns.check_names(known, "t.csv")
    assert str(caught.value) == (
        "t.csv: reader.columns.split: no column 'sett' (did you mean set?); "
        "reader.columns.labels.ekman6.class: no column 'emotoin' (did you mean emotion?); "
        "reader.columns.persons.box: no column 'y2'; "
        "reader.columns.captions.0.text: no column 'words'; "
        "there are file, set, emotion, n, n.awe, x1, y1, x2, age"
    )


def test_columns_inside_one_another():
    values = {"a": {"b": {"c": 1}}, "a.b": 2, "d": [{"e": 3}]}
    assert lookup(values, "a.b") == 2  # the very name comes first
    assert lookup(values, "a.b.c") == 1
    assert lookup(values, "d.e") is lookup(values, "x") is lookup(values, "a.x.y") is None
    assert list(names_in(values)) == ["a", "a.b", "a.b.c", "a.b", "d"]


def test_attributes_and_numbers():
    columns = Columns(attributes={"style": "s", "tags": "t", "meta": "m"}, numbers={"year": "y"})
    values = {"s": " Cubism ", "t": ["a", "", "b "], "m": {"é": 1}, "y": "1907"}
    known = columns.known(columns.picked(values), None)
    assert known["attributes"] == {"style": "Cubism", "tags": ["a", "b"], "meta": '{"é": 1}', "year": 1907}
    assert columns.known(columns.picked({"s": None, "y": ""}), None)["attributes"] == {}
    with pytest.raises(UserError, match="year is 'about 1907', not a number"):
        columns.known({"y": "about 1907"}, None)


def test_cells():
    assert [absent(cell) for cell in (None, "", " ", math.nan, [])] == [True] * 5
    assert [absent(cell) for cell in (0, False, 0.0, "0", [0])] == [False] * 5
    assert [flag_of(cell, "it") for cell in (1, 0, True, 1.0, "Yes", " 0 ")] == [
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    assert items_of("[broken", ";") == ["[broken"]
    assert items_of("a; b", ";") == ["a", "b"]
    assert items_of(3, ",") == [3]
    assert number_of(" 1e-3 ", "it") == 0.001
    with pytest.raises(UserError, match="it is 'nan', not a number"):
        number_of("nan", "it")


def test_cells_that_json_lacks():
    import datetime
    import decimal

    import numpy as np

    cell = {"a": (1, math.nan), 2: np.arange(2), "d": datetime.date(2025, 1, 2), "b": b"caf\xc3\xa9"}
    assert jsonable(cell) == {"a": [1, None], "2": [0, 1], "d": "2025-01-02", "b": "café"}
    assert jsonable(np.float32(0.5)) == 0.5
    assert jsonable(decimal.Decimal("1.5")) == "1.5"
    assert number_of(jsonable(decimal.Decimal("1.5")), "it") == 1.5
