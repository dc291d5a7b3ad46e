"""The sample record takes what DESIGN §4 shows and nothing that would mislead."""

import json
import math

import pytest
from pydantic import ValidationError
from vemo.datasets.sample import Sample, sample_schema

RECORD = {
    "id": "emoset/amusement_12865",
    "source": {
        "dataset": "emoset-118k",
        "split": "train",
        "path": "image/amusement/amusement_12865.jpg",
        "sha256": "0" * 64,
        "licence": "research-only",
        "group": "artwork-7",
    },
    "width": 640,
    "height": 427,
    "labels": {"mikels8": {"class": "amusement"}},
    "vad": {"valence": 0.6, "arousal": 0.1},
    "attributes": {"brightness": 0.6, "scene": "amusement_park", "objects": ["Toy"]},
    "annotations": [{"annotator": "3", "labels": {"mikels8": {"class": "awe"}}, "vad": {"valence": 0.2}}],
    "persons": [
        {
            "box": [12.0, 30.5, 220.0, 410.0],
            "score": 0.93,
            "by": "detector-name",
            "labels": {"emotic26": {"classes": ["happiness", "peace"]}},
            "vad": {"dominance": 0.5},
            "attributes": {"age": "adult"},
            "annotations": [{"labels": {"emotic26": {"classes": ["peace"]}}}],
        }
    ],
    "faces": [
        {
            "box": [40.0, 40.0, 90.0, 100.0],
            "landmarks": [[50.0, 60.0], [80.0, 60.0], [65.0, 75.0], [55.0, 88.0], [75.0, 88.0]],
        }
    ],
    "captions": [{"text": "A toy.", "emotion": "amusement", "annotator": "7"}],
    "overrides": [
        {"set": {"labels.mikels8.class": "amusement"}, "by": "ann", "when": "2025", "why": "a toy"}
    ],
}


def changed(**keys):
    return {**RECORD, **keys}


def test_round_trip_through_json():
    sample = Sample.from_record(json.loads(json.dumps(RECORD)))
    assert sample.to_record() == RECORD
    assert list(sample.to_record()) == list(RECORD)
    assert Sample.from_record(sample.to_record()) == sample


def test_absent_knowledge_is_an_absent_key():
    sample = Sample(id="a/b", source={"dataset": "a", "path": "b.jpg"})  # pyright: ignore
    assert sample.to_record() == {"id": "a/b", "source": {"dataset": "a", "path": "b.jpg"}}
    nobody_found = Sample.from_record({**sample.to_record(), "persons": []})
    assert nobody_found.to_record()["persons"] == []  # looked for and not found is knowledge


@pytest.mark.parametrize(
    "label",
    [
        {"class": "awe"},
        {"distribution": [0.5, 0.5, 0, 0, 0, 0, 0, 0]},
        {"votes": [0, 0, 3, 0, 1, 0, 0, 0]},
        {"classes": ["awe", "fear"]},
        {"classes": []},
    ],
)
def test_each_kind_of_label(label):
    record = changed(labels={"mikels8": label})
    assert Sample.from_record(record).to_record()["labels"] == {"mikels8": label}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labels": {"mikels8": {}}}, "exactly one of class, distribution, votes, classes, got none"),
        ({"labels": {"mikels8": {"class": "awe", "votes": [1] * 8}}}, "got class, votes"),
        ({"labels": {"mikels8": {"class": "joy"}}}, "mikels8 has no class 'joy'; it has amusement"),
        ({"labels": {"mikels8": {"class": "sad"}}}, "mikels8 has no class 'sad'"),  # synonyms are for readers
        ({"labels": {"mikels9": {"class": "awe"}}}, "no label space 'mikels9'"),
        ({"labels": {"vad": {"class": "valence"}}}, "vad is continuous"),
        ({"labels": {"mikels8": {"votes": [1, 2, 3]}}}, "8 classes, the label has 3 values"),
        ({"labels": {"mikels8": {"votes": [0] * 8}}}, "no votes at all"),
        ({"labels": {"mikels8": {"votes": [-1, 1, 0, 0, 0, 0, 0, 0]}}}, "greater than or equal to 0"),
        ({"labels": {"mikels8": {"distribution": [0.1] * 8}}}, "sums to 0.8000, not 1"),
        ({"labels": {"mikels8": {"distribution": [math.nan] * 8}}}, "finite|less than or equal"),
        ({"labels": {"mikels8": {"classes": ["awe", "awe"]}}}, "same class twice"),
        ({"vad": {"valence": 1.2}}, "less than or equal to 1"),
        ({"vad": {"arousal": math.nan}}, "finite|less than or equal"),
        ({"persons": [{"box": [10, 0, 5, 8]}]}, "x1 < x2 and y1 < y2"),
        ({"persons": [{"box": [0, 0, math.inf, 8]}]}, "finite"),
        ({"persons": [{"box": [0, 0, 5]}]}, "box"),
        ({"persons": [{"box": [0, 0, 5, 8], "score": 1.5}]}, "less than or equal to 1"),
        ({"persons": [{"box": [0, 0, 5, 8], "labels": {"emotic26": {"class": "joy"}}}]}, "no class 'joy'"),
        ({"annotations": [{"labels": {"mikels8": {"class": "joy"}}}]}, "no class 'joy'"),
        ({"faces": [{"box": [0, 0, 5, 8], "landmarks": [[1, 2]]}]}, "landmarks"),
        ({"attributes": {"brightness": math.nan}}, "finite"),
        ({"captions": [{"text": ""}]}, "at least 1 character"),
        ({"width": 0}, "greater than or equal to 1"),
        ({"source": {"dataset": "a", "path": "b", "sha256": "abc"}}, "pattern"),
        ({"lables": {}}, "Extra inputs are not permitted"),
        ({"id": ""}, "at least 1 character"),
    ],
)
def test_bad_records_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Sample.from_record(changed(**keys))


def test_schema_names_every_key_and_is_json():
    schema = json.loads(json.dumps(sample_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == set(RECORD)
    assert set(schema["$defs"]["Label"]["properties"]) == {"class", "distribution", "votes", "classes"}
    assert schema["required"] == ["id", "source"]
