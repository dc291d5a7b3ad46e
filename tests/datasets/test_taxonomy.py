"""Label spaces keep their order; maps cover every source name and hit targets that exist."""

import pickle

import pytest
from vemo.datasets.taxonomy import (
    KINDS,
    LabelSpace,
    class_index,
    distribution,
    label_map,
    label_map_names,
    label_space,
    label_space_names,
)
from vemo.foundation.errors import UserError

# Written out here on purpose: a head trained on a space breaks in silence if its order moves.
ORDERS = {
    "mikels8": "amusement awe contentment excitement anger disgust fear sadness",
    "ekman6": "anger disgust fear joy sadness surprise",
    "ekman7": "anger disgust fear joy sadness surprise neutral",
    "fer7": "anger disgust fear happiness sadness surprise neutral",
    "fer8": "neutral happiness sadness surprise fear disgust anger contempt",
    "artemis9": "amusement awe contentment excitement anger disgust fear sadness something_else",
    "emotic26": "affection anger annoyance anticipation aversion confidence disapproval disconnection"
    " disquietment doubt/confusion embarrassment engagement esteem excitement fatigue fear happiness pain"
    " peace pleasure sadness sensitivity suffering surprise sympathy yearning",
    "webemo25": "affection cheerfulness confusion contentment disappointment disgust enthrallment envy"
    " exasperation gratitude horror irritability lust neglect nervousness optimism pride rage relief sadness"
    " shame suffering surprise sympathy zest",
    "webemo7": "anger confusion fear joy love sadness surprise",
    "parrott6": "anger fear joy love sadness surprise",
    "heco8": "surprise excitement happiness peace disgust anger fear sadness",
    "plutchik8": "joy trust fear surprise sadness disgust anger anticipation",
    "plutchik": "ecstasy joy serenity admiration trust acceptance terror fear apprehension amazement surprise"
    " distraction grief sadness pensiveness loathing disgust boredom rage anger annoyance vigilance"
    " anticipation interest",
    "caer7": "anger disgust fear happiness neutral sadness surprise",
    "wikiart20": "agreeableness anger anticipation arrogance disagreeableness disgust fear gratitude"
    " happiness humility love optimism pessimism regret sadness shame shyness surprise trust neutral",
    "abaw8": "neutral anger disgust fear happiness sadness surprise other",
    "compound7": "fearfully_surprised happily_surprised sadly_surprised disgustedly_surprised"
    " angrily_surprised sadly_fearful sadly_angry",
    "compound11": "happily_surprised happily_disgusted sadly_fearful sadly_angry sadly_surprised"
    " sadly_disgusted fearfully_angry fearfully_surprised angrily_surprised angrily_disgusted"
    " disgustedly_surprised",
    "polarity2": "negative positive",
    "polarity3": "negative neutral positive",
    "vad": "valence arousal dominance",
}


def test_every_space_is_pinned():
    assert set(label_space_names()) == set(ORDERS) | {"parrott"}


@pytest.mark.parametrize("name", ORDERS)
def test_order(name):
    expected = tuple(word.replace("_", " ") for word in ORDERS[name].split())
    assert label_space(name).names == expected
    assert label_space(name).version == 1
    assert label_space(name).source


def test_parrott_is_a_tree_of_6_25_135():
    space = label_space("parrott")
    tiers = [name.count("/") for name in space.names]
    assert [tiers.count(tier) for tier in range(3)] == [6, 25, 135]
    assert space.names[:3] == ("love", "love/affection", "love/affection/adoration")
    assert space.names[-1] == "fear/nervousness/dread"
    assert len(set(space.names)) == len(space.names)
    assert space.canonical("disgust") == "anger/disgust"  # nearest to the root, not anger/disgust/disgust
    assert space.canonical("Fear") == "fear"
    assert space.parent("joy/zest/thrill") == "joy/zest"
    assert space.parent("joy") is None


@pytest.mark.parametrize(
    ("space", "word", "name"),
    [
        ("mikels8", "Content", "contentment"),
        ("mikels8", " sad ", "sadness"),
        ("mikels8", "ANGRY", "anger"),
        ("webemo25", "cheerfullness", "cheerfulness"),
        ("webemo25", "irritabilty", "irritability"),
        ("ekman6", "happy", "joy"),
        ("fer8", "joy", "happiness"),
        ("artemis9", "something_else", "something else"),
        ("emotic26", "Doubt/Confusion", "doubt/confusion"),
        ("polarity3", "pos", "positive"),
    ],
)
def test_synonyms(space, word, name):
    assert label_space(space).canonical(word) == name


