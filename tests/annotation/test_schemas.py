"""What the Annotate tab offers."""

from vemo.annotation.schemas import label_schemas
from vemo.datasets.taxonomy import label_space

PLAIN = {"review_status": "str", "review_comment": "str", "reason": "str"}


def test_classes_axes_and_texts() -> None:
    fields = {"emotion": "classification", "valence": "float", "arousal": "float", **PLAIN}
    found = label_schemas(fields, label_space("mikels8"), {})
    assert list(found) == ["emotion", "valence", "arousal", "review_status", "reason", "review_comment"]
    assert found["emotion"]["component"] == "radio" and len(found["emotion"]["classes"]) == 8
    assert found["valence"] == {"type": "float", "component": "slider", "range": [-1, 1]}
    assert found["review_status"]["values"] == ["accept", "reject", "unsure"]
    assert found["reason"] == {"type": "str", "component": "text"}


def test_many_classes_are_typed_and_several_are_ticked() -> None:
    one = label_schemas({"emotion": "classification"}, label_space("parrott"), {})
    assert one["emotion"]["component"] == "dropdown"
    several = label_schemas({"emotions": "list"}, label_space("mikels8"), {})["emotions"]
    assert several["component"] == "checkboxes" and several["type"] == "list<str>"
    many = label_schemas({"emotions": "list"}, label_space("emotic26"), {})["emotions"]
    assert many["component"] == "dropdown" and many["type"] == "list<str>"


def test_attributes_offer_what_occurs() -> None:
    fields = {
        "attributes.scene": "str", "attributes.objects": "list", "attributes.light": "float",
        "attributes.indoors": "bool", "attributes.title": "str",
    }  # fmt: skip
    values = {
        "attributes.scene": ["sky", "room", None], "attributes.objects": ["cat"],
        "attributes.title": [str(number) for number in range(300)],
    }  # fmt: skip
    found = label_schemas(fields, None, values)
    assert found["attributes.scene"] == {"type": "str", "component": "radio", "values": ["room", "sky"]}
    assert found["attributes.objects"]["component"] == "checkboxes"
    assert found["attributes.light"] == {"type": "float", "component": "text"}
    assert found["attributes.indoors"]["component"] == "toggle"
    assert found["attributes.title"] == {"type": "str", "component": "text"}
    assert "emotion" not in found
