"""OASIS and GAPED: tables as they are given out, pictures beside them."""

import pytest
from PIL import Image
from reader_outcomes import outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.valence_arousal import CATEGORIES, GapedConfig, OasisConfig
from vemo.foundation.errors import UserError

OASIS = ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
GAPED = "Picture-id\tValence\tArousal"


def oasis(root, lines, header=OASIS, end="\n"):
    (root / "OASIS.csv").write_bytes("".join(f"{line}{end}" for line in [header, *lines]).encode())


def test_oasis(tmp_path, put, round_trip):
    oasis(
        tmp_path,
        [
            'I1,"Acorns 1 ",Object,Pixabay,4.5,1.2,103,1,1.1,101',
            "I2,Acorns 2,Object,Pixabay,7,1.2,103,2.5,1.1,101",
            "I3,Angry face 1,Person,Internet,1,.5,100,4,1,100",
        ],
        header="\ufeff" + OASIS,
        end="\r\n",
    )
    for number, name in enumerate(["Acorns 1.jpg", "Acorns 2.JPG", "Angry face 1.jpg"]):
        put(tmp_path / "images" / name, number)
    records = round_trip(OasisConfig(), tmp_path)
    assert set(records) == {"oasis/Acorns 1", "oasis/Acorns 2", "oasis/Angry face 1"}
    first = records["oasis/Acorns 1"]  # its Theme ends in a blank
    assert first["vad"] == pytest.approx({"valence": 1 / 6, "arousal": -1})  # 1 … 7
    assert first["attributes"] == {"category": "object"}
    assert "labels" not in first
    assert records["oasis/Acorns 2"]["vad"] == {"valence": 1, "arousal": -0.5}
    assert records["oasis/Angry face 1"]["vad"] == {"valence": -1, "arousal": 0}
    groups = {name: record["source"]["group"] for name, record in records.items()}
    assert groups["oasis/Acorns 1"] == groups["oasis/Acorns 2"] == "Acorns"
    assert groups["oasis/Angry face 1"] == "Angry face"


def test_oasis_fails_by_name(tmp_path, put):
    line = "I,{},Object,Pixabay,{},1,9,{},1,9".format
    oasis(
        tmp_path,
        [
            line("Dog 1", 5, 5),
            line("Dog 1", 5, 5),
            line("Dog 2", 7.5, 5),
            line("Dog 3", "nan", 5),
            line("Dog 4", "", ""),
            line(" ", 5, 5),
            "I,Dog 5,Object",
            line("Dog 6", 5, 5),
            line("../Dog 7", 5, 5),
        ],
    )
    for number in (1, 2, 3, 4, 5, 9):
        put(tmp_path / f"images/Dog {number}.jpg")
    found = outcomes(OasisConfig(), tmp_path)
    assert found.pop("Dog 1")["vad"] == pytest.approx({"valence": 1 / 3, "arousal": 1 / 3})
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "Dog 1~2": "duplicate_id",
        "Dog 2": "bad_annotation",
        "Dog 3": "bad_annotation",
        "Dog 4": "missing_annotation",
        "line7": "bad_row",
        "line8": "bad_row",
        "Dog 6": "missing_image",
        "../Dog 7": "path_escapes_root",
        "images/Dog 5.jpg": "missing_annotation",
        "images/Dog 9.jpg": "missing_annotation",
    }
    assert "line 4: valence is 7.5, outside the scale 1 to 7" in found["Dog 2"]
    assert "OASIS.csv does not name images/Dog 9.jpg" in found["images/Dog 9.jpg"]


def write_gaped(root, category, lines, header=GAPED, name="{}.txt", end="\n"):
    (root / name.format(category)).write_bytes("".join(f"{line}{end}" for line in [header, *lines]).encode())


def bitmap(path, colour):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (64, 48), colour).save(path)


