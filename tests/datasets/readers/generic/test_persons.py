"""The people of a shard set as samples: labels are the person's, and nobody is left out without a word."""

import json

import pytest
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.generic.persons import PersonsConfig
from vemo.datasets.readers.generic.shards import ShardsConfig
from vemo.datasets.shards import BuildConfig, build, verify
from vemo.datasets.stream import ShardSet

HEADER = "Image,xmin,ymin,xmax,ymax,Category,Valence,Arousal,Dominance,Split\n"
PEOPLE = [  # image, box, category, valence, split
    ("a.jpg", "1,2,40,50", "Sadness", "1", "train"),
    ("a.jpg", "41,2,90,50", "Anger", "10", "train"),
    ("a.jpg", "10,60,60,90", "Fear", "5.5", "train"),
    ("b.jpg", "0,0,50,96", "Peace", "7", "train"),
    ("c.jpg", "5,5,30,40", "Happiness", "9", "test"),
    ("c.jpg", "35,5,60,40", "Surprise", "8", "test"),
]


@pytest.fixture
def archive(tmp_path, put):
    """A person_table's set; to one person of c.jpg nobody has given a label, and to d.jpg no person."""
    root = tmp_path / "native"
    for number, name in enumerate("abcd"):
        put(root / f"{name}.jpg", number)
    lines = [f"{image},{box},{label},{valence},5,5,{split}\n" for image, box, label, valence, split in PEOPLE]
    (root / "people.csv").write_text(HEADER + "".join(lines) + "d.jpg,1,1,60,60,Anger,5,5,5,train\n")
    columns = {
        "path": "Image",
        "split": "Split",
        "persons": {"box": ["xmin", "ymin", "xmax", "ymax"]},
        "labels": {"heco8": {"class": "Category"}},
        "vad": {"valence": "Valence", "arousal": "Arousal", "dominance": "Dominance", "scale": [1, 10]},
    }
    reader = {"kind": "person_table", "table": "people.csv", "columns": columns, "dataset": "mine"}
    out = tmp_path / "archive"
    assert build(BuildConfig(root=root, out=out, reader=reader, workers=0, samples_per_shard=2)).ok
    one, other = records_of(out)["mine/c.jpg"][1]["persons"]
    (alone,) = records_of(out)["mine/d.jpg"][1]["persons"]
    edit(out, "c", [one, {"box": other["box"]}])
    edit(out, "d", [{"box": alone["box"]}])
    return out


