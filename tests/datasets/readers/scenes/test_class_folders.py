"""UnBiasedEmo, Panda's Emotion-6, WEBEmo and CAER-S: class folders, each with its own trap."""

import pytest
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.class_folders import ClassFoldersConfig, WebEmoConfig
from vemo.datasets.taxonomy import label_map
from vemo.foundation.errors import UserError

# As the authors' category.txt has them, typing mistakes included; the folder's number is the place.
CATEGORIES = """
affection cheerfullness confusion contentment disappointment disgust enthrallment envy exasperation gratitude
horror irritabilty lust neglect nervousness optimism pride rage relief sadness shame suffering surprise
sympathy zest
"""
WEBEMO = CATEGORIES.split()
PARROTT = ("anger", "fear", "joy", "love", "sadness", "surprise")
EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def config(kind, **settings):
    return ClassFoldersConfig(kind=kind, **settings)


def classes(records):
    return {name: next(iter(record["labels"].values()))["class"] for name, record in records.items()}


def test_unbiased_emo_has_the_path_as_id_and_the_object_as_attribute(tmp_path, put, round_trip):
    names = ["anger/cat/001.jpg", "anger/dog/001.jpg", "love/cat/001.jpg", "joy/Baseball bat/é.JPG"]
    for number, name in enumerate(names):
        put(tmp_path / "images" / name, number)
    put(tmp_path / "images" / "fear" / "loose.jpg", 4)
    (tmp_path / "images" / "anger" / "cat" / ".DS_Store").write_bytes(b"x")
    records = round_trip(config("unbiased_emo"), tmp_path)
    assert classes(records) == {
        "unbiasedemo/anger/cat/001.jpg": "anger",
        "unbiasedemo/anger/dog/001.jpg": "anger",
        "unbiasedemo/joy/Baseball bat/é.JPG": "joy",
        "unbiasedemo/love/cat/001.jpg": "love",
        "unbiasedemo/fear/loose.jpg": "fear",
    }
    assert records["unbiasedemo/joy/Baseball bat/é.JPG"]["attributes"] == {"object": "Baseball bat"}
    assert "attributes" not in records["unbiasedemo/fear/loose.jpg"]


def test_copies_share_a_group_and_objects_do_not(tmp_path, put):
    put(tmp_path / "images" / "anger" / "cat" / "1.jpg", 0)
    put(tmp_path / "images" / "anger" / "cat" / "2.jpg", 1)
    put(tmp_path / "images" / "joy" / "dog" / "1.jpg", 0)
    first, second, copy = make_reader(config("unbiased_emo"), tmp_path).rows()
    assert first.group == copy.group != second.group
    assert {row.split for row in (first, second, copy)} == {None}


def test_panda_emotion6_keeps_the_finer_folders(tmp_path, put, round_trip):
    for number, name in enumerate(PARROTT):
        put(tmp_path / "images" / name / "finer" / "finest" / "1.jpg", number)
    # Parrott files disgust under anger; there it is no class folder, and no mark of the other Emotion6.
    put(tmp_path / "images" / "anger" / "disgust" / "2.jpg", 6)
    records = round_trip(config("panda_emotion6"), tmp_path)
    assert set(classes(records).values()) == set(PARROTT)
    assert records["panda-emotion6/joy/finer/finest/1.jpg"]["attributes"] == {
        "level2": "finer",
        "level3": "finest",
    }
    disgust = records["panda-emotion6/anger/disgust/2.jpg"]
    assert disgust["labels"] == {"parrott6": {"class": "anger"}}
    assert disgust["attributes"] == {"level2": "disgust"}


@pytest.mark.parametrize("kind", ["panda_emotion6", "unbiased_emo"])
@pytest.mark.parametrize("above", ["images", "", "images/train"])
def test_emotion6_of_peng_is_recognised_by_its_folders(tmp_path, put, kind, above):
    for name in EKMAN:
        put(tmp_path / above / name.title() / "1.jpg")
    with pytest.raises(UserError, match=r"disgust tells that this is Emotion6 of Peng.*kind=emotion6"):
        make_reader(config(kind), tmp_path)


def test_emotion6_of_peng_is_recognised_by_its_table(tmp_path, put):
    put(tmp_path / "images" / "anger" / "1.jpg")
    (tmp_path / "ground_truth.txt").write_text("[image_filename]\n")
    for kind in ("panda_emotion6", "unbiased_emo", "caer_s"):
        with pytest.raises(UserError, match=r"ground_truth\.txt tells that this is Emotion6 of Peng"):
            make_reader(config(kind), tmp_path)


def test_webemo_numbers_are_places_in_the_authors_list(tmp_path, put, round_trip):
    for place in range(25):
        put(tmp_path / "images" / "test25" / str(place) / f"220_F_{place}.jpg", place % 24)
    records = round_trip(WebEmoConfig(), tmp_path)
    # 10 comes before 2 in a listing, but is horror; a name's place is not its folder's turn.
    assert classes(records) == {
        f"webemo/test25/{place}/220_F_{place}.jpg": {
            "cheerfullness": "cheerfulness",
            "irritabilty": "irritability",
        }.get(name, name)
        for place, name in enumerate(WEBEMO)
    }
    assert {record["source"]["split"] for record in records.values()} == {"test"}