def test_gaped(tmp_path, put, round_trip):
    write_gaped(
        tmp_path,
        "A",
        ["A001.bmp\t0\t100\t12.5\t30", "", "A002.bmp\t25.5\t50\t1\t2"],
        header="Picture-id\tValence\tArousal\tInternal norms\tExternal norms",
        end="\r\n",
    )
    write_gaped(
        tmp_path,
        "Sn",
        ["Sn001.jpg \t30.25 (12.1)\t75 (3.5)"],  # the table says .jpg, the file is a .bmp
        header="\tValence (SD)\tArousal (SD)",
        name="{}_with SD.txt",
    )
    write_gaped(tmp_path, "P", ["P001.bmp\t100\t0"])
    write_gaped(tmp_path, "N", ["N001.bmp\t50\t50"])
    for number, name in enumerate(["A/A001", "A/A002", "Sn/Sn001", "N/N001"]):
        bitmap(tmp_path / f"{name}.bmp", (40 * number, 90, 10))
    put(tmp_path / "P/P001.JPG")
    records = round_trip(GapedConfig(), tmp_path)
    keys = ("vad", "labels", "attributes")
    assert {name: tuple(record[key] for key in keys) for name, record in records.items()} == {
        "gaped/A/A001": (
            {"valence": -1, "arousal": 1},
            {"polarity3": {"class": "negative"}},
            {"category": "animal mistreatment"},
        ),
        "gaped/A/A002": (
            {"valence": -0.49, "arousal": 0},
            {"polarity3": {"class": "negative"}},
            {"category": "animal mistreatment"},
        ),
        "gaped/Sn/Sn001": (
            {"valence": pytest.approx(-0.395), "arousal": 0.5},
            {"polarity3": {"class": "negative"}},
            {"category": "snake"},
        ),
        "gaped/P/P001": (
            {"valence": 1, "arousal": -1},
            {"polarity3": {"class": "positive"}},
            {"category": "positive"},
        ),
        "gaped/N/N001": (
            {"valence": 0, "arousal": 0},
            {"polarity3": {"class": "neutral"}},
            {"category": "neutral"},
        ),
    }
    assert records["gaped/Sn/Sn001"]["source"]["path"] == "Sn/Sn001.bmp"
    assert {side for _, side in CATEGORIES.values()} == {"negative", "neutral", "positive"}


def test_gaped_fails_by_name(tmp_path):
    write_gaped(
        tmp_path,
        "H",
        ["H001.bmp\t30\t101", "H002.bmp\tthirty\t5", "H003.bmp\t30", "H004.bmp\t30\t5", "../up.bmp\t3\t5"],
    )
    for name in ("H/H001", "H/H099", "Sp/Sp001"):
        bitmap(tmp_path / f"{name}.bmp", "red")
    found = outcomes(GapedConfig(), tmp_path)
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "H/H001": "bad_row",
        "H/H002": "bad_row",
        "H/H003": "bad_row",
        "H/H004": "missing_image",
        "H/up": "path_escapes_root",
        "H/H099.bmp": "missing_annotation",
        "Sp/Sp001.bmp": "missing_annotation",  # a folder without its table
    }
    assert "H.txt line 2: expected a name, valence and arousal from 0 to 100" in found["H/H001"]
    assert "Sp.txt does not name Sp/Sp001.bmp" in found["Sp/Sp001.bmp"]


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no OASIS\.csv, so this is no oasis folder.*osf\.io"):
        make_reader(OasisConfig(), tmp_path)
    oasis(tmp_path, [], header=",Theme,Valence,Arousal")
    with pytest.raises(UserError, match="no column Valence_mean, Arousal_mean; there are"):
        list(make_reader(OasisConfig(), tmp_path).rows())
    with pytest.raises(UserError, match=r"no A\.txt or A_with SD\.txt or .*so this is no gaped folder"):
        make_reader(GapedConfig(), tmp_path)
    write_gaped(tmp_path, "A", ["A001.bmp\t30\t5"], header="Picture-id\tArousal\tValence")
    with pytest.raises(UserError, match=r"A\.txt: the first line must name Valence, then Arousal; got"):
        list(make_reader(GapedConfig(), tmp_path).rows())
    (tmp_path / "A.txt").write_text("")
    with pytest.raises(UserError, match=r"must name Valence, then Arousal; got ''"):
        list(make_reader(GapedConfig(), tmp_path).rows())
