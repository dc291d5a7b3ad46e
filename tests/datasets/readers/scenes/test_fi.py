"""FI: class folders alone, and with the workers' votes behind them."""

import pytest
from reader_outcomes import outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.fi import FIConfig
from vemo.foundation.errors import UserError

MIKELS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


def vote(root, emotion, *lines):
    (root / "agg").mkdir(exist_ok=True)
    (root / "agg" / f"{emotion}_agg.csv").write_bytes("".join(line + "\r\n" for line in lines).encode())


@pytest.mark.parametrize("above", ["emotion_dataset", ""])
def test_a_re_hosted_copy_is_class_folders(tmp_path, put, round_trip, above):
    for number, name in enumerate(MIKELS):
        put(tmp_path / "set" / above / name / f"{name}_0001.jpg", number)
    records = round_trip(FIConfig(), tmp_path / "set")
    assert {name: record["labels"]["mikels8"]["class"] for name, record in records.items()} == {
        f"fi/{name}/{name}_0001.jpg": name for name in MIKELS
    }
    assert not any("attributes" in record for record in records.values())


def test_copies_such_as_placeholders_share_a_group(tmp_path, put):
    for number, name in ((0, "awe/1.jpg"), (0, "fear/2.jpg"), (1, "fear/3.jpg")):
        put(tmp_path / "emotion_dataset" / name, number)
    awe, fear, other = make_reader(FIConfig(), tmp_path).rows()
    assert awe.group == fear.group != other.group


def test_votes_and_the_rule_of_three_of_five(tmp_path, put, round_trip):
    vote(
        tmp_path,
        "awe",
        "1,http://farm1.example/a_1.jpg,0,5",
        "2,http://farm1.example/a_2.jpg?s=1,2,3",
        "3,http://farm1.example/a_3.jpg,3,2",
        "4,http://farm1.example/gone.jpg,4,1",
    )
    for number, name in enumerate(["awe/a_1.jpg", "awe/a_2.jpg", "awe/a_3.jpg", "awe/unlisted.jpg"]):
        put(tmp_path / "emotion_dataset" / name, number)
    records = round_trip(FIConfig(), tmp_path)
    assert {name: (r.get("labels"), r.get("attributes")) for name, r in records.items()} == {
        "fi/awe/a_1.jpg": ({"mikels8": {"class": "awe"}}, {"votes_agree": 5, "votes_disagree": 0}),
        "fi/awe/a_2.jpg": ({"mikels8": {"class": "awe"}}, {"votes_agree": 3, "votes_disagree": 2}),
        "fi/awe/a_3.jpg": (None, {"votes_agree": 2, "votes_disagree": 3}),
        "fi/awe/unlisted.jpg": ({"mikels8": {"class": "awe"}}, None),
    }
    strict = outcomes(FIConfig(min_agree=4), tmp_path)
    assert "labels" not in strict["awe/a_2.jpg"]
    plain = outcomes(FIConfig(votes=False), tmp_path)
    assert all("labels" in record and "attributes" not in record for record in plain.values())


def test_broken_votes_fail_by_name_and_nothing_is_lost(tmp_path, put):
    vote(
        tmp_path,
        "Sadness",
        "1,http://farm1.example/here.jpg,0,5",
        "1,http://farm1.example/here.jpg,0,5",
        "2,http://farm1.example/twice.jpg,0,5",
        "2,http://farm1.example/twice.jpg,5,0",
        "3,http://farm1.example/dead.jpg,1,4",
        "4,http://farm1.example/x.jpg,one,4",
        "5,http://farm1.example/x.jpg",
        "",
        "6,http://farm1.example/,0,5",
    )
    for number, name in enumerate(["here.jpg", "twice.jpg"]):
        put(tmp_path / "emotion_dataset" / "sadness" / name, number)
    found = outcomes(FIConfig(), tmp_path)
    assert found.pop("sadness/here.jpg")["labels"] == {"mikels8": {"class": "sadness"}}
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "sadness/twice.jpg": "bad_annotation",
        "sadness/dead.jpg": "missing_image",
        "sadness/agg/Sadness_agg.csv line 6": "bad_row",
        "sadness/agg/Sadness_agg.csv line 7": "bad_row",
        "sadness/agg/Sadness_agg.csv line 9": "bad_row",
    }
    assert found["sadness/dead.jpg"].endswith("as 4 workers called it; is its link dead?")


def test_an_image_voted_for_two_emotions_counts_for_its_folder(tmp_path, put):
    vote(tmp_path, "awe", "1,http://farm1.example/a.jpg,0,5")
    vote(tmp_path, "fear", "1,http://farm1.example/a.jpg,4,1")
    put(tmp_path / "emotion_dataset" / "awe" / "a.jpg")
    assert outcomes(FIConfig(), tmp_path)["awe/a.jpg"]["attributes"]["votes_agree"] == 5


def test_user_errors(tmp_path, put):
    put(tmp_path / "emotion_dataset" / "awe" / "awe_0001.jpg")
    vote(tmp_path, "awe", "1,http://farm1.example/a.jpg,0,5")
    with pytest.raises(UserError, match=r"no image bears the name .*a\.jpg.*reader\.votes=false"):
        list(make_reader(FIConfig(), tmp_path).rows())
    vote(tmp_path, "awe", "emotion;url;votes")  # another format: every line says so, none is lost
    reasons = {row.facts.get("failure", ["read"])[0] for row in make_reader(FIConfig(), tmp_path).rows()}
    assert reasons == {"read", "bad_row"}
    vote(tmp_path, "urls", "1,http://farm1.example/a.jpg,0,5")
    with pytest.raises(UserError, match=r"urls_agg\.csv: expected agg/<emotion>_\*\.csv"):
        list(make_reader(FIConfig(), tmp_path).rows())
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"no folders, none of them a class of mikels8.*qzyou\.github\.io"):
        make_reader(FIConfig(), tmp_path / "other")
