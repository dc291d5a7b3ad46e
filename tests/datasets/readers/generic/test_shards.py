"""A shard set as a source: what went in comes out again, and damage has a name."""

import json
import shutil

import pytest
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.generic.image_folder import ImageFolderConfig
from vemo.datasets.readers.generic.shards import ShardsConfig
from vemo.datasets.shards import BuildConfig, build, verify
from vemo.datasets.sidecars import Description, HashesConfig, Maker, write_hashes, write_sidecar
from vemo.datasets.stream import ShardSet
from vemo.foundation.errors import UserError


@pytest.fixture
def source(tmp_path):
    for split, label in [("train", "negative"), ("train", "positive"), ("test", "positive")]:
        folder = tmp_path / "source" / split / label
        folder.mkdir(parents=True)
        for number in range(3):
            colour = (40 * number, len(split), len(label))
            Image.new("RGB", (12, 8), colour).save(folder / f"{number}.png")
    return make_reader(
        ImageFolderConfig(space="polarity2", dataset="mine", licence="CC0"), tmp_path / "source"
    )


@pytest.fixture
def archive(source, tmp_path):
    config = {
        "root": source.root,
        "out": tmp_path / "archive",
        "reader": source.config,
        "samples_per_shard": 2,
    }
    build(BuildConfig(**config, workers=0))
    return tmp_path / "archive"


def test_everything_comes_back(source, archive):
    reader = make_reader(ShardsConfig(), archive)
    assert (reader.dataset, reader.licence, reader.spaces) == ("mine", "CC0", ("polarity2",))
    assert reader.expected == {"train": 6, "test": 3}
    before = {}
    for row in source.rows():
        sample, image = source.read(row)
        before[sample.id] = (sample.model_copy(update={"width": 12, "height": 8}), image)
    rows = list(reader.rows())
    assert rows == list(reader.rows())
    assert {f"mine/{row.id}" for row in rows} == set(before)
    for row in rows:
        sample, image = reader.read(row)
        assert (sample, image) == before[sample.id]
        assert row.split == sample.source.split


def test_training_shards_from_archive_shards(archive, tmp_path):
    out = tmp_path / "training"
    build(BuildConfig(root=archive, out=out, reader=ShardsConfig(), short_side=4, workers=0))
    reader = make_reader(ShardsConfig(), out)
    samples = [reader.read(row)[0] for row in reader.rows()]
    assert len(samples) == 9
    assert {(sample.width, sample.height) for sample in samples} == {(6, 4)}
    assert {sample.source.dataset for sample in samples} == {"mine"}


def test_edits_travel_along(archive):
    reader = make_reader(ShardsConfig(), archive)
    edited = next(row for row in reader.rows() if row.id == "train/positive/1.png")
    edit = {
        "set": {"labels.polarity2.class": "negative"},
        "by": "ann",
        "when": "2025-01-01",
        "why": "a frown",
    }
    (archive / "overrides.jsonl").write_text(json.dumps({"id": f"mine/{edited.id}", **edit}) + "\n")
    sample, _ = make_reader(ShardsConfig(), archive).read(edited)
    assert sample.labels["polarity2"].class_ == "negative"
    assert sample.overrides == [edit]


def test_an_edit_to_a_label_that_does_not_exist_fails_its_sample(archive):
    row = next(make_reader(ShardsConfig(), archive).rows())
    edit = {"id": f"mine/{row.id}", "set": {"labels.polarity2.class": "meh"}, "by": "ann"}
    (archive / "overrides.jsonl").write_text(json.dumps(edit) + "\n")
    with pytest.raises(SampleError, match=r"bad_annotation: .*polarity2 has no class 'meh'"):
        make_reader(ShardsConfig(), archive).read(row)


def test_a_shard_cut_while_in_use_is_unreadable(archive):
    reader = make_reader(ShardsConfig(), archive)
    rows = list(reader.rows())
    tar = archive / "train-00000.tar"
    tar.write_bytes(tar.read_bytes()[:100])
    with pytest.raises(SampleError, match=r"unreadable: .*train-00000"):
        reader.read(rows[0])