def test_unknown_names_say_what_there_is():
    with pytest.raises(UserError, match=r"no 'amusment' \(did you mean amusement\?\).*sadness"):
        label_space("mikels8").index("amusment")
    with pytest.raises(UserError, match=r"no label space 'mikels' \(did you mean mikels8\?\).*webemo25"):
        label_space("mikels")
    with pytest.raises(UserError, match=r"no label map mikels8 → fer8; from mikels8 there are .*ekman6"):
        label_map("mikels8", "fer8")


def test_spaces_survive_pickling():
    space = pickle.loads(pickle.dumps(label_space("webemo25")))
    assert isinstance(space, LabelSpace)
    assert space == label_space("webemo25")
    assert space.index("irritabilty") == 11


@pytest.mark.parametrize(("source", "target"), label_map_names())
def test_every_map_covers_its_source_and_hits_its_target(source, target):
    table = label_map(source, target)
    for name in table.source.names:
        row = table.row(name)
        assert row.kind in KINDS
        assert (row.kind == "dropped") == (row.to is None and row.point is None), name
        if row.kind == "ambiguous":
            assert row.alternatives, f"{name} is called ambiguous, but has one target"
        for choice in filter(None, (row.to, *row.alternatives)):
            assert choice in table.target.names
    assert set(table.rows) <= set(table.source.names)
    assert table.origin
    if target == "vad":
        assert all(-1 <= value <= 1 for row in table.rows.values() for value in (row.point or {}).values())


def test_all_maps_that_users_were_promised_exist():
    promised = {
        "mikels8": "ekman6 ekman7 polarity2 polarity3 artemis9 vad",
        "ekman6": "ekman7 polarity2 polarity3",
        "ekman7": "ekman6 fer7 fer8 polarity2 polarity3",
        "parrott": "parrott6 ekman6 mikels8 polarity2 polarity3",
        "parrott6": "ekman6 mikels8 polarity2 polarity3",
        "heco8": "ekman6 mikels8 polarity2 polarity3",
        "plutchik8": "ekman6 ekman7 mikels8 polarity2 polarity3",
        "plutchik": "plutchik8 ekman6 ekman7 mikels8 polarity2 polarity3",
        "caer7": "ekman6 ekman7 polarity2 polarity3",
        "emotic26": "polarity2 polarity3",
        "webemo25": "webemo7 parrott parrott6 polarity2 polarity3",
        "fer7": "fer8 ekman7",
        "fer8": "fer7 ekman7",
        "artemis9": "mikels8 polarity3 vad",
        "abaw8": "fer7 fer8 ekman6 ekman7 polarity2 polarity3",
        "compound7": "compound11 polarity2 polarity3",
        "compound11": "compound7 polarity2 polarity3",
        "wikiart20": "ekman6 ekman7 mikels8 artemis9 polarity2 polarity3",
    }
    assert {(s, t) for s, targets in promised.items() for t in targets.split()} <= set(label_map_names())


def test_rows_of_the_published_table():
    table = label_map("mikels8", "ekman6")
    kinds = {name: (table.row(name).kind, table.row(name).to) for name in table.source.names}
    assert kinds["amusement"] == kinds["contentment"] == kinds["excitement"] == ("lossy", "joy")
    assert kinds["awe"] == ("ambiguous", "surprise")
    assert kinds["anger"] == ("exact", "anger")
    assert label_map("parrott6", "ekman6").row("love").kind == "lossy"
    assert label_map("parrott6", "mikels8").row("love").to == "contentment"
    assert label_map("webemo25", "webemo7").row("sympathy").to == "sadness"
    ambiguous = [n for n, row in label_map("emotic26", "polarity3").rows.items() if row.kind == "ambiguous"]
    assert ambiguous == ["sensitivity", "surprise", "sympathy", "yearning"]
    assert label_map("heco8", "mikels8").row("surprise").kind == "dropped"


