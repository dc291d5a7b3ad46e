"""Tables of any kind: CSV and its sloppiness, JSON Lines, Parquet; every mistake is one clear line."""

import json
import pickle
import sys

import pytest
from PIL import Image
from reader_outcomes import outcomes_of as outcomes
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.generic.table import TableConfig
from vemo.foundation.config import dump_config, load_config
from vemo.foundation.errors import UserError

COLUMNS = {"path": "file", "labels": {"ekman6": {"class": "emotion"}}}


def config(columns=None, **keys):
    return TableConfig.model_validate({"table": "t.csv", "columns": columns or COLUMNS, **keys})


def text(root, *lines, name="t.csv", end="\n"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes("".join(line + end for line in lines).encode())


@pytest.fixture
def root(tmp_path, put):
    for number, name in enumerate(("a.jpg", "b.JPG", "deep/c é.jpg")):
        put(tmp_path / "images" / name, number)
    return tmp_path


EVERYTHING = {
    "path": "file",
    "id": "key",
    "split": "set",
    "splits": {"dev": "val"},
    "group": "who",
    "labels": {
        "ekman6": {"class": "emotion", "synonyms": {"glee": "joy"}, "unlabelled": ["?"]},
        "artemis9": {"votes": {"awe": "n_awe", "fear": "n_fear"}},
        "emotic26": {"classes": "tags", "separator": ";"},
    },
    "vad": {"valence": "V", "arousal": "A", "scale": [1, 9]},
    "captions": [{"text": "why", "annotator": "by"}],
    "persons": {"box": ["x", "y", "w", "h"], "format": "xywh"},
    "attributes": {"style": "style"},
    "numbers": {"year": "year"},
}


def test_everything_that_can_be_mapped(root, round_trip):
    text(
        root,
        "\ufeffkey,file, set ,who,emotion,n_awe,n_fear,tags,V,A,why,by,x,y,w,h,style,year,more",
        '1,a.jpg,Train,ann,Glee,3,1,"Peace; doubt",9,5,"He said ""yes"".",w1,10,20,500,30,Cubism,1907,x',
        "2,b.jpg,dev,ann,?,,,,,,,,,,,,,,",
        "3,deep\\c é.jpg,test,bob,fear,0,2,,1,,dark,,,,,,,,",
        end="\r\n",
    )
    records = round_trip(config(EVERYTHING, images="images", dataset="mine", licence="CC0"), root)
    first = records["mine/1"]
    source = first.pop("source")
    assert (source["split"], source["group"], source["licence"]) == ("train", "ann", "CC0")
    assert source["path"] == "images/a.jpg"
    assert first == {
        "id": "mine/1",
        "width": 96,
        "height": first["height"],
        "labels": {
            "ekman6": {"class": "joy"},
            "artemis9": {"votes": [0, 3, 0, 0, 0, 0, 1, 0, 0]},
            "emotic26": {"classes": ["peace", "doubt/confusion"]},
        },
        "vad": {"valence": 1.0, "arousal": 0.0},
        "captions": [{"text": 'He said "yes".', "annotator": "w1"}],
        "persons": [{"box": [10.0, 20.0, 96.0, 50.0]}],  # clipped to the image
        "attributes": {"style": "Cubism", "year": 1907.0},
    }
    second = records["mine/2"]  # known to exist, and no more
    assert set(second) == {"id", "source", "width", "height"}
    assert (second["source"]["path"], second["source"]["split"]) == ("images/b.JPG", "val")
    assert records["mine/3"]["source"]["path"] == "images/deep/c é.jpg"
    assert records["mine/3"]["vad"] == {"valence": -1.0}


def test_the_config_file_and_back(root, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "kind: table\ntable: t.csv\ncolumns:\n  path: file\n  labels:\n    ekman6: {class: emotion}\n"
    )
    loaded = load_config(TableConfig, tmp_path / "c.yaml", ["columns.labels.ekman6.class=mood"])
    assert loaded.columns.labels["ekman6"].class_ == "mood"
    (tmp_path / "again.yaml").write_text(dump_config(loaded))
    assert load_config(TableConfig, tmp_path / "again.yaml") == loaded
    with pytest.raises(UserError, match="exactly one of class, classes, votes, distribution"):
        load_config(TableConfig, tmp_path / "c.yaml", ["columns.labels.ekman6.votes={joy: n}"])
    with pytest.raises(UserError, match=r"unknown key columns\.labels\.ekman6\.klass"):
        load_config(TableConfig, tmp_path / "c.yaml", ["columns.labels.ekman6={klass: mood}"])


def test_tab_separated_and_other_encodings(root):
    text(root, "file\temotion", "a.jpg\tjoy", name="t.tsv")
    (record,) = outcomes(make_reader(config(table="t.tsv", images="images"), root)).values()
    assert record["labels"] == {"ekman6": {"class": "joy"}}
    (root / "t.csv").write_bytes("file;emotion\ndeep/c é.jpg;joy\n".encode("cp1252"))
    semicolons = config(images="images", delimiter=";", encoding="cp1252")
    assert [row.path for row in make_reader(semicolons, root).rows()] == ["images/deep/c é.jpg"]
    with pytest.raises(UserError, match=r"not utf-8-sig .*save it as UTF-8"):
        list(make_reader(config(delimiter=";"), root).rows())


def test_file_names_without_folder_or_extension(root):
    text(root, "file,emotion", "a,joy", "images/b,fear")
    found = [row.path for row in make_reader(config(images="images/", suffix=".jpg"), root).rows()]
    assert found == ["images/a.jpg", "images/images/b.jpg"]
    (row, _) = make_reader(config(suffix=".jpg"), root).rows()
    assert row.id == row.path == "a.jpg"


def test_one_table_a_split_and_patterns(root):
    text(root, "file,emotion", "a.jpg,joy", name="lists/part-1.csv")
    text(root, "file,emotion", "b.jpg,fear", name="lists/part-2.csv")
    text(root, "file,emotion", "x.jpg,fear", name="lists/._part-1.csv")  # a resource fork
    rows = list(make_reader(config(table="lists/part-*.csv", images="images"), root).rows())
    assert [(row.id, row.split) for row in rows] == [("a.jpg", None), ("b.jpg", None)]
    by_split = {"train": "lists/part-1.csv", "holdout": "lists/part-2.csv"}
    rows = list(make_reader(config(table=by_split, images="images"), root).rows())
    assert [(row.id, row.split) for row in rows] == [("a.jpg", "train"), ("b.jpg", "holdout")]


def test_bad_lines_fail_by_name_and_the_others_are_read(root):
    text(
        root,
        "file,emotion,set",
        "a.jpg,joy,train",
        "",
        "b.jpg,glee,train",
        "b.jpg,fear",
        ",fear,train",
        "gone.jpg,fear,train",
        "a.jpg,joy,train",
        "../t.csv,fear,train",
        "deep/c é.jpg,fear,holiday",
    )
    found = outcomes(make_reader(config({**COLUMNS, "split": "set"}, images="images"), root))
    assert found["a.jpg"]["labels"] == {"ekman6": {"class": "joy"}}
    assert "bad_annotation: t.csv line 4: label space ekman6 has no 'glee'" in found["b.jpg"]
    assert found["t-5"] == "bad_row: t.csv line 5: 2 cells, the first line has 3"
    assert found["t-6"] == "missing_image: t.csv line 6: no file name"
    assert found["gone.jpg"] == "missing_image: no file images/gone.jpg"
    assert found["a.jpg~2"].startswith("duplicate_id")
    assert found["../t.csv"].startswith("path_escapes_root")
    assert found["deep/c é.jpg"].startswith("bad_row: t.csv line 10: split 'holiday' is not one of train, ")


def test_a_box_in_an_image_that_no_one_can_open_leaves_the_verdict_to_the_builder(root):
    (root / "images" / "a.jpg").write_bytes(b"not an image")
    columns = {"path": "file", "faces": {"box": "box"}}
    text(root, "file,box", 'a.jpg,"[1, 2, 3, 4]"', 'b.JPG,"[1, 2, 3]"', 'deep/c é.jpg,"[900, 1, 950, 4]"')
    found = outcomes(make_reader(config(columns, images="images"), root))
    assert found["a.jpg"]["faces"] == [{"box": [1, 2, 3, 4]}]
    assert found["b.JPG"] == "bad_annotation: t.csv line 3: a box has four numbers, got [1, 2, 3]"
    assert "lies outside the image of 96 ×" in found["deep/c é.jpg"]


def test_boxes_are_those_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (80, 40)).save(tmp_path / "a.jpg", exif=exif)
    text(tmp_path, "file,box", 'a.jpg,"[0, 0, 100, 100]"')
    (record,) = outcomes(make_reader(config({"path": "file", "faces": {"box": "box"}}), tmp_path)).values()
    assert record["faces"] == [{"box": [0, 0, 40, 80]}]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": {**COLUMNS, "split": "sett"}}, "reader.columns.split: no column 'sett' .*set"),
        ({"columns": {"labels": {"ekman6": {"class": "emotion"}}}}, "give either path .* or image"),
        ({"columns": {"path": "file", "image": "set"}}, "give either path .* or image"),
        ({"columns": {"image": "file"}}, r"t\.csv cannot hold images, Parquet can"),
        ({"columns": {"path": "file", "labels": {"ekman": {"class": "set"}}}}, "no label space 'ekman'"),
        ({"table": "none.csv"}, r"no file none\.csv \(reader\.table\)"),
        ({"table": "*.xlsx"}, r"no file \*\.xlsx"),
        ({"table": "../t.csv"}, "must be a path or pattern below the root"),
        ({"table": "/t.csv"}, "must be a path or pattern below the root"),
        ({"table": "images/a.jpg"}, r"a table is one of \.csv, \.tsv, \.jsonl, \.ndjson, \.parquet"),
        ({"table": {"train": "t.csv", "test": "*.csv"}}, r"t\.csv is in two splits, train and test"),
    ],
)
def test_user_errors_are_one_line(root, keys, message):
    text(root, "file,emotion,set", "a.jpg,joy,train")
    with pytest.raises(UserError, match=message) as caught:
        make_reader(config(**keys), root)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_a_link_out_of_the_root(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "t.csv"
    outside.write_text("file,emotion\na.jpg,joy\n")
    (root / "t.csv").symlink_to(outside)
    with pytest.raises(UserError, match="link out of the dataset's folder"):
        make_reader(config(images="images"), root)
    rows = make_reader(config(images="images", follow_links=True), root).rows()
    assert [row.id for row in rows] == ["a.jpg"]


def test_json_lines(root, round_trip):
    columns = {
        "path": "image.file",
        "labels": {"ekman7": {"distribution": "shares", "names": ["joy", "neutral"]}},
        "captions": [{"text": "why", "emotion": "felt"}],
        "persons": {"box": "boxes"},
        "attributes": {"tags": "tags"},
    }
    lines = [
        {"image": {"file": "a.jpg"}, "shares": [0.25, 0.75], "why": ["one", "two"], "felt": ["awe", "fear"]},
        {"image": {"file": "b.JPG"}, "shares": None, "boxes": [], "tags": ["x", "y"]},
    ]
    (root / "t.jsonl").write_text("\n\n".join(map(json.dumps, lines)), encoding="utf-8-sig")
    records = round_trip(config(columns, table="t.jsonl", images="images"), root)
    assert records["table/a.jpg"]["labels"] == {"ekman7": {"distribution": [0, 0, 0, 0.25, 0, 0, 0.75]}}
    assert records["table/a.jpg"]["captions"] == [
        {"text": "one", "emotion": "awe"},
        {"text": "two", "emotion": "fear"},
    ]
    assert "persons" not in records["table/a.jpg"]
    assert records["table/b.JPG"]["persons"] == []
    assert records["table/b.JPG"]["attributes"] == {"tags": ["x", "y"]}


def test_json_lines_that_are_broken(root):
    (root / "t.jsonl").write_bytes(
        b'{"file": "a.jpg", "emotion": "joy"}\n{"file": "b.JPG", \n[1]\n{"file": "\xff"}\n'
        b'{"emotion": "joy"}\n{"file": "deep/c \xc3\xa9.jpg", "emotion": NaN}\n'
    )
    found = outcomes(make_reader(config(table="t.jsonl", images="images"), root))
    assert found["a.jpg"]["labels"] == {"ekman6": {"class": "joy"}}
    assert found["t-2"].startswith("bad_row: t.jsonl line 2: not JSON")
    assert found["t-3"] == "bad_row: t.jsonl line 3: not an object but [1]"
    assert found["t-4"].startswith("bad_row: t.jsonl line 4: not JSON")
    assert found["t-5"] == "missing_image: t.jsonl line 5: no file name"
    assert "labels" not in found["deep/c é.jpg"]


def test_json_lines_without_a_mapped_column(root):
    (root / "t.jsonl").write_text('{"file": "a.jpg", "mood": {"now": "joy"}}\n')
    reader = make_reader(config(table="t.jsonl", images="images"), root)
    with pytest.raises(UserError, match=r"t\.jsonl: .*no column 'emotion'; there are file, mood, mood\.now"):
        list(reader.rows())


def test_parquet_without_pyarrow(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (root / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"need pyarrow: pip install 'vemo\[readers\]'"):
        make_reader(config(table="t.parquet"), root)


@pytest.fixture
def parquet(tmp_path, pictures):
    """Writes rows to t.parquet, three a row group."""
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (the extra vemo[readers])")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(rows):
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=3)

    return write


def test_parquet_with_the_images_in_it(tmp_path, parquet, pictures, round_trip):
    stored = [{"bytes": image, "path": f"{n}.jpg"} for n, image in enumerate(pictures[:7])]
    parquet(
        [{"image": image, "emotion": "joy", "n": n, "meta": {"who": "ann"}} for n, image in enumerate(stored)]
    )
    columns = {
        "image": "image",
        "id": "image.path",
        "group": "meta.who",
        "labels": {"ekman6": {"class": "emotion"}},
        "numbers": {"n": "n"},
    }
    records = round_trip(config(columns, table="t.parquet"), tmp_path)
    assert set(records) == {f"table/{n}.jpg" for n in range(7)}
    assert records["table/5.jpg"]["attributes"] == {"n": 5}
    assert records["table/5.jpg"]["source"]["path"] == "t.parquet#5"
    assert records["table/5.jpg"]["source"]["group"] == "ann"
    reader = pickle.loads(pickle.dumps(make_reader(config(columns, table="t.parquet"), tmp_path)))
    assert [reader.read(row)[1] for row in reader.rows()] == pictures[:7]


def test_parquet_cells_that_are_no_image(tmp_path, parquet, pictures, put):
    put(tmp_path / "beside.jpg", 3)
    parquet(
        [
            {"image": {"bytes": pictures[0], "path": None}},
            {"image": {"bytes": None, "path": "beside.jpg"}},
            {"image": {"bytes": None, "path": "gone.jpg"}},
            {"image": {"bytes": None, "path": None}},
            {"image": {"bytes": None, "path": "/etc/hostname"}},
        ]
    )
    reader = make_reader(config({"image": "image"}, table="t.parquet"), tmp_path)
    found = list(outcomes(reader).values())
    assert found[0]["id"] == "table/t-0"
    assert reader.read(list(reader.rows())[1])[1] == pictures[3]
    assert found[2:4] == ["missing_image: no file gone.jpg", "missing_image: t.parquet#3: no image in it"]
    assert found[4].startswith("path_escapes_root")
    parquet([{"image": "a.jpg"}])
    reader = make_reader(config({"image": "image"}, table="t.parquet"), tmp_path)
    (text_,) = outcomes(reader).values()
    assert text_ == "bad_row: t.parquet#0: the image column holds str, not bytes"


def test_parquet_user_errors(tmp_path, parquet):
    parquet([{"image": b"x", "meta": {"who": "ann"}}])
    columns = {"image": "image", "labels": {"ekman6": {"class": "emotion"}}}
    with pytest.raises(UserError, match=r"no column 'emotion'; there are image, meta, meta\.who"):
        make_reader(config(columns, table="t.parquet"), tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(UserError, match=r"broken\.parquet: no Parquet file"):
        make_reader(config(columns, table="broken.parquet"), tmp_path)


def test_parquet_that_is_cut_off_while_in_use(tmp_path, parquet, pictures):
    parquet([{"image": image} for image in pictures[:4]])
    reader = make_reader(config({"image": "image"}, table="t.parquet"), tmp_path)
    rows = list(reader.rows())
    path = tmp_path / "t.parquet"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SampleError, match=r"unreadable: .*t\.parquet: no Parquet file"):
        reader.read(rows[0])
    parquet([{"image": pictures[0]}])  # another file in its place, and a shorter one
    with pytest.raises(SampleError, match=r"unreadable: t\.parquet#3: row group 1"):
        reader.read(rows[3])
