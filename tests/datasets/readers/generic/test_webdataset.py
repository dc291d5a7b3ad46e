"""Foreign WebDataset tars: whole ones, half samples, damage at any place, and members nobody should open."""

import io
import json
import os
import pickle
import tarfile

import pytest
from reader_outcomes import outcomes_of as outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.generic.webdataset import WebDatasetConfig, scan
from vemo.foundation.errors import UserError

EMOTION = {"labels": {"ekman6": {"class": "json.emotion"}}}


def config(columns=EMOTION, **keys):
    return WebDatasetConfig.model_validate({"columns": columns, **keys})


def tar(path, *members):
    """members: (name, bytes or anything that JSON can hold)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as opened:
        for name, content in members:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return path


def samples(pictures, *numbers, emotion="joy"):
    return [
        member
        for number in numbers
        for member in [(f"{number:06d}.jpg", pictures[number]), (f"{number:06d}.json", {"emotion": emotion})]
    ]


def test_json_text_and_class_members(tmp_path, pictures, round_trip):
    tar(
        tmp_path / "train" / "shard-0.tar",
        ("./a/000.JPG", pictures[0]),
        ("./a/000.json", {"key": "x", "meta": {"who": "ann"}, "votes": [0, 2]}),
        ("./a/000.txt", "\ufeffso calm\n".encode()),
        ("./a/000.cls", b"1\n"),
        ("./a/001.cls", b"0"),  # members come in any order
        ("./a/001.png", pictures[1]),
    )
    tar(tmp_path / "test.tar", ("a/000.jpg", pictures[2]), ("a/000.cls", b"1"))  # keys start anew
    columns = {
        "labels": {
            "ekman6": {"class": "cls", "names": ["joy", "fear"]},
            "artemis9": {"votes": "json.votes", "names": ["awe", "something else"]},
        },
        "group": "json.meta.who",
        "captions": [{"text": "txt"}],
        "attributes": {"key": "__key__"},
    }
    shards = {"train": "train/*.tar", "test": "test.tar"}
    records = round_trip(config(columns, shards=shards, dataset="theirs", licence="MIT"), tmp_path)
    assert set(records) == {"theirs/train/shard-0/a/000", "theirs/train/shard-0/a/001", "theirs/test/a/000"}
    record = records["theirs/train/shard-0/a/000"]
    assert record["labels"] == {
        "ekman6": {"class": "fear"},
        "artemis9": {"votes": [0, 0, 0, 0, 0, 0, 0, 0, 2]},
    }
    assert record["captions"] == [{"text": "so calm"}]
    assert record["attributes"] == {"key": "a/000"}
    assert (record["source"]["split"], record["source"]["group"]) == ("train", "ann")
    assert record["source"]["path"] == "train/shard-0.tar/a/000.jpg"
    assert records["theirs/train/shard-0/a/001"]["labels"] == {"ekman6": {"class": "joy"}}


def test_rows_are_the_same_each_time_and_readers_pickle(tmp_path, pictures):
    tar(tmp_path / "b.tar", *samples(pictures, 3, 1))
    tar(tmp_path / "a.tar", *samples(pictures, 2))
    reader = make_reader(config(), tmp_path)
    rows = list(reader.rows())
    assert [row.id for row in rows] == ["a/000002", "b/000003", "b/000001"]
    assert rows == list(reader.rows())
    assert [pickle.loads(pickle.dumps(reader)).read(row)[1] for row in rows] == [
        pictures[n] for n in (2, 3, 1)
    ]


def test_half_samples_have_reasons(tmp_path, pictures):
    tar(
        tmp_path / "t.tar",
        ("a.jpg", pictures[0]),
        ("b.jpg", pictures[1]),
        ("b.json", {"emotion": "joy"}),
        ("a.json", {"emotion": "joy"}),  # not beside its image, so it is no part of that sample
        ("c.json", {"emotion": "joy"}),
        ("d.jpg", pictures[2]),
        ("d.jpg", pictures[3]),
        ("e.jpg", pictures[2]),
        ("e.png", pictures[3]),
        ("e.json", {"emotion": "joy"}),
        ("f.jpg", pictures[4]),
        ("f.json", b'{"emotion": '),
        ("g.jpg", pictures[4]),
        ("g.json", {"emotion": "glee"}),
        ("h.jpg", pictures[5]),
        ("h.json", {}),
        ("README", b"no key, no kind"),
        ("._a.jpg", b"resource fork"),
    )
    found = outcomes(make_reader(config(), tmp_path))
    assert found["t/a"] == "missing_annotation: t.tar, sample a: no member json; there is jpg"
    assert found["t/b"]["labels"] == {"ekman6": {"class": "joy"}}
    assert found["t/a~2"].startswith("duplicate_id")
    assert found["t/c"] == "missing_image: t.tar, sample c: no image among its members json"
    assert found["t/d"] == "bad_row: t.tar, sample d: two members jpg"
    assert found["t/e"] == "bad_row: t.tar, sample e: images jpg, png: say which in reader.columns.image"
    assert found["t/f"].startswith("bad_annotation: t.tar, sample f: member json: ")
    assert "ekman6 has no 'glee'" in found["t/g"]
    assert "labels" not in found["t/h"]
    assert len(found) == 9
    (chosen,) = [
        text
        for name, text in outcomes(make_reader(config({**EMOTION, "image": "png"}), tmp_path)).items()
        if name == "t/e"
    ]
    assert chosen["source"]["path"] == "t.tar/e.png"


def ends(path):
    """Byte offsets in a tar of two samples: middle of the last image, of a header, between two members."""
    with tarfile.open(path) as opened:
        members = opened.getmembers()
    last = members[-2]
    return {"inside": last.offset_data + 20, "header": last.offset + 100, "between": last.offset}


@pytest.mark.parametrize("where", ["inside", "header", "between"])
def test_a_tar_that_was_cut_off_keeps_what_is_whole_and_says_so(tmp_path, pictures, where):
    path = tar(tmp_path / "t.tar", *samples(pictures, 0, 1))
    places = ends(path)
    path.write_bytes(path.read_bytes()[: places[where]])
    found = outcomes(make_reader(config(), tmp_path))
    assert found["t/000000"]["labels"] == {"ekman6": {"class": "joy"}}
    assert found["t.tar~damage"].startswith("unreadable: t.tar: ")
    if where == "inside":
        assert "cut off inside 000001.jpg" in found["t.tar~damage"]
        assert found["t/000001"].startswith("missing_annotation")
    else:
        assert f"cut off at byte {places['between']:,}, after 2 files" in found["t.tar~damage"]
        assert set(found) == {"t/000000", "t.tar~damage"}


def test_an_image_that_is_cut_off_is_never_handed_on(tmp_path, pictures):
    path = tar(tmp_path / "t.tar", ("a.jpg", pictures[0]))
    path.write_bytes(path.read_bytes()[: 512 + 50])
    found = outcomes(make_reader(config({"attributes": {"key": "__key__"}}), tmp_path))
    assert found["t/a"] == "unreadable: t.tar/a.jpg: t.tar ends inside it"


def test_other_damage(tmp_path, pictures):
    whole = tar(tmp_path / "whole.tar", *samples(pictures, 0, 1)).read_bytes()
    second = ends(tmp_path / "whole.tar")["between"]
    (tmp_path / "header.tar").write_bytes(whole[:second] + b"\xa5" * 512 + whole[second + 512 :])
    (tmp_path / "twice.tar").write_bytes(whole + whole)
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "text.tar").write_bytes(b"this is no tar" * 100)
    damage = {path.stem: scan(path)[1] for path in tmp_path.iterdir()}
    assert damage["whole"] == ""
    assert damage["header"] == f"damaged header at byte {second:,}, after 2 files"
    assert damage["twice"].startswith("more data behind the end mark at byte ")
    assert damage["empty"] == "no tar, or a damaged one (empty file) after 0 files"
    assert damage["text"].startswith("no tar, or a damaged one (")
    found = outcomes(make_reader(config(), tmp_path))
    assert sorted(name for name, text in found.items() if isinstance(text, str)) == [
        "empty.tar~damage",
        "header.tar~damage",
        "text.tar~damage",
        "twice.tar~damage",
    ]


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("sprung",))


def test_nothing_is_unpickled_and_only_listed_kinds_are_opened(tmp_path, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(Trap())
    members = [
        ("a.jpg", pictures[0]),
        *((f"a.{kind}", trap) for kind in ("pyd", "pickle", "pkl", "pth", "npy")),
    ]
    tar(tmp_path / "t.tar", *members, ("a.json", {"emotion": "joy"}), ("a.txt", trap))
    found = outcomes(make_reader(config(), tmp_path))
    assert found["t/a"]["labels"] == {"ekman6": {"class": "joy"}}
    for kind in ("pyd", "pickle", "pth", "npy"):
        with pytest.raises(UserError, match=f"{kind}' is no kind of member that is opened here, only .*json"):
            make_reader(config({"attributes": {"x": kind}}), tmp_path)
    (text,) = outcomes(make_reader(config({"captions": [{"text": "txt"}]}), tmp_path)).values()
    assert text.startswith("bad_annotation: t.tar, sample a: member txt: 'utf-8' codec can't decode")
    assert not (tmp_path / "sprung").exists()


def test_members_that_are_links_or_folders_are_no_files(tmp_path, pictures):
    (tmp_path / "secret.jpg").write_bytes(b"not yours")
    path = tar(tmp_path / "t.tar", *samples(pictures, 0))
    with tarfile.open(path, "a") as opened:
        for name, kind in [
            ("b.jpg", tarfile.SYMTYPE),
            ("c.jpg", tarfile.LNKTYPE),
            ("d.jpg", tarfile.DIRTYPE),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "secret.jpg"
            opened.addfile(info)
    assert set(outcomes(make_reader(config(), tmp_path))) == {"t/000000"}


def test_names_that_would_lead_out_are_only_names(tmp_path, pictures):
    tar(tmp_path / "in" / "t.tar", ("../../up.jpg", pictures[0]), ("../../up.json", {"emotion": "joy"}))
    (record,) = outcomes(make_reader(config(), tmp_path / "in")).values()
    assert record["id"] == "webdataset/t/../../up"  # bytes come from the tar, whatever it is called


def test_a_json_member_that_is_too_large(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr("vemo.datasets.readers.generic.webdataset.LARGEST_TEXT", 10)
    tar(tmp_path / "t.tar", *samples(pictures, 0))
    (text,) = outcomes(make_reader(config(), tmp_path)).values()
    assert text == "too_large: t.tar, sample 000000: member json has 18 bytes"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": {"labels": {"ekman6": {"class": "emotion"}}}}, "called json.NAME"),
        (
            {"columns": {"image": "json"}},
            "reader.columns.image: 'json' is no kind .* only bmp, gif, jpeg, jpg",
        ),
        ({"columns": {"path": "json.file"}}, "holds its images; give image or nothing"),
        ({"shards": "*.tgz"}, r"no file \*\.tgz \(reader\.shards\)"),
        ({"shards": "../*.tar"}, "below the root"),
        ({"shards": {"train": "t.tar", "test": "*.tar"}}, r"t\.tar is in two splits, train and test"),
    ],
)
def test_user_errors_are_one_line(tmp_path, pictures, keys, message):
    tar(tmp_path / "t.tar", *samples(pictures, 0))
    with pytest.raises(UserError, match=message) as caught:
        make_reader(config(**keys), tmp_path)
    assert "\n" not in str(caught.value)


def test_columns_that_no_sample_has(tmp_path, pictures):
    tar(tmp_path / "t.tar", *samples(pictures, 0))
    reader = make_reader(config({"labels": {"ekman6": {"class": "json.emotoin"}}}), tmp_path)
    with pytest.raises(
        UserError, match=r"'json\.emotoin' \(did you mean json\.emotion\?\); there are __key__, jpg"
    ):
        list(reader.rows())


def test_the_expected_counts_are_the_configs(tmp_path, pictures):
    tar(tmp_path / "t.tar", *samples(pictures, 0))
    assert make_reader(config(expected={"train": 3}), tmp_path).expected == {"train": 3}
    assert make_reader(config(), tmp_path).expected == {}