def edit(archive, name, persons):
    line = {"id": f"mine/{name}.jpg", "set": {"persons": persons}, "by": "ann"}
    with (archive / "overrides.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def records_of(folder):
    shards = ShardSet(folder)
    return {
        record["id"]: (split, record, image)
        for split in shards.splits
        for record, image in (shards.read(split, place) for place in range(shards.count(split)))
    }


@pytest.fixture
def people(archive, tmp_path):
    out = tmp_path / "people"
    reader = {"kind": "persons"}
    return out, build(BuildConfig(root=archive, out=out, reader=reader, workers=0, samples_per_shard=3))


def test_one_sample_a_labelled_person(archive, people):
    images, found = records_of(archive), records_of(people[0])
    assert sorted(found) == ["mine/a.jpg#1", "mine/a.jpg#2", "mine/a.jpg#3", "mine/b.jpg#1", "mine/c.jpg#1"]
    for identifier, (split, record, data) in found.items():
        whose, _, number = identifier.rpartition("#")
        before, image, bytes_before = images[whose]
        one = image["persons"][int(number) - 1]
        assert (split, data) == (before, bytes_before)
        assert record["persons"] == [{"box": one["box"]}]
        assert record["labels"] == one["labels"] and record["vad"] == one["vad"]
        assert record["source"] == image["source"] | {"group": whose}
    assert found["mine/a.jpg#2"][1]["labels"] == {"heco8": {"class": "anger"}}
    assert found["mine/a.jpg#2"][1]["vad"]["valence"] == 1
    assert verify(people[0]).ok


def test_who_has_no_label_is_counted(people):
    out, report = people
    assert report.ok and report.failed == {"unlabelled": 2}
    assert report.coverage == "5 of 7 images, 2 failed: 2 unlabelled"
    failures = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    assert {failure["id"]: failure["detail"] for failure in failures} == {
        "c.jpg#2": "person 2 has neither labels nor vad",
        "d.jpg": "none of its 1 persons has a label",
    }
    assert not report.warnings


def test_people_of_one_image_are_no_copies(archive, people, tmp_path):
    manifest = json.loads((people[0] / "manifest.json").read_text())
    assert manifest["copies"] == manifest["leaks"]["images"] == 0
    again = tmp_path / "again"  # what reads a set of people does not take them for copies either
    build(BuildConfig(root=people[0], out=again, reader=ShardsConfig(), workers=0, short_side=48))
    assert json.loads((again / "manifest.json").read_text())["copies"] == 0
    before, after = (records_of(folder)["mine/a.jpg#2"][1] for folder in (people[0], again))
    (one,), (small,) = before["persons"], after["persons"]
    scale = after["width"] / before["width"]
    assert scale < 1 and small["box"] == pytest.approx([side * scale for side in one["box"]], abs=0.2)


def test_a_true_copy_of_an_image_with_people_is_found(tmp_path, put):
    for name in ("a.jpg", "copy.jpg"):
        put(tmp_path / "native" / name, 0)
    rows = [
        f"{name},{box},Anger,5,5,5,{split}\n"
        for name, split in (("a.jpg", "train"), ("copy.jpg", "test"))
        for box in ("1,2,40,50", "41,2,90,50")
    ]
    (tmp_path / "native" / "people.csv").write_text(HEADER + "".join(rows))
    columns = {"path": "Image", "split": "Split", "persons": {"box": ["xmin", "ymin", "xmax", "ymax"]},
               "labels": {"heco8": {"class": "Category"}}}  # fmt: skip
    reader = {"kind": "person_table", "table": "people.csv", "columns": columns}
    build(BuildConfig(root=tmp_path / "native", out=tmp_path / "archive", reader=reader, workers=0))
    out = tmp_path / "people"
    report = build(BuildConfig(root=tmp_path / "archive", out=out, reader=PersonsConfig(), workers=0))
    manifest = json.loads((out / "manifest.json").read_text())
    assert report.packed == 4 and manifest["copies"] == 1 and manifest["leaks"]["images"] == 1


def test_a_set_without_labelled_people_gives_nothing(archive, tmp_path):
    for name in "abcd":
        edit(archive, name, [])
    report = build(BuildConfig(root=archive, out=tmp_path / "out", reader=PersonsConfig(), workers=0))
    assert not report.ok and report.failed == {"unlabelled": 4}


def test_dedup_and_the_images_own_group_are_kept(archive):
    cluster = [{"id": "mine/a.jpg", "split": "train"}, {"id": "mine/c.jpg", "split": "test"}]
    near = [{"id": "mine/b.jpg", "split": "train"}, {"id": "mine/d.jpg", "split": "train"}]
    (archive / "audit").mkdir()
    text = "".join(json.dumps({"kind": "identical", "samples": each}) + "\n" for each in (cluster, near))
    (archive / "audit" / "duplicates.jsonl").write_text(text)
    rows = {row.id: row for row in make_reader(PersonsConfig(split="dedup"), archive).rows()}
    assert rows["a.jpg"].facts["failure"][0] == "duplicate" and "a.jpg#1" not in rows
    assert rows["b.jpg#1"].group == "mine/b.jpg" and rows["c.jpg#1"].group == "mine/a.jpg"


def test_splits_drawn_anew_part_no_image(archive, tmp_path):
    config = {"root": archive, "reader": PersonsConfig(split="drawn"), "workers": 0}
    splits = {"train": 0.5, "test": 0.5}
    parted = set()
    for seed in range(4):
        out = tmp_path / f"drawn-{seed}"
        report = build(BuildConfig(out=out, splits=splits, split_seed=seed, **config))
        where = {}
        for identifier, (split, _, _) in records_of(out).items():
            where.setdefault(identifier.partition("#")[0], set()).add(split)
        assert report.packed == 5 and all(len(found) == 1 for found in where.values())
        parted.add(tuple(sorted((name, *found) for name, found in where.items())))
    assert len(parted) > 1
