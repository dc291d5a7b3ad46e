"""What img2dataset leaves of a list of URLs; the fixture writes the three layouts as version 1.47 does."""

import hashlib
import io
import json
import pickle
import runpy
import tarfile
from pathlib import Path

import pytest
import yaml
from reader_outcomes import outcomes_of as outcomes
from vemo.datasets.readers import REASONS, SampleError, describe_readers, make_reader
from vemo.datasets.readers.generic.img2dataset import Img2DatasetConfig
from vemo.datasets.shards import BuildConfig, build
from vemo.foundation.errors import UserError

pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (the extra vemo[readers])")
parquet = pytest.importorskip("pyarrow.parquet")

CONFIGS = Path(__file__).parents[4] / "configs/datasets"
EMOTION = {"labels": {"mikels8": {"class": "emotion"}}}
DISALLOWED = "Use of image disallowed by X-Robots-Tag directive"
GONE = ("failed_to_download", "HTTP Error 404: Not Found")
SIZES = ("width", "height", "original_width", "original_height")
LAYOUTS = ("webdataset", "files", "parquet")


def config(columns=EMOTION, **keys):
    return Img2DatasetConfig.model_validate({"columns": columns, **keys})


def shard(root, number, urls, layout="webdataset", size=10, reencoded=None, count=None, algorithm="sha256"):
    """Writes one shard of `size` (a power of ten) as img2dataset does.

    urls: of each URL its image or (status, message), and more columns. Rows are written last URL first:
    servers answer in any order. reencoded: what is stored instead of the image.
    """
    name, digits = f"{number:05d}", len(str(size)) - 1
    folder = root / name
    rows, images = [], {}
    for place, (outcome, more) in enumerate(urls):
        key = f"{size * number + place:0{5 + digits}d}"
        image = outcome if isinstance(outcome, bytes) else None
        row = {**more, "url": f"https://photos.example/{number}/{place}.jpg", "key": key}
        row["status"], row["error_message"] = ("success", None) if image is not None else outcome
        row |= dict.fromkeys(SIZES, 96 if reencoded and image else None)
        row |= {"exif": None, algorithm: image and getattr(hashlib, algorithm)(image).hexdigest()}
        if image is not None:
            images[key] = reencoded or image
        rows.append({**row, "jpg": images.get(key)} if layout == "parquet" else row)
    rows.reverse()
    texts = {
        "status",
        "error_message",
        "exif",
        algorithm,
        "url",
        "key",
        "emotion",
        "set",
        "caption",
        "artist",
    }
    kinds = dict.fromkeys(texts, pyarrow.string()) | dict.fromkeys(SIZES, pyarrow.int32())
    kinds |= {"jpg": pyarrow.binary(), "agree": pyarrow.int64(), "disagree": pyarrow.int64()}
    fields = [pyarrow.field(column, kinds[column]) for column in rows[0]]
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema(fields))
    parquet.write_table(
        table, root / f"{name}.parquet", compression="none"
    )  # a test looks for an image in it
    members = [
        (f"{row['key']}.{kind}", data)
        for row in rows
        if row["key"] in images
        for kind, data in (("jpg", images[row["key"]]), ("json", json.dumps({"key": row["key"]}).encode()))
    ]
    if layout == "webdataset":
        with tarfile.open(root / f"{name}.tar", "w", format=tarfile.USTAR_FORMAT) as opened:
            for member, data in members:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                opened.addfile(info, io.BytesIO(data))
    elif layout == "files":
        folder.mkdir()
        for member, data in members:
            (folder / member).write_bytes(data)
    stats = {"count": len(urls) if count is None else count, "successes": len(images)}
    (root / f"{name}_stats.json").write_text(json.dumps(stats))


