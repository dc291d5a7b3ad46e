"""What a record teaches each kind of head: kinds of labels, absence, label maps, pickles, counts."""

import pickle

import numpy as np
import pytest
import torch
from emotion_heads import CONFIGS, RECORDS, config_of
from vemo.datasets.stream.collate import collate
from vemo.datasets.stream.derived import derive, label_maps
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.targets import count_targets
from vemo.finetune.emotion import build_targets
from vemo.foundation import UserError


def target(record, part="", **options):
    return build_targets("x", config_of(**options))(record)[f"target_x{part}"]


def labelled(space="mikels8", **label):
    return {"labels": {space: label}}


HARD = {"kind": "single", "space": "mikels8"}
SOFT = HARD | {"labels": "soft"}
SHARES = {"kind": "distribution", "space": "mikels8"}
SETS = {"kind": "multilabel", "space": "emotic26"}
VOTES, SPREAD = [0, 0, 0, 0, 3, 0, 1, 0], [0.5, 0, 0.25, 0, 0, 0, 0, 0.25]


@pytest.mark.parametrize(
    ("label", "hard"),
    [
        ({"class": "awe"}, 1),
        ({"votes": VOTES}, 4),
        ({"distribution": SPREAD}, 0),
        ({"votes": [2, 2, 0, 0, 0, 0, 0, 0]}, -1),  # tied
        ({"classes": ["awe"]}, -1),  # several at once is another question
    ],
)
def test_hard_labels(label, hard):
    assert target(labelled(**label), **HARD) == hard


@pytest.mark.parametrize(
    ("label", "shares"),
    [
        ({"class": "awe"}, [0, 1, 0, 0, 0, 0, 0, 0]),
        ({"votes": VOTES}, [0, 0, 0, 0, 0.75, 0, 0.25, 0]),
        ({"distribution": SPREAD}, SPREAD),
        ({"classes": ["awe"]}, None),
    ],
)
def test_shares(label, shares):
    found = target(labelled(**label), **SOFT)
    assert found.dtype == np.float32
    assert np.isnan(found).all() if shares is None else found.tolist() == shares
    of_people = target(labelled(**label), **SHARES)
    if "class" in label:
        assert (
            np.isnan(of_people).all() and len(of_people) == 8
        )  # one class tells nothing of how people differ
    else:
        assert np.array_equal(of_people, found, equal_nan=True)


def test_sets():
    space = label_space("emotic26")
    found = target(labelled("emotic26", classes=["peace", "esteem"]), **SETS)
    assert [space.names[place] for place in np.flatnonzero(found)] == ["esteem", "peace"]
    assert found.dtype == np.int8 and set(found) == {0, 1}
    assert not target(labelled("emotic26", classes=[]), **SETS).any()  # known to have none
    for record in ({}, labelled("emotic26", **{"class": "peace"}), labelled("mikels8", classes=["awe"])):
        assert target(record, **SETS).tolist() == [-1] * 26


def test_numbers_by_axis():
    record = {"vad": {"valence": 0.5, "dominance": -1.0, "arousal": None}}
    assert np.array_equal(target(record, kind="vad"), np.array([0.5, np.nan, -1], np.float32), equal_nan=True)
    assert target(record, kind="vad", axes=["dominance"]).tolist() == [-1]
    assert np.isnan(target({}, kind="vad")).tolist() == [True] * 3


TREE = {"kind": "hierarchical", "space": "mikels8"}


@pytest.mark.parametrize(
    ("record", "options", "emotion", "polarity"),
    [
        (labelled(**{"class": "fear"}), TREE, 6, [1, 0]),
        (labelled(votes=VOTES), TREE, 4, [1, 0]),
        (labelled("polarity2", **{"class": "positive"}), TREE, -1, [0, 1]),
        (labelled("polarity2", votes=[1, 3]), TREE, -1, [0.25, 0.75]),
        (labelled("ekman6", **{"class": "surprise"}), TREE | {"space": "ekman6"}, 5, None),
        ({}, TREE, -1, None),
    ],
)
def test_polarity_follows_from_the_emotion_or_else_from_its_own_label(record, options, emotion, polarity):
    assert target(record, **options) == emotion
    found = target(record, ".polarity", **options)
    assert np.isnan(found).all() if polarity is None else found.tolist() == polarity


def test_polarity_of_shares_is_over_the_classes_that_have_one():
    soft = TREE | {"labels": "soft"}
    assert target(labelled(distribution=SPREAD), ".polarity", **soft).tolist() == [0.25, 0.75]
    surprised = labelled("ekman6", distribution=[0.1, 0, 0, 0.3, 0, 0.6])
    assert target(surprised, ".polarity", **soft | {"space": "ekman6"}) == pytest.approx([0.25, 0.75])