def test_a_folder_without_manifest_is_a_user_error(archive, tmp_path):
    (archive / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json"):
        make_reader(ShardsConfig(), archive)


def audited(archive, *clusters):
    """Write what `vemo shards audit` would: (kind, [(id, split), …]) each."""
    (archive / "audit").mkdir()
    lines = [
        {"kind": kind, "samples": [{"id": name, "split": split} for name, split in samples]}
        for kind, samples in clusters
    ]
    (archive / "audit" / "duplicates.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_dedup_leaves_out_what_a_later_split_holds_and_groups_the_rest(archive, tmp_path):
    leak = [("mine/train/positive/0.png", "train"), ("mine/test/positive/0.png", "test")]
    within = [("mine/train/negative/1.png", "train"), ("mine/train/negative/2.png", "train")]
    near = [("mine/train/positive/1.png", "train"), ("mine/test/positive/1.png", "test")]
    audited(archive, ("identical", leak), ("identical", within), ("near", leak), ("near", near))
    rows = {row.id: row for row in make_reader(ShardsConfig(split="dedup"), archive).rows()}
    assert rows["train/positive/0.png"].facts["failure"][0] == "duplicate"
    assert "mine/test/positive/0.png (test)" in rows["train/positive/0.png"].facts["failure"][1]
    assert rows["train/negative/1.png"].group == rows["train/negative/2.png"].group is not None
    assert "failure" not in rows["train/positive/1.png"].facts
    near_rows = {row.id: row for row in make_reader(ShardsConfig(split="dedup_near"), archive).rows()}
    assert [row.id for row in near_rows.values() if "failure" in row.facts] == [
        "train/positive/0.png",
        "train/positive/1.png",
    ]
    config = {"root": archive, "out": tmp_path / "clean", "reader": {"kind": "shards", "split": "dedup"}}
    report = build(BuildConfig(**config, workers=0))
    assert report.ok  # what was asked for is no fault, however much it is
    assert report.failed == {"duplicate": 1} and report.packed == 8
    assert not any("more than one split" in text for text in report.warnings)


def test_dedup_without_an_audit_says_what_to_do(archive):
    with pytest.raises(UserError, match=r"reader\.split=dedup needs `vemo shards audit` first"):
        make_reader(ShardsConfig(split="dedup"), archive)


EYES = [[2.0, 2.0], [4.0, 2.0], [3.0, 3.0], [2.0, 4.0], [4.0, 4.0]]


def found(part):
    """A person in every picture but those called 0, a face in it; [] says that somebody looked."""
    for record in part.records():
        number = int(record["id"][-5])
        box = {"box": [1.0, 2.0, 4.0 + number, 8.0], "score": 0.75, "by": "a-detector"}
        somebody = [box] if number else []
        yield {"persons": somebody, "faces": [{**face, "landmarks": EYES} for face in somebody]}


def persons_only(part):
    return ({"persons": row["persons"]} for row in found(part))


def faces_only(part):
    return ({"faces": row["faces"]} for row in found(part))


def write(archive, column, rows, **changes):
    described = {
        "name": column,
        "kind": "records",
        "columns": [column],
        "made_by": Maker(name="a-detector"),
        "command": f"vemo shards {column} DIR",
    }
    write_sidecar(archive, Description.model_validate(described | changes), rows, workers=0)


def repack(archive, out, *sidecars, **settings):
    reader = {"kind": "shards", "sidecars": sidecars}
    return build(BuildConfig(root=archive, out=out, reader=reader, workers=0, **settings))


def samples_of(folder):
    reader = make_reader(ShardsConfig(), folder)
    return {sample.id: sample for sample, _ in map(reader.read, reader.rows())}


def test_sidecars_become_part_of_the_records(archive, tmp_path):
    write(archive, "persons", persons_only)
    write(archive, "faces", faces_only)
    assert repack(archive, tmp_path / "again", "persons", "faces", samples_per_shard=4).ok
    before, after = samples_of(archive), samples_of(tmp_path / "again")
    assert before.keys() == after.keys() and len(after) == 9
    for identifier, sample in after.items():
        known = sample.to_record()
        persons, faces = known.pop("persons"), known.pop("faces")
        assert known == before[identifier].to_record()
        if (number := int(identifier[-5])) == 0:
            assert persons == faces == []
            continue
        assert persons == [{"box": [1, 2, 4 + number, 8], "score": 0.75, "by": "a-detector"}]
        assert faces == [{**persons[0], "landmarks": EYES}]
    assert verify(tmp_path / "again").ok
    assert repack(archive, tmp_path / "without").ok
    assert all(sample.persons is None for sample in samples_of(tmp_path / "without").values())


def test_boxes_and_landmarks_are_scaled_with_the_images(archive, tmp_path):
    write(archive, "persons", persons_only)
    write(archive, "faces", faces_only)
    repack(archive, tmp_path / "small", "persons", "faces", short_side=4)
    for identifier, sample in samples_of(tmp_path / "small").items():
        assert (sample.width, sample.height) == (6, 4)
        if number := int(identifier[-5]):
            assert sample.persons[0].box == sample.faces[0].box == (0.5, 1, 2 + number / 2, 4)
            assert sample.faces[0].landmarks == ((1, 1), (2, 1), (1.5, 1.5), (1, 2), (2, 2))
            assert sample.faces[0].by == sample.persons[0].by == "a-detector"


def test_edits_win_over_sidecars(archive, tmp_path):
    write(archive, "persons", persons_only)
    edit = {"id": "mine/train/positive/1.png", "set": {"persons": []}, "by": "ann"}
    (archive / "overrides.jsonl").write_text(json.dumps(edit) + "\n")
    repack(archive, tmp_path / "again", "persons")
    after = samples_of(tmp_path / "again")
    assert after["mine/train/positive/1.png"].persons == [] and after["mine/train/positive/2.png"].persons


def test_a_sidecar_that_does_not_fit_is_refused(archive, tmp_path):
    with pytest.raises(UserError, match="no sidecar 'persons', only none"):
        repack(archive, tmp_path / "out", "persons")
    write(archive, "persons", persons_only)
    rows = archive / "sidecars" / "persons" / "train-00001.jsonl"
    whole = rows.read_bytes()
    rows.write_bytes(whole[:-3])
    with pytest.raises(UserError, match=r"train-00001\.jsonl is cut off.*make it again: vemo shards persons"):
        repack(archive, tmp_path / "out", "persons")
    rows.write_bytes(whole.replace(b"0.75", b"0.95"))
    with pytest.raises(UserError, match=r"train-00001\.jsonl is damaged"):
        repack(archive, tmp_path / "out", "persons")
    rows.write_bytes(whole)
    about = archive / "sidecars" / "persons" / "sidecar.json"
    described = json.loads(about.read_bytes())
    described["shards"]["test-00000"]["tar_sha256"] = "0" * 64
    about.write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"was made for another test-00000\.tar"):
        repack(archive, tmp_path / "out", "persons")


def test_a_column_that_records_have_already_is_refused_before_anything_is_packed(archive, tmp_path):
    write(archive, "persons", persons_only)
    repack(archive, tmp_path / "again", "persons")
    shutil.copytree(archive / "sidecars", tmp_path / "again" / "sidecars")
    write(tmp_path / "again", "persons", persons_only, name="more", replace=True)
    assert repack(tmp_path / "again", tmp_path / "out", "more").ok
    about = tmp_path / "again" / "sidecars" / "more" / "sidecar.json"
    about.write_text(about.read_text().replace('"replace": true', '"replace": false'))
    with pytest.raises(UserError, match=r"gives persons, which mine/\S+ has already; leave it out"):
        repack(tmp_path / "again", tmp_path / "out2", "more")


def test_hashes_and_embeddings_stay_with_the_tars_they_were_made_for(archive, tmp_path):
    write_hashes(HashesConfig(shards=archive, workers=0))
    again = r"sidecars/hashes: gives hashes, .* for the new set: vemo shards hashes DIR$"
    with pytest.raises(UserError, match=again):
        repack(archive, tmp_path / "out", "hashes")
    array = {"name": "teacher_images", "columns": ["teacher_images"], "kind": "array", "dtype": "float16"}
    embed = {"shape": [2], "command": "vemo shards embed DIR"}
    write(archive, "persons", lambda part: ([1, 2] for _ in part.places), **array, **embed)
    with pytest.raises(UserError, match=r"teacher_images: gives teacher_images.*: vemo shards embed DIR$"):
        repack(archive, tmp_path / "out", "teacher_images")
    assert not (tmp_path / "out").exists()


def test_a_begun_set_is_not_gone_on_with_after_its_sidecar_changed(archive, tmp_path):
    write(archive, "persons", persons_only)
    out = tmp_path / "out"
    repack(archive, out, "persons")
    tar = (out / "train-00000.tar").read_bytes()
    shutil.copytree(archive / "sidecars", tmp_path / "kept")
    shutil.rmtree(archive / "sidecars")
    write(archive, "persons", lambda part: ({"persons": []} for _ in part.places))
    # Killed after one shard: what is left is the plan's digest, and what is done.
    plan = json.loads((out / "manifest.json").read_bytes())
    (out / ".build").mkdir()
    (out / ".build" / "begun.json").write_text(json.dumps({"build": plan["build"], "plan": plan["plan"]}))
    (out / "manifest.json").unlink()
    (out / "test-00000.tar").unlink()
    with pytest.raises(UserError, match="was begun with, or says other things of them"):
        repack(archive, out, "persons")
    shutil.rmtree(archive / "sidecars")
    shutil.move(tmp_path / "kept", archive / "sidecars")
    assert repack(archive, out, "persons").ok
    assert (out / "train-00000.tar").read_bytes() == tar
    edit = {"id": "mine/train/positive/1.png", "set": {"persons": []}, "by": "ann"}
    (archive / "overrides.jsonl").write_text(json.dumps(edit) + "\n")
    with pytest.raises(UserError, match="says other things of them"):
        repack(archive, out, "persons")


def train_only(tmp_path, pictures, **columns):
    """A set of 40 samples, two in a row of one person; all in the dataset's own train split."""
    root, rows = tmp_path / "source", ["path,class,who,split"]
    root.mkdir()
    for number in range(40):
        Image.new("RGB", (12, 8), (6 * (number % pictures), 0, 0)).save(root / f"{number}.png")
        rows.append(f"{number}.png,positive,person {number // 2},train")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    labels = {"polarity2": {"class": "class"}}
    reader = {"kind": "table", "table": "labels.csv"}
    reader["columns"] = {"path": "path", "split": "split", "labels": labels, **columns}
    build(BuildConfig(root=root, out=tmp_path / "own", reader=reader, workers=0))
    return tmp_path / "own"


def redraw(folder, out, **settings):
    reader = ShardsConfig(split="drawn")
    splits = {"train": 0.5, "val": 0.2, "test": 0.3}
    return build(BuildConfig(root=folder, out=out, reader=reader, workers=0, splits=splits, **settings))


def read_all(folder):
    shards = ShardSet(folder)
    found = [(split, *shards.read(split, n)) for split in shards.splits for n in range(shards.count(split))]
    return {record["id"]: (split, record, image) for split, record, image in found}


def test_splits_are_drawn_again_by_group(tmp_path):
    own = train_only(tmp_path, pictures=40, group="who")
    report = redraw(own, tmp_path / "drawn")
    assert report.ok and report.warnings == ()
    assert list(report.splits) == ["train", "val", "test"]
    before, after = read_all(own), read_all(tmp_path / "drawn")
    assert before.keys() == after.keys() and {split for split, *_ in before.values()} == {"train"}
    where = {}
    for identifier, (split, record, image) in after.items():
        _, old, old_image = before[identifier]
        assert image == old_image and old["source"].pop("split") == "train"
        assert record == old
        where.setdefault(record["source"]["group"], set()).add(split)
    assert len(where) == 20 and all(len(splits) == 1 for splits in where.values())
    redraw(own, tmp_path / "other", split_seed=1)
    assert any(after[name][0] != split for name, (split, *_) in read_all(tmp_path / "other").items())


def test_copies_that_a_drawn_split_parts_are_refused(tmp_path):
    """They were no leak within one split, and it is we who would make them one."""
    own = train_only(tmp_path, pictures=10)
    with pytest.raises(UserError, match="9 images lie in more than one of the splits drawn here"):
        redraw(own, tmp_path / "drawn")