def awe(*outcomes):
    return [(outcome, {"emotion": "awe"}) for outcome in outcomes]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_url_is_a_row_in_every_layout(tmp_path, pictures, round_trip, layout):
    root = tmp_path / "downloaded"
    root.mkdir()
    first = [
        (pictures[0], {"emotion": "awe", "agree": 5, "set": "train", "caption": "so wide"}),
        (GONE, {"emotion": "fear", "agree": 4, "set": "train", "caption": None}),
        (pictures[1], {"emotion": "fear", "agree": 3, "set": "test", "caption": None}),
        (("failed_to_download", DISALLOWED), {"emotion": "awe", "agree": 3, "set": "test", "caption": ""}),
    ]
    shard(root, 0, first, layout)
    shard(root, 1, [(pictures[2], {**first[0][1], "emotion": "sadness"})], layout)
    columns = {
        **EMOTION,
        "split": "set",
        "captions": [{"text": "caption"}],
        "numbers": {"votes_agree": "agree"},
    }
    mapped = config(columns, dataset="theirs", licence="MIT")
    records = round_trip(mapped, root, tolerance=0.25)
    assert set(records) == {"theirs/000000", "theirs/000002", "theirs/000010"}
    record = records["theirs/000000"]
    assert record["source"] == {
        "dataset": "theirs",
        "split": "train",
        "path": "https://photos.example/0/0.jpg",
        "sha256": hashlib.sha256(pictures[0]).hexdigest(),
        "licence": "MIT",
        "group": hashlib.sha256(pictures[0]).hexdigest(),
    }
    assert record["labels"] == {"mikels8": {"class": "awe"}}
    assert record["captions"] == [{"text": "so wide"}] and record["attributes"] == {"votes_agree": 5}
    assert records["theirs/000002"]["source"]["split"] == "test"
    reader = make_reader(mapped, root)
    rows = list(reader.rows())
    assert [(row.id, row.split) for row in rows] == [
        ("000000", "train"),
        ("000001", "train"),
        ("000002", "test"),
        ("000003", "test"),
        ("000010", "train"),
    ]
    assert [row.path for row in rows[:2]] == [f"https://photos.example/0/{n}.jpg" for n in (0, 1)]
    assert pickle.loads(pickle.dumps(reader)).read(rows[2])[1] == pictures[1]
    found = outcomes(reader)
    assert found["000001"] == (
        "missing_image: 00000.parquet, 000001: failed_to_download: HTTP Error 404: Not Found"
    )
    assert found["000003"] == f"disallowed: 00000.parquet, 000003: failed_to_download: {DISALLOWED}"


def test_reasons_are_img2datasets_own(tmp_path, pictures):
    shard(
        tmp_path,
        0,
        awe(
            pictures[0],
            ("failed_to_resize", "Image decoding error"),
            ("failed_to_resize", "image too small"),
            ("failed_to_download", "hash mismatch"),
            ("paused", None),
        ),
    )
    found = {
        name: text for name, text in outcomes(make_reader(config(), tmp_path)).items() if name != "000000"
    }
    assert {name: text.split(":")[0] for name, text in found.items()} == {
        "000001": "undecodable_image",
        "000002": "missing_image",
        "000003": "missing_image",
        "000004": "bad_row",
    }
    assert found["000002"].endswith("failed_to_resize: image too small")