def test_webemo_named_folders_with_their_typing_mistakes_and_both_splits(tmp_path, put):
    for split in ("train25", "test25"):
        for name in WEBEMO:
            put(tmp_path / split / name / "a.jpg")
    rows = list(make_reader(WebEmoConfig(), tmp_path).rows())
    assert [row.split for row in rows] == ["train"] * 25 + ["test"] * 25
    assert len({row.facts["class"] for row in rows}) == 25
    assert {row.group for row in rows} == {None}  # its own split stands; the build reports what it leaks


def test_webemo_without_a_split_folder_is_split_by_the_builder(tmp_path, put):
    put(tmp_path / "0" / "a.jpg")
    (row,) = make_reader(WebEmoConfig(), tmp_path).rows()
    assert (row.id, row.split, row.facts["class"]) == ("0/a.jpg", None, "affection")
    assert row.group


def test_webemo_rolls_up_through_label_maps():
    fine, middle = label_map("webemo25", "webemo7"), label_map("webemo7", "polarity2")
    tiers = {}
    for name in WEBEMO:
        tier = fine.apply({"class": name})
        tiers.setdefault(tier["class"], []).append(fine.source.canonical(name))
    assert tiers == {
        "love": ["affection", "gratitude", "lust"],
        "joy": ["cheerfulness", "contentment", "enthrallment", "optimism", "pride", "relief", "zest"],
        "anger": ["disgust", "envy", "exasperation", "irritability", "rage"],
        "sadness": ["disappointment", "neglect", "sadness", "shame", "suffering", "sympathy"],
        "fear": ["horror", "nervousness"],
        "surprise": ["surprise"],
        "confusion": ["confusion"],
    }
    assert middle.apply({"class": "joy"}) == {"class": "positive"}
    assert middle.apply({"class": "fear"}) == {"class": "negative"}
    assert middle.apply({"class": "surprise"}) is None


@pytest.mark.parametrize(("above", "anger"), [("CAER-S", "Anger"), ("", "Anger"), ("CAER-S", "Angry")])
def test_caer_s_and_its_cleaned_copy(tmp_path, put, round_trip, above, anger):
    names = (anger, "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    for number, name in enumerate(names):
        put(tmp_path / "set" / above / "train" / name / "0001.png", number)
        put(tmp_path / "set" / above / "test" / name / "0001.png", number + 7)
    records = round_trip(config("caer_s"), tmp_path / "set")
    found = {(r["source"]["split"], name) for r, name in zip(records.values(), classes(records).values())}
    emotions = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    assert found == {(split, emotion) for split in ("train", "test") for emotion in emotions}
    assert not any("group" in record["source"] for record in records.values())


def test_caer_s_groups_from_a_side_file(tmp_path, put, round_trip):
    root = tmp_path / "set"
    for number, name in enumerate(["train/Sad/0001.png", "train/Sad/0002.png", "test/Sad/0001.png"]):
        put(root / name, number)
    (root / "clips.csv").write_bytes(
        "\ufeffpath,group\r\ntrain/Sad/0001.png, clip 1 \r\ntest/Sad/0001.png,clip 1\r\n".encode()
    )
    own = {row.id: row for row in make_reader(config("caer_s", groups="clips.csv"), root).rows()}
    assert {name: (row.split, row.group) for name, row in own.items()} == {
        "train/Sad/0001.png": ("train", "clip 1"),
        "train/Sad/0002.png": ("train", None),
        "test/Sad/0001.png": ("test", "clip 1"),
    }
    records = round_trip(config("caer_s", groups="clips.csv", splits="by_group"), root)
    assert not any("split" in record["source"] for record in records.values())
    assert all("group" in record["source"] for record in records.values())


def test_group_file_mistakes(tmp_path, put):
    put(tmp_path / "train" / "Sad" / "0001.png")
    with pytest.raises(UserError, match=r"clips\.csv: no such file"):
        make_reader(config("caer_s", groups="clips.csv"), tmp_path)
    (tmp_path / "clips.csv").write_text("file,clip\n")
    with pytest.raises(UserError, match="first line must be path,group"):
        make_reader(config("caer_s", groups="clips.csv"), tmp_path)
    (tmp_path / "clips.csv").write_text("path,group\nSad/0001.png,1\n")
    with pytest.raises(UserError, match=r"names no image of this copy, such as Sad/0001\.png"):
        list(make_reader(config("caer_s", groups="clips.csv"), tmp_path).rows())


def test_another_dataset_is_told_apart_and_says_how_to_get_the_right_one(tmp_path, put):
    put(tmp_path / "awe" / "1.jpg")
    put(tmp_path / "amusement" / "1.jpg")
    with pytest.raises(
        UserError, match=r"amusement, awe, none of them a class of caer7.*caer-dataset"
    ) as caught:
        make_reader(config("caer_s"), tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_says_how_to_get_the_dataset(tmp_path):
    for settings in (config("unbiased_emo"), config("panda_emotion6"), WebEmoConfig()):
        with pytest.raises(UserError, match=r"no folders, none of them a class.*rpand002\.github\.io"):
            make_reader(settings, tmp_path)


def test_one_strange_folder_among_classes_is_named_and_can_be_explained(tmp_path, put):
    put(tmp_path / "train" / "Sad" / "1.png")
    put(tmp_path / "train" / "Furious" / "1.png")
    with pytest.raises(UserError, match=r"folders Furious; it has .*reader\.synonyms"):
        make_reader(config("caer_s"), tmp_path)
    reader = make_reader(config("caer_s", synonyms={"furious": "anger"}), tmp_path)
    assert {row.facts["class"] for row in reader.rows()} == {"anger", "sadness"}
