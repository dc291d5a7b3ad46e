"""Records as documents: which fields there are, what stands in them, what of it people may change."""

import base64
import io
import json
import zlib
from itertools import count

import numpy as np
import pytest
from vemo.annotation.documents import blinded, document, editable, is_open, predictions, survey
from vemo.annotation.findings import Predicted
from vemo.datasets.taxonomy import label_space

MIKELS = label_space("mikels8")


def ids():
    return (f"{number:024x}" for number in count())


def show(record, space=MIKELS, **more):
    fields = survey([record], space)
    return fields, document(record, space, fields, ids(), {"filepath": "/f.jpg", **more})


def test_a_plain_record(record) -> None:
    fields, shown = show(record(labels={"mikels8": {"class": "awe"}}, vad={"valence": 0.5}), split="train")
    assert fields["emotion"] == "classification" and "emotions" not in fields and "persons" not in fields
    assert shown["emotion"] == {
        "_id": {"$oid": f"{1:024x}"}, "_cls": "Classification", "tags": [], "label": "awe",
    }  # fmt: skip
    assert shown["metadata"] == {"_cls": "ImageMetadata", "width": 8, "height": 6}
    assert shown["valence"] == 0.5 and shown["arousal"] is None and shown["tags"] == []
    assert shown["source"]["licence"] == "research-only" and shown["identifier"] == "toy/one"
    assert shown["split"] == "train" and shown["filepath"] == "/f.jpg" and shown["edits"] == 0
    json.dumps(shown)


def test_what_is_not_there_is_no_field_of_anybody(record) -> None:
    fields, shown = show(record(), None)
    assert not {"emotion", "persons", "faces", "captions", "raters", "shares"} & set(fields)
    assert shown.keys() <= {path.partition(".")[0] for path in fields} | {
        "_id", "_media_type", "filepath", "metadata", "tags",
    }  # fmt: skip


def test_votes_are_shown_as_shares_and_disagreement(record) -> None:
    _, shown = show(record(labels={"mikels8": {"votes": [3, 1, 0, 0, 0, 0, 0, 0]}}))
    assert shown["emotion"]["label"] == "amusement"
    assert shown["shares"] == {"amusement": 0.75, "awe": 0.25}
    assert shown["disagreement"] == pytest.approx(0.2704, abs=1e-4)  # 0.8113 bits of 3
    _, tied = show(record(labels={"mikels8": {"votes": [1, 1, 0, 0, 0, 0, 0, 0]}}))
    assert tied["emotion"] is None and tied["disagreement"] == pytest.approx(1 / 3)
    _, agreed = show(record(labels={"mikels8": {"votes": [2, 0, 0, 0, 0, 0, 0, 0]}}))
    assert agreed["disagreement"] == 0


def test_raters_answers_count_where_the_label_has_no_shares(record) -> None:
    said = [
        {"annotator": who, "labels": {"mikels8": {"class": name}}, "vad": {"valence": 0.25}}
        for who, name in (("a", "awe"), ("b", "awe"), ("c", "fear"), ("d", "fear"))
    ]
    fields, shown = show(record(labels={"mikels8": {"class": "awe"}}, annotations=said))
    assert fields["raters"] == "list" and shown["raters"][0] == "a: awe, valence 0.25"
    assert shown["shares"] == {"awe": 0.5, "fear": 0.5} and shown["disagreement"] == pytest.approx(1 / 3)


def test_several_classes_are_a_list_in_any_order(record) -> None:
    fields, shown = show(record(labels={"mikels8": {"classes": ["fear", "awe"]}}))
    assert fields["emotions"] == "list" and "emotion" not in fields and shown["emotions"] == ["awe", "fear"]


def test_boxes_are_shares_of_the_image(record) -> None:
    known = {"box": [2, 0, 6, 3], "score": 0.5, "labels": {"mikels8": {"class": "awe"}}}
    fields, shown = show(record(persons=[known, {"box": [0, 0, 8, 6]}], faces=[]))
    first, second = shown["persons"]["detections"]
    assert (
        first["bounding_box"] == [0.25, 0, 0.5, 0.5]
        and first["label"] == "awe"
        and first["confidence"] == 0.5
    )
    assert second["bounding_box"] == [0, 0, 1, 1] and second["label"] == "person"
    assert shown["people"] == 2 and shown["faces"]["detections"] == [] and fields["faces"] == "detections"


