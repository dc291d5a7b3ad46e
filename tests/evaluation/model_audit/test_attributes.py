"""Attributes by id: from a table, from records, as bins; what is wrong is said in one line."""

import pytest
from vemo.evaluation.model_audit.attributes import read_attributes
from vemo.foundation import UserError

IDS = ("a", "b", "c")


def read(names, table=None, records=(), bins=None):
    return read_attributes(names, IDS, table, records, bins or {}, "the set")


def write(path, text):
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_a_table_s_values_come_in_the_order_of_the_samples(tmp_path):
    table = write(tmp_path / "t.csv", "side,id,other\n left ,c,1\n,b,2\nright,a,3\nleft,z,4\n")
    assert read(["side"], table) == {"side": ["right", None, "left"]}


def test_numbers_are_binned(tmp_path):
    table = write(tmp_path / "t.csv", "id,age\na,19.9\nb,20\nc,70\n")
    found = read(["age"], table, bins={"age": (70, 20, 40)})
    assert found == {"age": ["below 20", "20 to 40", "70 and above"]}


def test_records_give_attributes_and_sidecars_their_own_keys():
    records = [
        {"id": "a", "attributes": {"old": True, "n": 3}},
        {"id": "b", "attributes": {"old": False}, "n": 4},
        {"id": "d", "n": 5},
    ]
    assert read(["old", "n"], records=records) == {"old": ["yes", "no", None], "n": ["3", "4", None]}


@pytest.mark.parametrize(
    ("text", "names", "bins", "says"),
    [
        ("id,age\na,1\n", ["sex"], {}, "no column 'sex', only id, age"),
        ("name,age\na,1\n", ["age"], {}, "no column 'id'"),
        ("id,age\nx,1\n", ["age"], {}, "none of the 3 samples.*'a'.*'x'"),
        ("id,age\na,\n", ["age"], {}, "no sample of the predictions has the attribute 'age'"),
        ("id,age\na,1\na,2\n", ["age"], {}, "line 3: another value for the id 'a'"),
        ("id,age\na,old\n", ["age"], {"age": (3,)}, "'old' that is no number"),
    ],
)
def test_mistakes_in_a_table(tmp_path, text, names, bins, says):
    with pytest.raises(UserError, match=says):
        read(names, write(tmp_path / "t.csv", text), bins=bins)


def test_mistakes_elsewhere(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read(["age"], tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="not a CSV in UTF-8"):
        (tmp_path / "t.csv").write_bytes(b"id,age\n\xff\xfe,1\n")
        read(["age"], tmp_path / "t.csv")
    with pytest.raises(UserError, match="lists"):
        read(["tags"], records=[{"id": "a", "attributes": {"tags": ["x"]}}])
    ids = tuple(str(number) for number in range(40))
    records = [{"id": each, "attributes": {"age": int(each)}} for each in ids]
    with pytest.raises(UserError, match=r"age has 40 values.*bins.age="):
        read_attributes(["age"], ids, None, records, {}, "the set")