def test_apply_to_a_class():
    table = label_map("mikels8", "ekman6")
    assert table.apply({"class": "amusement"}) == {"class": "joy"}
    assert table.apply({"class": "awe"}) is None
    assert table.apply({"class": "awe"}, ambiguous="map") == {"class": "surprise"}
    assert label_map("artemis9", "mikels8").apply({"class": "something else"}) is None
    assert label_map("webemo25", "polarity2").apply({"class": "irritabilty"}) == {"class": "negative"}
    with pytest.raises(UserError, match="must be drop or map"):
        table.apply({"class": "awe"}, ambiguous="keep")  # pyright: ignore[reportArgumentType]


def test_apply_to_a_distribution_sums_columns_then_renormalises():
    table = label_map("mikels8", "ekman6")
    label = {"distribution": [0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2]}
    mapped = table.apply(label)
    assert mapped is not None
    # awe's 0.2 leave; joy is (.1 + .1 + .1) / .8
    assert mapped["distribution"] == pytest.approx([0.125, 0.125, 0.125, 0.375, 0.25, 0])
    mapped = table.apply(label, ambiguous="map")
    assert mapped is not None
    assert mapped["distribution"] == pytest.approx([0.1, 0.1, 0.1, 0.3, 0.2, 0.2])
    assert table.apply({"distribution": [0, 1, 0, 0, 0, 0, 0, 0]}) is None
    with pytest.raises(UserError, match="mikels8 label has 8 values, got 3"):
        table.apply({"distribution": [0.5, 0.25, 0.25]})


def test_apply_to_votes_and_to_many_classes():
    votes = label_map("fer8", "ekman7").apply({"votes": [1, 2, 3, 0, 0, 0, 4, 5]})
    assert votes == {"votes": [4, 0, 0, 2, 3, 0, 1]}  # contempt's five leave
    table = label_map("emotic26", "polarity3")
    assert table.apply({"classes": ["pain", "peace", "fear", "yearning"]}) == {
        "classes": ["negative", "positive"]
    }
    assert table.apply({"classes": ["surprise"]}) is None
    assert table.apply({"classes": []}) is None


def test_apply_to_a_tree_uses_the_nearest_row_upwards():
    table = label_map("parrott", "ekman6")
    assert table.apply({"class": "anger/disgust/revulsion"}) == {"class": "disgust"}
    assert table.apply({"class": "anger/rage/fury"}) == {"class": "anger"}
    assert label_map("parrott", "mikels8").apply({"class": "joy/zest/excitement"}) == {"class": "excitement"}
    assert label_map("parrott", "parrott6").apply({"class": "dread"}) == {"class": "fear"}


def test_apply_to_a_continuous_target_gives_a_point_or_a_mean_point():
    table = label_map("mikels8", "vad")
    assert table.apply({"class": "awe"}) == {"valence": 0.3, "arousal": 0.6}
    mean = table.apply({"votes": [1, 0, 0, 0, 1, 0, 0, 0]})
    assert mean == pytest.approx({"valence": -0.05, "arousal": 0.65})


def test_round_trip_between_equal_spaces():
    for source, target in [("fer7", "ekman7"), ("mikels8", "artemis9"), ("ekman6", "ekman7")]:
        for name in label_space(source).names:
            there = label_map(source, target).apply({"class": name})
            assert there is not None
            assert label_map(target, source).apply(there) == {"class": name}


def record(label):
    return {"labels": {"fer8": label}}


def test_class_index():
    space = label_space("fer8")
    assert class_index(record({"class": "anger"}), space) == 6
    assert class_index(record({"votes": [0, 3, 2, 0, 0, 0, 0, 0]}), space) == 1
    assert class_index(record({"votes": [3, 3, 0, 0, 0, 0, 0, 0]}), space) is None
    assert class_index(record({"distribution": [0.1, 0.2, 0.7, 0, 0, 0, 0, 0]}), space) == 2
    assert class_index(record({"classes": ["anger"]}), space) is None
    assert class_index({"labels": {"fer7": {"class": "anger"}}}, space) is None
    assert class_index({}, space) is None


def test_distribution():
    space = label_space("fer8")
    assert distribution(record({"class": "happiness"}), space) == [0, 1, 0, 0, 0, 0, 0, 0]
    assert distribution(record({"votes": [1, 3, 0, 0, 0, 0, 0, 0]}), space) == [0.25, 0.75, 0, 0, 0, 0, 0, 0]
    assert distribution(record({"classes": ["anger"]}), space) is None
    assert distribution({}, space) is None