def test_a_surprise_of_known_polarity_keeps_it():
    record = {"labels": {"ekman6": {"class": "surprise"}, "polarity2": {"class": "positive"}}}
    assert target(record, ".polarity", **TREE | {"space": "ekman6"}).tolist() == [0, 1]


def test_a_person_is_read_like_an_image():
    person = {"box": [0, 0, 9, 9], "labels": {"emotic26": {"classes": ["pain"]}}, "vad": {"arousal": 0.1}}
    assert target(person, **SETS).sum() == 1 and target(person, kind="vad")[1] == np.float32(0.1)


@pytest.mark.parametrize(
    ("source", "name", "to", "expected"),
    [
        ("mikels8", "fear", "ekman6", "fear"),
        ("mikels8", "amusement", "ekman6", "joy"),  # lossy
        ("mikels8", "awe", "ekman6", None),  # ambiguous
        ("ekman7", "neutral", "ekman6", None),  # dropped
        ("ekman6", "surprise", "polarity2", None),  # ambiguous
        ("webemo25", "rage", "webemo7", "anger"),
    ],
)
def test_labels_of_other_spaces_come_through_the_streams_maps(source, name, to, expected):
    record = labelled(source, **{"class": name})
    head = {"kind": "single", "space": to}
    assert target(record, **head) == -1
    derive(record, label_maps({source: to}))
    assert target(record, **head) == (-1 if expected is None else label_space(to).index(expected))
    assert np.isnan(target(record, **head | {"labels": "soft"})).all() == (expected is None)


def test_a_mixture_of_datasets_collates_and_each_head_sees_its_own():
    records = [
        labelled(**{"class": "awe"}),
        labelled("ekman6", **{"class": "joy"}),
        labelled(votes=[0, 0, 0, 2, 1, 0, 0, 0]),
    ]
    for record in records:
        derive(record, label_maps({"mikels8": ("ekman6", "vad")}))
    joy = label_space("ekman6").index("joy")
    heads = [
        build_targets("mikels", config_of(**HARD)),
        build_targets("ekman", config_of(kind="single", space="ekman6")),
        build_targets("vad", config_of(kind="vad")),
    ]
    batch = collate([{key: value for head in heads for key, value in head(r).items()} for r in records])
    assert batch["target_mikels"].tolist() == [1, -1, 3]
    assert batch["target_ekman"].tolist() == [-1, joy, joy]
    assert batch["target_vad"][:, 2].isnan().all() and batch["target_vad"][1].isnan().all()
    assert batch["target_vad"][0, :2].tolist() == pytest.approx([0.3, 0.6])


@pytest.mark.parametrize("name", CONFIGS)
def test_targets_pickle_small_and_have_one_shape(name):
    targets = build_targets("x", config_of(**CONFIGS[name]))
    data = pickle.dumps(targets)
    assert len(data) < 500
    again = pickle.loads(data)
    assert again == targets
    batch = collate([again(record) for record in RECORDS])
    for key, rows in batch.items():
        assert key.startswith("target_x") and torch.is_tensor(rows) and len(rows) == len(RECORDS)
        assert torch.equal(
            rows.nan_to_num(-9), collate([targets(record) for record in RECORDS])[key].nan_to_num(-9)
        )


def counts(records, **options):
    return count_targets(build_targets("x", config_of(**options)), records)


def test_counts():
    assert counts(RECORDS, **HARD) == ((1, 1, 0, 0, 1, 0, 1, 0), 4)
    assert counts(RECORDS, **SOFT) == ((1, 1.5, 0.25, 0, 0.75, 0, 1.25, 0.25), 5)
    assert counts(RECORDS, **SHARES) == ((1, 0.5, 0.25, 0, 0.75, 0, 0.25, 0.25), 3)
    assert counts(RECORDS, **TREE) == counts(RECORDS, **HARD)
    sets = counts(RECORDS, **SETS)
    assert sets.samples == 3 and sum(sets.per_class) == 3
    assert counts(RECORDS, kind="vad") == ((4, 2, 2), 4)


def test_nothing_to_learn_is_said_with_what_there_is():
    with pytest.raises(UserError, match=r"heads\.x: none of the 6 records .* emotic26 \(classes\)"):
        counts(RECORDS, kind="single", space="emotic26")
    with pytest.raises(UserError, match="no labels"):
        counts([{}], kind="vad")


@pytest.mark.parametrize("name", ["a.b", "", "8", "two words"])
def test_names_are_plain_words(name):
    with pytest.raises(UserError, match="a head's name is letters, digits and _"):
        build_targets(name, config_of(**HARD))
