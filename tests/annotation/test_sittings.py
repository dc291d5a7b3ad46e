"""Who made an edit, and how far several people agree."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vemo.annotation.sittings import people_of, rater_at
from vemo.datasets.stream.overlay import Overlay
from vemo.datasets.taxonomy import label_space

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_an_edit_is_of_whoever_sat_there() -> None:
    hour = timedelta(hours=1)
    sittings = [("ann", NOON), ("", NOON + hour), ["ben", (NOON + 2 * hour).replace(tzinfo=None)]]
    at = [rater_at(sittings, NOON + hour * each) for each in (-1, 0, 0.5, 1.5, 2, 9)]
    assert at == ["", "ann", "ann", "", "ben", "ben"]


def overlay(by: str, **classes: str) -> Overlay:
    edits = {
        identifier: [{"set": {"labels.mikels8.class": name}, "by": by}]
        for identifier, name in classes.items()
    }
    return Overlay(Path(f"{by}.jsonl"), edits)


def test_people_agree_or_not() -> None:
    ann, ben = overlay("ann", a="awe", b="fear", c="awe"), overlay("ben", a="awe", b="awe", d="fear")
    found = people_of([ann, ben], label_space("mikels8"))
    assert found["edits"] == {"ann": 3, "ben": 3} and found["samples"] == 2
    assert found["pairs"] == [["ann", "ben", 2, pytest.approx(0.0)]]
    # units a (awe, awe) and b (fear, awe): observed 1 of 2, expected 3·1·2 / (4·3)
    assert found["alpha"] == pytest.approx(1 - 0.5 / 0.5)


def test_one_person_agrees_with_nobody() -> None:
    assert people_of([overlay("ann", a="awe")], label_space("mikels8")) == {"edits": {"ann": 1}}
    assert people_of([], None) == {"edits": {}}


def test_what_cannot_be_told_is_said() -> None:
    unsure = Overlay(Path("x.jsonl"), {"a": [{"set": {"labels.mikels8.class": "joy"}, "by": "ann"}]})
    found = people_of([unsure, overlay("ben", a="awe")], label_space("mikels8"))
    assert found["edits"] == {"ann": 1, "ben": 1} and "cannot be merged" in found["unclear"]