def test_nobody_looked_for_persons(record) -> None:
    fields = survey([record(), record(persons=[])], MIKELS)
    assert fields["people"] == "int"
    assert "people" not in document(record(), MIKELS, fields, ids(), {})
    assert document(record(persons=[]), MIKELS, fields, ids(), {})["people"] == 0


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ([1, 2], "int", [1, 2]),
        ([1, 0.5], "float", [1, 0.5]),
        ([True, False], "bool", [True, False]),
        ([1, "two"], "str", ["1", "two"]),
        ([["b", "a"], "c"], "list", [["a", "b"], ["c"]]),
        ([True, 2], "str", ["True", "2"]),
    ],
)
def test_attributes_have_one_type_each(record, values, kind, shown) -> None:
    records = [record(attributes={"thing": value}) for value in values]
    fields = survey(records, MIKELS)
    assert fields["attributes.thing"] == kind
    assert [editable(each, MIKELS, fields)["attributes.thing"] for each in records] == shown


def test_attributes_that_no_field_can_be_called_after_stay_out(record) -> None:
    fields = survey([record(attributes={"a.b": 1, "_c": 1, "$d": 1, "e": 1})], MIKELS)
    assert [path for path in fields if path.startswith("attributes.")] == ["attributes.e"]


def test_notes_of_curators_are_fields_of_their_own(record) -> None:
    noted = {
        "review_status": "reject",
        "review_comment": "blurred",
        "review_tags": ["odd", "dark"],
        "scene": "x",
    }
    fields, shown = show(record(attributes=noted))
    assert shown["tags"] == ["dark", "odd"] and shown["review_status"] == "reject"
    assert shown["review_comment"] == "blurred"
    assert shown["attributes"] == {"_cls": "DynamicEmbeddedDocument", "scene": "x"}
    assert not {"attributes.review_status", "attributes.review_tags"} & set(fields)


def test_captions_and_edits(record) -> None:
    captions = [{"text": "a dog", "emotion": "awe"}, {"text": "a cat"}]
    edits = [{"set": {"vad.valence": 1}, "by": "ann"}]
    _, shown = show(record(captions=captions, overrides=edits))
    assert shown["captions"] == ["awe: a dog", "a cat"] and shown["edits"] == 1


def test_predictions() -> None:
    logits = np.array([0.0, 2.0, 1.0])
    shares = np.exp(logits) / np.exp(logits).sum()
    said = {
        "single": Predicted(("a", "b", "c"), logits, shares),
        "vad": Predicted(("valence",), np.array([0.12344]), np.array([0.12344])),
    }
    fields = predictions(said, ids())
    assert fields["prediction"]["label"] == "b" and fields["predicted_valence"] == 0.1234
    assert fields["prediction"]["confidence"] == pytest.approx(shares[1])
    content = zlib.decompress(base64.b64decode(fields["prediction"]["logits"]["$binary"]["base64"]))
    assert np.load(io.BytesIO(content)).tolist() == [0, 2, 1]
    several = predictions({"multilabel": Predicted(("a", "b"), logits[:2], np.array([0.4, 0.6]))}, ids())
    assert [each["label"] for each in several["prediction"]["classifications"]] == ["b"]


@pytest.mark.parametrize(
    ("licence", "is_it"),
    [
        ("Apache-2.0", True), ("CC BY 4.0", True), ("cc-by-sa-3.0", True), ("CC0", True),
        ("Public domain", True), ("CC-BY-NC-4.0", False), ("CC BY-NC-SA 4.0", False),
        ("CC-BY-ND-2.0", False), ("research-only", False), ("unknown", False), (None, False), ("", False),
    ],
)  # fmt: skip
def test_licences_that_let_anyone_use_it(licence, is_it) -> None:
    assert is_open(licence) is is_it


def test_a_blinded_record_does_not_tell_what_anybody_said(record) -> None:
    person = {"box": [1, 1, 4, 4], "score": 0.5, "labels": {"mikels8": {"class": "awe"}}}
    known = record(
        "awe_1", labels={"mikels8": {"class": "awe"}}, vad={"valence": 0.5}, persons=[person],
        captions=[{"text": "so much awe", "emotion": "awe"}],
        annotations=[{"annotator": "a", "labels": {"mikels8": {"class": "awe"}}}],
        attributes={"scene": "sky", "review_comment": "clearly awe"},
    )  # fmt: skip
    hidden = blinded(known, MIKELS, "train", 7)
    assert "awe" not in json.dumps(hidden) and hidden["attributes"] == {"scene": "sky"}
    fields, shown = show(hidden)
    assert shown["emotion"] is None and shown["identifier"] == "train 7" and shown["people"] == 1
    assert fields["emotion"] == "classification" and shown["source"]["licence"] == "research-only"


def test_blind_answers_of_several_classes(record) -> None:
    hidden = blinded(record(labels={"mikels8": {"classes": ["awe", "fear"]}}), MIKELS, "train", 7)
    assert survey([hidden], MIKELS)["emotions"] == "list"
    assert not editable(hidden, MIKELS, {"emotions": "list"})["emotions"]
