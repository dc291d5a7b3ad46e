"""ArtEmis v1 and v2, ArtELingo, Affection: many answers, one sample; drawn pictures under painters' names."""

import csv
import unicodedata

import pytest
from reader_outcomes import outcomes_of as outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.art.artemis import (
    AffectionConfig,
    ArtELingoConfig,
    ArtEmisConfig,
    ArtEmisV2Config,
)
from vemo.foundation.errors import UserError

V1 = "artemis_dataset_release_v0.csv"
AWE, FEAR = "vincent-van-gogh_wheatfield-1889", "józef-pankiewicz_nocturne-1893"


def table(path, header, *lines, bom=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig" if bom else "utf-8") as stream:
        csv.writer(stream).writerows([header.split(","), *lines])


@pytest.fixture
def paintings(tmp_path, put):
    put(tmp_path / "wikiart" / "Post_Impressionism" / f"{AWE}.jpg", 0)
    put(tmp_path / "wikiart" / "Realism" / f"{FEAR}.jpg", 1)
    return tmp_path


@pytest.fixture
def v1(paintings):
    table(
        paintings / V1,
        "art_style,painting,emotion,utterance,repetition",
        ["Post_Impressionism", AWE, "awe", 'The sky, "alive", moves', "3"],
        ["Realism", FEAR, "fear", "It is dark.\nToo dark.", "1"],
        ["Post_Impressionism", AWE, "something else", "I do not know", "3"],
        ["Post_Impressionism", AWE, "Awe ", "  ", "3"],
        bom=True,
    )
    return paintings


def test_all_answers_to_an_artwork_are_one_sample(v1, round_trip):
    records = round_trip(ArtEmisConfig(), v1)
    assert set(records) == {f"artemis/Post_Impressionism/{AWE}", f"artemis/Realism/{FEAR}"}
    record = records[f"artemis/Post_Impressionism/{AWE}"]
    # artemis9: amusement, awe, contentment, excitement, anger, disgust, fear, sadness, something else
    assert record["labels"] == {"artemis9": {"votes": [0, 2, 0, 0, 0, 0, 0, 0, 1]}}
    assert record["captions"] == [  # the third annotator wrote nothing, and counts all the same
        {"emotion": "awe", "text": 'The sky, "alive", moves'},
        {"emotion": "something else", "text": "I do not know"},
    ]
    assert record["source"]["group"] == f"wikiart/{AWE}"
    assert record["source"]["path"] == f"wikiart/Post_Impressionism/{AWE}.jpg"
    assert records[f"artemis/Realism/{FEAR}"]["captions"][0]["text"] == "It is dark.\nToo dark."


def test_the_raw_table_has_no_splits_and_the_preprocessed_one_its_own(paintings):
    header = "art_style,painting,emotion,utterance,utterance_spelled,split"
    lines = [
        ["Realism", "a", "fear", "Dark!", "dark", "train"],
        ["Realism", "a", "awe", "Oh", "oh", "train"],
        ["Realism", "b", "fear", "Dark!", "dark", "val"],
        ["Realism", "c", "fear", "Dark!", "dark", "test"],
        ["Realism", "d", "fear", "Dark!", "dark", "rest"],
        ["Realism", "e", "fear", "Dark!", "dark", ""],
    ]
    table(paintings / "artemis_preprocessed.csv", header, *lines)
    reader = make_reader(ArtEmisConfig(text="utterance_spelled"), paintings)
    rows = list(reader.rows())
    assert [row.split for row in rows] == ["train", "val", "test", "rest", None]
    assert rows[0].facts["answers"] == [["fear", "dark", "", ""], ["awe", "oh", "", ""]]
    assert rows == list(reader.rows())


@pytest.mark.parametrize("on_disk", ["NFC", "NFD", "escaped"])
def test_a_painter_with_an_accent_is_found(tmp_path, put, on_disk):
    name = FEAR.replace("ó", "#U00f3") if on_disk == "escaped" else unicodedata.normalize(on_disk, FEAR)
    image = put(tmp_path / "wikiart" / "Realism" / f"{name}.JPG")
    composed, decomposed = FEAR, unicodedata.normalize("NFD", FEAR)
    lines = [["Realism", painting, "awe", "Oh"] for painting in (composed, decomposed)]
    table(tmp_path / V1, "art_style,painting,emotion,utterance", *lines)
    reader = make_reader(ArtEmisConfig(), tmp_path)
    (row,) = reader.rows()  # two spellings, one artwork
    assert (row.id, row.group) == (f"Realism/{FEAR}", f"wikiart/{FEAR}")
    assert row.path == f"wikiart/Realism/{name}.JPG"
    sample, data = reader.read(row)
    assert data == image
    assert sum(sample.labels["artemis9"].votes or []) == 2


def test_lines_that_cannot_be_used_fail_alone(v1):
    with (v1 / V1).open("a", encoding="utf-8") as stream:
        stream.write("Realism,gone,sadness,Where is it,1\r\n")
        stream.write(f"Realism,{FEAR},joy,A label that ArtEmis lacks,1\r\n")
        stream.write(f"Realism,{FEAR},,No emotion,1\r\n")
        stream.write(",,fear,About nothing,1\r\n")
        stream.write(f"Realism,{FEAR},fear\r\n\r\n")
        stream.write("../..,up,awe,Outside,1\r\n")
    found = outcomes(make_reader(ArtEmisConfig(), v1))
    assert "line 8: label space artemis9 has no 'joy'" in found["line8"]
    assert "line 9: label space artemis9 has no ''" in found["line9"]
    assert "line 10: art_style is '' and painting ''" in found["line10"]
    assert found["line11"].endswith("line 11: 3 cells, the first line has 5")
    assert found["Realism/gone"] == "missing_image: no file wikiart/Realism/gone.jpg"
    assert found["../../up"].startswith("path_escapes_root")
    assert found[f"Realism/{FEAR}"]["labels"]["artemis9"]["votes"][6] == 1  # its good answer is kept
    assert len(found) == 8


def test_an_artwork_in_two_splits_fails(paintings):
    lines = [["Realism", FEAR, "awe", "Oh", split] for split in ("train", "test")]
    table(paintings / V1, "art_style,painting,emotion,utterance,split", *lines)
    (text,) = outcomes(make_reader(ArtEmisConfig(), paintings)).values()
    assert text == f"bad_row: {V1}: its answers are in splits train, test"


def test_both_versions_of_an_artwork_stay_together(paintings, round_trip):
    header = "art_style,painting,emotion,utterance,repetition,version,anchor_art_style,anchor_painting"
    nfd = unicodedata.normalize("NFD", FEAR)  # as the authors' own script writes the combined table
    table(
        paintings / "combined_artemis.csv",
        header,
        ["Realism", nfd, "fear", "Dark", "5", "old", "", "nan"],
        ["Realism", nfd, "contentment", "Quiet", "5", "new", "Post_Impressionism", AWE],
        ["Post_Impressionism", AWE, "awe", "Oh", "5", "old", "", "nan"],
    )
    records = round_trip(ArtEmisV2Config(), paintings)
    record = records[f"artemis-v2/Realism/{FEAR}"]
    assert record["attributes"] == {"versions": ["old", "new"]}
    assert [caption["emotion"] for caption in record["captions"]] == ["fear", "contentment"]
    (new,) = make_reader(ArtEmisV2Config(only=["new"]), paintings).rows()
    assert new.facts["answers"] == [["contentment", "Quiet", "", "new"]]
    assert new.group == f"wikiart/{FEAR}"


def test_languages(paintings):
    header = "art_style,emotion,language,painting,split,utterance"
    table(
        paintings / "artelingo_release_lite.csv",
        header,
        ["Realism", "awe", "english", FEAR, "val", "Beautiful"],
        ["Realism", "sadness", "arabic", FEAR, "val", "جميل جدا"],
        ["Realism", "awe", "Chinese", FEAR, "val", "很美"],
        ["Realism", "awe", "chinese", FEAR, "val", ""],
    )
    (record,) = outcomes(make_reader(ArtELingoConfig(), paintings)).values()
    assert record["labels"] == {"artemis9": {"votes": [0, 3, 0, 0, 0, 0, 0, 1, 0]}}
    assert [caption["text"] for caption in record["captions"]] == ["Beautiful", "جميل جدا", "很美"]
    assert record["attributes"] == {"languages": ["english", "arabic", "chinese"]}
    rows = [
        row
        for language in ("arabic", "Chinese")
        for row in make_reader(ArtELingoConfig(only=[language]), paintings).rows()
    ]
    assert [len(row.facts["answers"]) for row in rows] == [1, 2]
    assert rows[0].group == rows[1].group  # so that sets of two languages are split alike
    with pytest.raises(
        UserError, match=r"reader\.only: .* has no arabisch; there are arabic, chinese, english"
    ):
        list(make_reader(ArtELingoConfig(only=["arabisch", "chinese"]), paintings).rows())


AFFECTION = "workerid,utterance,emotion,dataset,image_name,split"


def test_affection_knows_its_five_sources(tmp_path, put, round_trip):
    photos = {
        (
            "coco_affective",
            "COCO_train2014_000000206192.jpg",
        ): "coco/train2014/COCO_train2014_000000206192.jpg",
        ("visual_genome_affective", "2317.jpg"): "visual_genome/VG_100K_2/2317.jpg",
        ("flickr30k_affective", "100.jpg"): "flickr30k/100.jpg",
        ("you_aaai_affective", "awe_0001.jpg"): "you_aaai/awe/awe_0001.jpg",
        ("emotional_machines_affective", "fear_7.jpg"): "emotional_machines/fear_7.jpg",
    }
    lines = []
    for number, ((source, name), path) in enumerate(photos.items()):
        put(tmp_path / path, number)
        split = "train" if number else "test"
        lines += [["w1", "so calm", "contentment", source, name, split]]
        lines += [["w2", "so high", "fear", source, name, split]]
    table(tmp_path / "language" / "version_0" / "affection_raw_public_version_0.csv", AFFECTION, *lines)
    records = round_trip(AffectionConfig(), tmp_path)
    assert {tuple(name.split("/")[1:]): r["source"]["path"] for name, r in records.items()} == photos
    record = records["affection/coco_affective/COCO_train2014_000000206192.jpg"]
    assert record["captions"] == [
        {"emotion": "contentment", "text": "so calm", "annotator": "w1"},
        {"emotion": "fear", "text": "so high", "annotator": "w2"},
    ]
    assert record["source"]["split"] == "test"
    assert record["source"]["group"] == "coco_affective/COCO_train2014_000000206192.jpg"


def test_affection_of_an_unknown_source(tmp_path):
    line = ["w1", "so calm", "awe", "imagenet", "n01.jpg", "train"]
    table(tmp_path / "affection_raw_public_version_0.csv", AFFECTION, line)
    (text,) = outcomes(make_reader(AffectionConfig(), tmp_path)).values()
    assert "line 2: dataset is 'imagenet' (known: coco_affective, " in text


def test_user_errors(paintings):
    with pytest.raises(UserError, match=r"no artemis_dataset_release_v0\.csv or .*artemisdataset\.org"):
        make_reader(ArtEmisConfig(), paintings)
    table(paintings / V1, "art_style,painting,emotion,repetition", ["Realism", FEAR, "awe", "1"])
    with pytest.raises(UserError, match="no column utterance; there are art_style, painting, emotion, rep"):
        list(make_reader(ArtEmisConfig(), paintings).rows())
    with pytest.raises(UserError, match=r"no answers\.csv"):
        make_reader(ArtEmisConfig(table="answers.csv"), paintings)
    table(paintings / "Contrastive.csv", "art_style,painting,emotion,utterance")
    with pytest.raises(UserError, match="no column version"):
        list(make_reader(ArtEmisV2Config(only=["new"]), paintings).rows())


def test_broken_tables_are_user_errors(paintings):
    (paintings / V1).write_bytes(b"art_style,painting,emotion,utterance\nRealism,a,awe,caf\xe9\n")
    with pytest.raises(UserError, match=r"not utf-8-sig .*save it as UTF-8"):
        list(make_reader(ArtEmisConfig(), paintings).rows())
    for swallowed in (3, 40_000):  # few enough to end in one cell, or too many for one
        lines = 'Realism,a,awe,"it never closes\n' + "Realism,a,awe,ok\n" * swallowed
        (paintings / V1).write_text("art_style,painting,emotion,utterance\nRealism,a,awe,ok\n" + lines)
        with pytest.raises(UserError, match=r"after line .*is a quotation mark never closed"):
            list(make_reader(ArtEmisConfig(), paintings).rows())
    (paintings / V1).write_bytes(b"")
    with pytest.raises(UserError, match="first line must name the columns"):
        list(make_reader(ArtEmisConfig(), paintings).rows())
    (paintings / V1).write_text("art_style,painting,painting\n")
    with pytest.raises(UserError, match="names painting more than once"):
        list(make_reader(ArtEmisConfig(), paintings).rows())
