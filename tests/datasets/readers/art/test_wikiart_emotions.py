"""WikiArt Emotions: shares of ticks as a distribution or as classes, both tables, then the real archive."""

import csv
import tarfile
from pathlib import Path

import pytest
import vemo
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.art.wikiart_emotions import FORMS, WikiArtEmotionsConfig
from vemo.datasets.taxonomy import label_map, label_space
from vemo.foundation.errors import UserError

ARCHIVE = Path(vemo.__file__).parent.parent / "shared" / "data" / "wikiart_emotions.tar.gz"
NAMES = label_space("wikiart20").names
KEY = "joaquín-sorolla_jardín-1907"


def shares(**ticked):
    return [f"{ticked.get(name, 0.0)}" for name in NAMES]


def write(root, *lines, columns=NAMES):
    """lines: (path, key, title, year, is painting, face/body, rating, shares with title, shares without)."""
    known = ["path", "key", "style_dir", "Category", "Artist", "Title", "Year"]
    known += ["Is painting", "Face/body", "Ave. art rating"]
    with (root / "annotations.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([*known, *(prefix + each for prefix in FORMS.values() for each in columns)])
        for path, key, *seen, together, alone in lines:
            constant = ["Realism", "Realism,Cubism", "A. Painter"]
            table.writerow([path, key, *constant, *seen, *together, *alone])


def line(key=KEY, path=None, together=None, alone=None, title="Jard&#237;n", **known):
    facts = {"year": "1907", "painting": "yes", "face": "none", "rating": "-0.5"} | known
    return (
        path or f"images/Realism/{key}.jpg",
        key,
        title,
        *facts.values(),
        together or shares(sadness=0.5, fear=0.25),
        alone or shares(love=0.4, trust=0.4, neutral=0.5, fear=0.1),
    )


@pytest.fixture
def root(tmp_path, put):
    put(tmp_path / "images" / "Realism" / f"{KEY}.jpg")
    write(tmp_path, line())
    return tmp_path


def only(reader):
    (row,) = reader.rows()
    return reader.read(row)[0].to_record()


def test_shares_become_a_distribution_and_can_be_had_back(root, round_trip):
    (record,) = round_trip(WikiArtEmotionsConfig(), root).values()
    assert record["id"] == f"wikiart-emotions/{KEY}"
    assert record["source"]["group"] == f"wikiart/{KEY}"  # as in ArtEmis
    ticks = record["attributes"].pop("ticks_per_annotator")
    assert ticks == pytest.approx(1.4)
    shares_again = [share * ticks for share in record["labels"]["wikiart20"]["distribution"]]
    expected = {"fear": 0.1, "love": 0.4, "trust": 0.4, "neutral": 0.5}
    assert shares_again == pytest.approx([expected.get(name, 0) for name in NAMES])
    assert record["attributes"] == {
        "style": "Realism",
        "categories": ["Realism", "Cubism"],
        "artist": "A. Painter",
        "title": "Jardín",
        "year": "1907",
        "is_painting": True,
        "shows": "none",
        "art_rating": -0.5,
    }


def test_the_form_with_the_title(root):
    record = only(make_reader(WikiArtEmotionsConfig(form="image_and_title"), root))
    distribution = dict(zip(NAMES, record["labels"]["wikiart20"]["distribution"]))
    assert distribution["sadness"] == pytest.approx(2 / 3)
    assert distribution["fear"] == pytest.approx(1 / 3)


def test_columns_are_found_by_name_not_by_place(root):
    turned = tuple(reversed(NAMES))
    values = dict(zip(NAMES, shares(anger=1.0)))
    write(root, line(alone=[values[name] for name in turned]), columns=turned)
    record = only(make_reader(WikiArtEmotionsConfig(), root))
    assert record["labels"]["wikiart20"]["distribution"][NAMES.index("anger")] == 1


@pytest.mark.parametrize(
    ("ticked", "agreement", "classes"),
    [
        ({"love": 0.4, "fear": 0.399, "neutral": 0.9}, 0.4, ["love"]),  # neutral only where there is no other
        ({"neutral": 0.4, "fear": 0.399}, 0.4, ["neutral"]),
        ({"neutral": 0.3, "fear": 0.399}, 0.4, []),
        ({"love": 0.3, "anger": 0.5}, 0.3, ["anger", "love"]),
    ],
)
def test_classes_that_reach_the_agreement(root, ticked, agreement, classes):
    write(root, line(alone=shares(**ticked)))
    config = WikiArtEmotionsConfig(label="classes", agreement=agreement)
    assert only(make_reader(config, root))["labels"] == {"wikiart20": {"classes": classes}}


def test_sentences_are_made_as_the_shares_are_and_say_so(root):
    assert "captions" not in only(make_reader(WikiArtEmotionsConfig(), root))
    record = only(make_reader(WikiArtEmotionsConfig(templates=7), root))
    captions = record["captions"]
    assert {caption["annotator"] for caption in captions} == {"template"}
    # love .4, trust .4, neutral .5, fear .1 of 1.4 ticks: 2, 2, 2.5 and .5 of seven.
    felt = [caption["emotion"] for caption in captions]
    assert sorted(felt) == sorted(["love"] * 2 + ["trust"] * 2 + ["neutral"] * 2 + ["fear"])
    for caption in captions:
        assert caption["emotion"] in caption["text"] and "realism" in caption["text"]
        assert "without people" in caption["text"]
    assert any("called jardín" in caption["text"] for caption in captions)
    assert len({caption["text"] for caption in captions}) > 4


def test_an_artwork_without_any_tick_has_no_label(root):
    write(root, line(alone=shares(), rating="", year="", painting="?", face="hand", title=" "))
    record = only(make_reader(WikiArtEmotionsConfig(), root))
    assert "labels" not in record
    assert set(record["attributes"]) == {"ticks_per_annotator", "style", "categories", "artist"}


def test_the_table_as_the_authors_give_it_out(tmp_path, put):
    put(tmp_path / "images" / "57727444edc2cb3880cb7bf6.jpg")
    known = ["ID", "Style", "Category", "Artist", "Title", "Year", "Image URL", "Painting Info URL"]
    known += ["Artist Info URL", "Is painting", "Face/body", "Ave. art rating"]
    page = "https://www.wikiart.org/en/joaqu%C3%ADn-sorolla/jard%C3%ADn-1907"
    cells = ["57727444edc2cb3880cb7bf6", "Modern Art", "Impressionism", "J. S.", 'The "Garden"', "1907"]
    cells += ["https://x/y.jpg", page, "https://x", "yes", "none", "1.5"]
    header = [*known, *(prefix + name for prefix in (*FORMS.values(), "TitleOnly: ") for name in NAMES)]
    with (tmp_path / "WikiArt-Emotions-All.tsv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, delimiter="\t")
        table.writerow(header)
        table.writerow([*cells, *shares(fear=1.0), *shares(love=1.0), *shares(anger=1.0)])
    record = only(make_reader(WikiArtEmotionsConfig(), tmp_path))
    assert record["source"]["path"] == "images/57727444edc2cb3880cb7bf6.jpg"
    assert record["source"]["group"] == f"wikiart/{KEY}"
    assert record["labels"]["wikiart20"]["distribution"][NAMES.index("love")] == 1
    assert record["attributes"]["title"] == 'The "Garden"'
    assert record["attributes"]["period"] == "Modern Art"


def test_bad_lines_fail_by_name(root, put):
    for key in ("a", "b", "c"):
        put(root / "images" / "Realism" / f"{key}.jpg")
    write(
        root,
        line("a", alone=shares(love=1.2, fear=-0.1)),
        line("b", alone=["nan", *shares()[1:]]),
        line("c", alone=["", *shares()[1:]]),
        line("gone"),
        line("", path="images/x.jpg"),
        line("up", path="../up.jpg"),
        line(KEY),
        line(KEY),
    )
    reader = make_reader(WikiArtEmotionsConfig(), root)
    texts = {}
    for row in reader.rows():
        try:
            texts[row.id] = reader.read(row)[0].id
        except SampleError as error:
            texts[row.id] = str(error)
    assert texts["a"].endswith("line 2: shares from 0 to 1 expected, got fear -0.1, love 1.2")
    assert texts["b"].endswith("share of agreeableness is 'nan', not a number")
    assert texts["c"].endswith("share of agreeableness is '', not a number")
    assert texts["gone"] == "missing_image: no file images/Realism/gone.jpg"
    assert texts["line6"] == "bad_row: annotations.csv line 6: no key or ID"
    assert texts["up"].startswith("path_escapes_root")
    assert texts[KEY] == f"wikiart-emotions/{KEY}"
    assert texts[f"{KEY}~2"].startswith("duplicate_id")


def test_user_errors(root):
    write(root, columns=NAMES[1:])
    with pytest.raises(UserError, match="no column ImageOnly: agreeableness; there are path, key"):
        list(make_reader(WikiArtEmotionsConfig(), root).rows())
    (root / "annotations.csv").unlink()
    with pytest.raises(
        UserError, match=r"no annotations\.csv or WikiArt-Emotions-All\.tsv.*saifmohammad\.com"
    ):
        make_reader(WikiArtEmotionsConfig(), root)


def test_neutral_and_the_mixed_ones_in_the_maps():
    polarity = label_map("wikiart20", "polarity3")
    assert polarity.row("neutral").to == "neutral"
    kinds = {name for name in NAMES if polarity.row(name).kind == "ambiguous"}
    assert kinds == {"agreeableness", "anticipation", "disagreeableness", "shyness", "surprise"}
    assert label_map("wikiart20", "polarity2").row("neutral").kind == "dropped"
    assert label_map("wikiart20", "ekman6").row("disgust").kind == "lossy"
    assert label_map("wikiart20", "mikels8").apply({"classes": ["love", "trust"]}) == {
        "classes": ["contentment"]
    }


@pytest.mark.real_data
def test_the_real_archive(tmp_path):
    if not ARCHIVE.exists():
        pytest.skip(f"no {ARCHIVE.name} beside the checkout")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / "wikiart_emotions"
    for form in FORMS:
        reader = make_reader(WikiArtEmotionsConfig(form=form), root)
        rows = list(reader.rows())
        assert len(rows) == len({row.group for row in rows}) == 1_005
        records = [reader.read(row)[0].to_record() for row in rows]  # not one failure
        assert all("wikiart20" in record["labels"] for record in records)
        assert all(record["attributes"]["ticks_per_annotator"] >= 0.99 for record in records)
        assert not any("&#" in record["attributes"]["title"] for record in records)