def test_the_build_says_how_much_of_the_list_is_left_and_owners_who_say_no_are_no_fault(tmp_path, pictures):
    root = tmp_path / "downloaded"
    root.mkdir()
    no = ("failed_to_download", DISALLOWED)
    shard(root, 0, awe(*pictures[:4], GONE, no, no, b"<html>gone, says the server, and calls it a success"))
    settings = {"root": root, "reader": config(), "workers": 0}
    strict = build(BuildConfig(out=tmp_path / "strict", tolerance=0.2, **settings))
    assert strict.coverage == "4 of 8 images, 4 failed: 2 disallowed, 1 missing_image, 1 undecodable_image"
    assert strict.faults == 2 and not strict.ok
    assert build(BuildConfig(out=tmp_path / "mild", tolerance=0.25, **settings)).ok
    failures = [json.loads(line) for line in (strict.out / "failures.jsonl").read_text().splitlines()]
    assert {line["path"] for line in failures if line["reason"] == "disallowed"} == {
        "https://photos.example/0/5.jpg",
        "https://photos.example/0/6.jpg",
    }
    assert {line["reason"] for line in failures} <= set(REASONS)


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "sha512"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_untouched_bytes_must_have_the_hash_of_the_download(tmp_path, pictures, layout, algorithm):
    shard(tmp_path, 0, awe(pictures[0]), layout, algorithm=algorithm)
    reader = make_reader(config(), tmp_path)
    (row,) = reader.rows()
    assert reader.read(row)[1] == pictures[0]
    holder = {"webdataset": "00000.tar", "files": "00000/000000.jpg", "parquet": "00000.parquet"}[layout]
    data = bytearray((tmp_path / holder).read_bytes())
    data[data.index(pictures[0]) + len(pictures[0]) // 2] ^= 1
    (tmp_path / holder).write_bytes(data)
    reader = make_reader(config(), tmp_path)
    (row,) = reader.rows()
    with pytest.raises(SampleError, match=rf"unreadable: 00000\.parquet, 000000: .*{algorithm} differs"):
        reader.read(row)


def test_what_was_encoded_anew_has_the_hash_of_what_is_stored_and_the_group_of_the_download(
    tmp_path, pictures
):
    shard(tmp_path, 0, awe(pictures[0], pictures[0]), reencoded=pictures[1])
    columns = {**EMOTION, "attributes": {"downloaded": "sha256"}}
    for record in outcomes(make_reader(config(columns), tmp_path)).values():
        downloaded = hashlib.sha256(pictures[0]).hexdigest()
        assert record["source"]["sha256"] == hashlib.sha256(pictures[1]).hexdigest()
        assert record["source"]["group"] == record["attributes"]["downloaded"] == downloaded


def test_a_column_of_groups_goes_before_copies(tmp_path, pictures):
    urls = [(pictures[n], {"emotion": "awe", "artist": artist}) for n, artist in enumerate(("a", "a", None))]
    shard(tmp_path, 0, urls)
    assert [row.group for row in make_reader(config({"group": "artist"}), tmp_path).rows()] == [
        "a",
        "a",
        None,
    ]


def test_folders_of_several_downloads(tmp_path, pictures):
    for number, name in enumerate(("first", "second")):
        (tmp_path / name).mkdir()
        shard(tmp_path / name, 0, awe(pictures[number]))
    reader = make_reader(config(folder={"train": "first", "test": "second"}), tmp_path)
    assert [(row.id, row.split) for row in reader.rows()] == [
        ("first/000000", "train"),
        ("second/000000", "test"),
    ]
    assert [reader.read(row)[1] for row in reader.rows()] == pictures[:2]


def test_an_interrupted_download(tmp_path, pictures):
    for number in (0, 1, 3, 4):
        shard(tmp_path, number, awe(pictures[number]))
    (tmp_path / "00001_stats.json").unlink()
    (tmp_path / "00001.parquet").write_bytes(b"")  # it has no footer before it is done
    (tmp_path / "00003_stats.json").write_text('{"count": ')
    (tmp_path / "_tmp").mkdir()
    (tmp_path / "_tmp" / "5.feather").touch()  # the list of a shard that was never begun
    found = outcomes(make_reader(config(), tmp_path))
    broken = {name: text for name, text in found.items() if isinstance(text, str)}
    assert sorted(found) == sorted(["000000", "000040", *broken])
    for number in (1, 2, 5):
        assert broken[f"0000{number}~unfinished"] == (
            f"unfinished: 0000{number}: was not finished, and later ones may not have been begun: "
            "run img2dataset again with the same arguments"
        )
    assert broken["00003~unfinished"].startswith(
        "unfinished: 00003: damaged 00003_stats.json: delete it and run"
    )
    assert len(broken) == 4


def test_rows_that_img2dataset_could_not_write_are_counted(tmp_path, pictures):
    """With a date among the columns, version 1.47 calls an image a success, and drops both image and row."""
    shard(tmp_path, 0, awe(GONE, pictures[0], GONE), count=5)
    shard(tmp_path, 1, awe(GONE), size=1, count=2)
    found = outcomes(make_reader(config(), tmp_path))
    assert {name for name, text in found.items() if "lists" in text} == {"00000~3", "00000~4", "00001~1"}
    assert found["00000~3"].startswith(
        "missing_annotation: 00000, URL 3 (from 0): 00000.parquet lists 3 of 5 URLs; img2dataset loses"
    )
    assert len(found) == 7


@pytest.mark.parametrize("layout", ["webdataset", "files"])
def test_images_without_a_row_and_rows_without_an_image(tmp_path, pictures, layout):
    (tmp_path / "other").mkdir()
    shard(tmp_path / "other", 0, awe(GONE, pictures[0]))
    shard(tmp_path, 0, awe(pictures[1], GONE, pictures[2]), layout)
    for name in ("00000.parquet", "00000_stats.json"):
        (tmp_path / "other" / name).replace(tmp_path / name)
    found = outcomes(make_reader(config(), tmp_path))
    assert found == {
        "000000": "missing_image: 00000.parquet, 000000: failed_to_download: HTTP Error 404: Not Found",
        "000001": "missing_image: 00000.parquet, 000001: called a success, but there is no image",
        "00000~000002": "missing_annotation: 00000.parquet: no row for the image 000002",
    }


def test_damage_costs_the_images_it_hits_and_every_one_says_so(tmp_path, pictures):
    for number in range(4):
        shard(tmp_path, number, awe(pictures[0], GONE, pictures[1], pictures[2]))
    (tmp_path / "00000.tar").unlink()
    tar = tmp_path / "00001.tar"  # 000013 comes first, then 000012, then 000010
    with tarfile.open(tar) as opened:
        members = {member.name: member.offset_data for member in opened}
    tar.write_bytes(tar.read_bytes()[: members["000012.jpg"] + 50])
    (tmp_path / "00002.parquet").write_bytes((tmp_path / "00002.parquet").read_bytes()[:-20])
    found = outcomes(make_reader(config(), tmp_path))
    reasons = {
        name: text.split(":")[0] if isinstance(text, str) else "read" for name, text in sorted(found.items())
    }
    assert reasons == {
        **dict.fromkeys(["000000", "000001", "000002", "000003"], "missing_image"),
        "000010": "missing_image",
        "000011": "missing_image",
        "000012": "unreadable",
        "000013": "read",
        **dict.fromkeys(["00002~0", "00002~1", "00002~2", "00002~3"], "missing_annotation"),
        **dict.fromkeys(["000030", "000032", "000033"], "read"),
        "000031": "missing_image",
    }
    assert found["000000"].endswith("no 00000.tar, no folder 00000 and no images in 00000.parquet")
    assert found["000001"].endswith("HTTP Error 404: Not Found")
    assert found["000010"].endswith("00001.tar: cut off inside 000012.jpg")
    assert found["000012"].endswith("00001.tar ends inside it")
    assert "00002.parquet: no Parquet file" in found["00002~0"]


def no_stats(root):
    (root / "00000_stats.json").unlink()


def other_columns(root):
    parquet.write_table(pyarrow.Table.from_pylist([{"url": "u", "emotion": "awe"}]), root / "00000.parquet")


def one_below(root):
    (root / "below").mkdir()
    for path in list(root.glob("00000*")):
        path.rename(root / "below" / path.name)


@pytest.mark.parametrize(
    ("spoil", "keys", "message"),
    [
        (no_stats, {}, r"none of the 1 shards was finished .*: run img2dataset again"),
        (
            other_columns,
            {},
            r"no column key, status, error_message, width, so img2dataset did not write this",
        ),
        (one_below, {}, r"no 00000\.parquet, so this is no url-list folder; did you mean root=.*below\?"),
        (lambda root: (root / "00000.tfrecord").touch(), {}, "TFRecords are not read; download with"),
        (lambda root: (root / "00000.parquet").write_bytes(b"x"), {}, r"00000\.parquet: no Parquet file"),
        (
            None,
            {"columns": {"attributes": {"a": "emotoin"}}},
            r"'emotoin' \(did you mean emotion\?\); there are ",
        ),
        (None, {"columns": {"image": "jpg"}}, r"reader\.columns\.image: .*leave it out"),
        (None, {"folder": "nowhere"}, r"nowhere: no such folder \(reader\.folder\)"),
        (None, {"folder": "../.."}, "leads out of the dataset's folder"),
    ],
)
def test_user_errors_are_one_line(tmp_path, pictures, spoil, keys, message):
    shard(tmp_path, 0, awe(pictures[0]))
    if spoil:
        spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        make_reader(config(**keys), tmp_path)
    assert "\n" not in str(caught.value)


def test_how_to_get_keeps_the_bytes_and_honours_those_who_say_no():
    (described,) = describe_readers(["img2dataset"])
    for part in (
        "--disable_all_reencoding True",
        '--disallowed_header_directives \'["noai","noimageai","noindex","noimageindex"]\'',
        "--compute_hash sha256",
    ):
        assert part in described["how_to_get"]
    assert "img2dataset" in describe_readers(["fi"])[0]["how_to_get"]


def test_fi_as_a_list_of_urls(tmp_path, pictures, monkeypatch):
    """The program in the config's head makes the list whose columns the config maps."""
    text = (CONFIGS / "fi_urls.yaml").read_text(encoding="utf-8")
    program = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    (tmp_path / "make_list.py").write_text("\n".join(program), encoding="utf-8")
    (tmp_path / "agg").mkdir()
    (tmp_path / "agg" / "awe_0.csv").write_bytes(
        b"1,http://a.example/1.jpg,0,5\r\n2,http://a.example/2.jpg,3,2\r\n"
    )
    (tmp_path / "agg" / "fear_0.csv").write_bytes(b"1,http://a.example/3.jpg,2,3\r\n\r\n")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("make_list.py")
    assert (tmp_path / "fi.csv").read_text(encoding="utf-8").splitlines() == [
        "emotion,number,url,disagree,agree",
        "awe,1,http://a.example/1.jpg,0,5",
        "fear,1,http://a.example/3.jpg,2,3",
    ]
    root = tmp_path / "downloaded"
    root.mkdir()
    shard(root, 0, [(pictures[0], {"emotion": "fear", "agree": 3, "disagree": 2})])
    reader = yaml.safe_load(text)["reader"]
    (record,) = outcomes(make_reader(Img2DatasetConfig.model_validate(reader), root)).values()
    assert record["labels"] == {"mikels8": {"class": "fear"}}
    assert record["attributes"] == {"votes_agree": 3, "votes_disagree": 2}


def test_images_are_never_opened_through_a_link_out_of_the_root(tmp_path, pictures, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    shard(outside, 1, awe(pictures[1]))
    shard(tmp_path, 0, awe(pictures[0]))
    for name in ("00001.parquet", "00001.tar", "00001_stats.json"):
        (tmp_path / name).symlink_to(outside / name)
    found = outcomes(make_reader(config(), tmp_path))
    assert "is a link out of the dataset's folder" in found["00001~0"]
    assert set(outcomes(make_reader(config(follow_links=True), tmp_path))) == {"000000", "000010"}
