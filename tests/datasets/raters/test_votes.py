"""From lines of overlays to votes: the last word counts, and what cannot be settled is refused by name."""

import json

import pytest
from vemo.datasets.raters import gather, votes_of
from vemo.datasets.stream import read_overlay
from vemo.foundation.errors import UserError


@pytest.fixture
def gathered(overlay):
    """gathered([edit, …], …, **options): of one overlay a list."""

    def gather_from(*files, **options):
        paths = [overlay(f"file{number}", *edits) for number, edits in enumerate(files)]
        return gather([read_overlay(path) for path in paths], **options)

    return gather_from


def names(found):
    return {(each.rater, each.id[-1], each.space): each.name for each in found.answers}


def test_votes_of_several_raters(gathered, said):
    found = gathered([said("ben", 1, "fear"), said("ben", 0, "awe")], [said("ann", 1, "anger")])
    votes = votes_of("mikels8", found.answers)
    assert (votes.ids, votes.raters) == (("toy/train_0", "toy/train_1"), ("ann", "ben"))
    index = votes.space.index
    assert votes.table.tolist() == [[-1, index("awe")], [index("anger"), index("fear")]]
    assert votes.counts.sum(1).tolist() == [1, 2] and votes.counts[1, index("fear")] == 1


def test_every_way_to_give_a_class(gathered):
    ways = [
        {"labels.mikels8.class": "awe"},
        {"labels.mikels8": {"class": "awe"}},
        {"labels.mikels8.class": None},
        {"labels.mikels8": None},
        {"labels.fer7.class": "happiness"},
    ]
    edits = [{"id": f"toy/{n}", "set": each, "by": "ann"} for n, each in enumerate(ways)]
    found = gathered(edits)
    assert [each.name for each in found.answers] == ["awe", "awe", None, None, "happiness"]
    votes = votes_of("mikels8", found.answers)
    assert votes.ids == ("toy/0", "toy/1")  # who takes a label away gives none


def test_what_is_no_class_is_counted(gathered):
    values = [{"vad.valence": 0.5}, {"labels.emotic26": {"classes": ["Anger"]}}, {"vad.valence": 0.2, "n": 1}]
    found = gathered([{"id": f"toy/{n}", "set": each, "by": "ann"} for n, each in enumerate(values)])
    assert found.answers == ()
    assert found.unmerged == {"vad.valence": 2, "labels.emotic26": 1, "n": 1}


EARLY, LATE = {"when": "2026-11-23T10:00:00Z"}, {"when": "2026-11-23T12:30:00+02:00"}  # half an hour later


def test_a_later_line_of_a_file_counts(gathered, said):
    found = gathered([said("ann", 0, "awe"), said("ann", 0, "fear"), said("ann", 1, "awe")])
    assert [each.name for each in found.answers] == ["fear", "awe"] and +found.revised == {
        ("ann", "mikels8"): 1
    }


@pytest.mark.parametrize("turned", [False, True])
def test_between_files_the_later_time_counts(gathered, said, turned):
    files = [[said("ann", 0, "awe", **LATE)], [said("ann", 0, "fear", **EARLY)]]
    found = gathered(*(files[::-1] if turned else files))
    assert [each.name for each in found.answers] == ["awe"] and +found.revised == {("ann", "mikels8"): 1}


def test_the_same_answer_twice_is_one_vote(gathered, said):
    found = gathered([said("ann", 0, "awe"), said("ann", 0, "awe")], [said("ann", 0, "awe", why="again")])
    assert len(found.answers) == 1 and not +found.revised


@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {}), (EARLY, {}), (EARLY, EARLY), ({"when": "yesterday"}, LATE), (EARLY, {"when": 7})],
)
def test_two_values_without_order_are_refused(gathered, said, first, second):
    with pytest.raises(
        UserError, match=r"toy/train_0: ann says awe and fear in mikels8, and not which came last"
    ):
        gathered([said("ann", 0, "awe", **first)], [said("ann", 0, "fear", **second)])


def test_lines_whose_times_contradict_their_order_are_refused(gathered, said):
    with pytest.raises(UserError, match="not which came last"):
        gathered([said("ann", 0, "awe", **LATE), said("ann", 0, "fear", **EARLY)])


def test_all_faults_are_named_at_once(gathered, said):
    nobody = {"id": "toy/train_0", "set": {"labels.mikels8.class": "awe"}}
    edits = [
        said("ann", 0, "bliss"),
        said("ann", 1, "Awe"),
        said("ann", 7, "awe"),
        nobody,
        {"id": "toy/train_0", "set": {"labels.mickels8.class": "awe"}, "by": "ann"},
        {"id": "toy/train_0", "set": {"labels.vad.class": "valence"}, "by": "ann"},
    ]
    standing = {f"toy/train_{n}": {} for n in range(3)}
    with pytest.raises(UserError) as refused:
        gathered(edits, [said("ben", 2, "awe")], [said("ben", 2, "fear")], standing=standing)
    lines = str(refused.value).splitlines()
    assert lines[0].endswith("cannot be merged, 7 faults:")
    for text in (
        "toy/train_0: label space mikels8 has no 'bliss'",
        "toy/train_1: label space mikels8 spells 'Awe' 'awe'",
        "toy/train_7: no such sample",
        "toy/train_0: an edit names no rater",
        "no label space 'mickels8' (did you mean mikels8?)",
        "vad has axes, no classes",
        "toy/train_2: ben says awe and fear",
    ):
        assert sum(text in line for line in lines) == 1, text


def test_many_faults_are_counted(gathered, said):
    with pytest.raises(UserError) as refused:
        gathered([said("ann", number, "bliss") for number in range(30)])
    assert str(refused.value).count("\n") == 21 and str(refused.value).endswith("… and 10 more")


STATUS = "attributes.review_status"


def review(by, number, status, **more):
    return {"id": f"toy/train_{number}", "set": {STATUS: status}, "by": by, **more}


def test_who_accepts_a_label_votes_for_it(gathered, said):
    standing = {f"toy/train_{n}": {"mikels8": "awe", "polarity2": "positive"} for n in range(4)}
    files = [
        [said("ann", 0, "fear"), review("ann", 0, "accept"), review("ann", 1, "accept")],
        [review("ben", 0, "accept"), review("ben", 1, "unsure"), review("ben", 2, "accept")],
        [review("ben", 2, "accept"), review("ann", 3, "accept"), review("ann", 3, "reject")],
    ]
    found = gathered(*files, standing=standing)
    assert names(found) == {
        ("ann", "0", "mikels8"): "fear",  # what is said counts more than that it is accepted
        ("ann", "1", "mikels8"): "awe",
        ("ben", "0", "mikels8"): "awe",
        ("ben", "2", "mikels8"): "awe",
    }
    assert found.unmerged == {STATUS: 2}
    assert names(gathered(*files)) == {("ann", "0", "mikels8"): "fear"}  # nobody knows what was accepted
    assert json.loads(json.dumps(gathered(*files).unmerged)) == {STATUS: 8}
