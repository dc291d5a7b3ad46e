"""What differs, as an overlay says it, and what is refused."""

import json

import pytest
from vemo.annotation.changes import changed, line, lines_bytes, overlay_values, problems
from vemo.annotation.documents import editable, survey
from vemo.datasets.stream.overlay import Overlay, read_overlay
from vemo.datasets.taxonomy import label_space

MIKELS = label_space("mikels8")
KNOWN = {
    "labels": {"mikels8": {"class": "awe"}},
    "vad": {"valence": 0.5},
    "attributes": {"objects": ["dog", "cat"], "scene": "beach"},
}


def edit(record, **values):
    """The overlay's `set` after somebody changed these fields in the App (`__` stands for a dot)."""
    before = editable(record, MIKELS, survey([record], MIKELS))
    after = before | {name.replace("__", "."): value for name, value in values.items()}
    return overlay_values(record, MIKELS, changed(before, after))


def test_nothing_changed(record) -> None:
    assert edit(record(**KNOWN)) == {}
    reordered = {"attributes__objects": ["dog", "cat"], "tags": None, "review_comment": "", "emotion": "awe"}
    assert edit(record(**KNOWN), **reordered) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"emotion": "fear"}, {"labels.mikels8.class": "fear"}),
        ({"emotion": None}, {"labels.mikels8": None}),
        ({"valence": -0.25, "arousal": 0.5}, {"vad.valence": -0.25, "vad.arousal": 0.5}),
        ({"valence": None}, {"vad.valence": None}),
        ({"valence": 0}, {"vad.valence": 0}),
        ({"review_status": "reject"}, {"attributes.review_status": "reject"}),
        ({"review_comment": "too dark"}, {"attributes.review_comment": "too dark"}),
        ({"tags": ["b", "a"]}, {"attributes.review_tags": ["a", "b"]}),
        ({"attributes__objects": ["dog"]}, {"attributes.objects": ["dog"]}),
        ({"attributes__objects": []}, {"attributes.objects": None}),
        ({"attributes__scene": None}, {"attributes.scene": None}),
    ],
)
def test_changes_as_an_overlay_says_them(record, changes, expected) -> None:
    known = record(**KNOWN)
    values = edit(known, **changes)
    assert values == expected and problems(known, MIKELS, values) == []
    edited = Overlay("x", {known["id"]: [{"set": values}]}).apply(known)
    assert edit(edited, **changes) == {}, "shown again, there is nothing left to change"


@pytest.mark.parametrize(
    "label", [{"votes": [3, 1, 0, 0, 0, 0, 0, 0]}, {"distribution": [0.5, 0.5, *[0] * 6]}]
)
def test_a_class_takes_the_place_of_votes_and_shares(record, label) -> None:
    known = record(labels={"mikels8": label})
    values = edit(known, emotion="fear")
    assert values == {"labels.mikels8": {"class": "fear"}} and problems(known, MIKELS, values) == []


def test_several_classes(record) -> None:
    known = record(labels={"mikels8": {"classes": ["awe", "fear"]}})
    assert edit(known, emotions=["fear", "awe"]) == {}
    assert edit(known, emotions=["sadness", "awe"]) == {"labels.mikels8": {"classes": ["awe", "sadness"]}}
    assert edit(known, emotions=[]) == {"labels.mikels8": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"emotion": "joy"}, "mikels8 has no class 'joy'"),
        ({"emotion": "Fear"}, "mikels8 has no class 'Fear'"),
        ({"valence": 1.5}, "vad.valence: Input should be less than or equal to 1"),
        ({"review_status": "maybe"}, "review_status 'maybe' is none of"),
    ],
)
def test_what_is_refused(record, changes, message) -> None:
    known = record(**KNOWN)
    found = problems(known, MIKELS, edit(known, **changes))
    assert len(found) == 1 and message in found[0]


def test_faults_that_were_there_before_are_not_the_curators(record) -> None:
    faulty = {**record(**KNOWN), "unheard_of": 1}
    assert problems(faulty, MIKELS, edit(faulty, emotion="fear")) == []


def test_lines_are_an_overlay(record, tmp_path) -> None:
    known = record(**KNOWN)
    lines = [line(known, edit(known, emotion="fear", arousal=1), {"by": "ann", "when": "…", "why": "é"})]
    assert lines[0]["was"] == {"labels.mikels8.class": "awe", "vad.arousal": None}
    (tmp_path / "out.jsonl").write_bytes(lines_bytes(lines))
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8")) == lines[0]
    edited = read_overlay(tmp_path / "out.jsonl").apply(known)
    assert edited["labels"]["mikels8"] == {"class": "fear"} and edited["overrides"][0]["by"] == "ann"
