"""Building: what is in the set, what a rerun does, and what happens to bad input."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import webdataset
from PIL import Image
from vemo.datasets.readers import EmoSet, ImageFolder
from vemo.datasets.sample import Person, Sample
from vemo.datasets.shards import BuildConfig, build, local_set, verify
from vemo.datasets.shards.layout import read_records
from vemo.datasets.shards.splits import image_hashes
from vemo.foundation.errors import UserError

Make = Callable[..., BuildConfig]
Folder = Callable[..., Path]


def records(out: Path) -> dict[str, dict]:
    return {record["id"]: record for tar in sorted(out.glob("*.tar")) for record in read_records(tar)}


def failures(out: Path) -> dict[str, str]:
    lines = (out / "failures.jsonl").read_text().splitlines()
    return {failure["path"]: failure["reason"] for failure in map(json.loads, lines)}


def test_a_set_says_what_is_in_it(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(50)
    report = build(make_config(root, samples_per_shard=10))
    manifest = json.loads((report.out / "manifest.json").read_text())
    assert report.ok and report.packed == report.listed == 50
    assert report.coverage == "50 of 50 images" == manifest["coverage"]["line"]
    assert manifest["format"] == 1 and manifest["spaces"] == ["mikels8"]
    assert sum(split["samples"] for split in manifest["splits"].values()) == 50
    assert str(root) not in (report.out / "manifest.json").read_text()
    assert not (report.out / ".build").exists()
    lines = [json.loads(line) for line in (report.out / "shards.jsonl").read_text().splitlines()]
    assert len(lines) == sum(split["shards"] for split in manifest["splits"].values())
    found = records(report.out)
    assert len(found) == 50
    record = found["image-folder/awe/00001.jpg"]
    source = root / "awe" / "00001.jpg"
    assert (record["width"], record["height"]) == (40, 30)
    assert record["labels"] == {"mikels8": {"class": "awe"}}
    assert record["source"]["path"] == "awe/00001.jpg"
    assert list(record)[:4] == ["id", "source", "width", "height"]
    Sample.from_record(record)
    assert record["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_packing_gives_the_hashes_that_leaks_are_looked_for_by(
    make_folder: Folder, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(make_folder(20), samples_per_shard=6, short_side=20)
    read = []
    monkeypatch.setattr(local_set, "image_hashes", lambda tar: read.append(tar.stem) or image_hashes(tar))
    out = build(config).out
    assert read == []
    manifest = (out / "manifest.json").read_bytes()
    (out / "train-00001.tar").unlink()  # the others are an earlier run's now
    build(config)
    assert sorted(read) == sorted(tar.stem for tar in out.glob("*.tar") if tar.stem != "train-00001")
    assert (out / "manifest.json").read_bytes() == manifest


def test_a_shard_and_its_hashes_agree(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(9)
    (root / "awe" / "00001.jpg").write_bytes(b"no image")
    made = []
    original = local_set.build_shard
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_set, "build_shard", lambda spec: made.append(original(spec)) or made[-1])
        out = build(make_config(root, splits={"train": 1.0}, tolerance=1)).out
    [(report, hashes)] = made
    assert report.samples == len(hashes) == 8
    assert hashes.dtype == "uint64" and (hashes == image_hashes(out / "train-00000.tar")).all()


def test_images_are_stored_untouched(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(5, split="train")
    out = build(make_config(root)).out
    samples = webdataset.WebDataset(str(out / "train-00000.tar"), shardshuffle=False)
    stored = {json.loads(s["json"])["source"]["path"]: s["jpg"] for s in samples}
    assert stored == {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.jpg")}


def test_workers_change_nothing(make_folder: Folder, make_config: Make, tmp_path: Path, hashes) -> None:
    root = make_folder(60)
    build(make_config(root, samples_per_shard=7))
    build(make_config(root, samples_per_shard=7, workers=2, out=tmp_path / "two"))
    assert hashes(tmp_path / "out") == hashes(tmp_path / "two")


def test_fewer_samples_than_a_shard_or_a_split(make_folder: Folder, make_config: Make) -> None:
    report = build(make_config(make_folder(1), splits={"train": 1.0, "val": 0.0}))
    assert report.splits == {"train": {"samples": 1, "shards": 1}}
    assert verify(report.out, workers=0).ok


def test_a_finished_build_is_left_alone(make_folder: Folder, make_config: Make, hashes) -> None:
    config = make_config(make_folder(12), samples_per_shard=5)
    first = build(config)
    before, times = hashes(config.out), {p: p.stat().st_mtime_ns for p in config.out.iterdir()}
    assert build(config) == first
    assert hashes(config.out) == before
    assert {p: p.stat().st_mtime_ns for p in config.out.iterdir()} == times


def test_a_lost_shard_is_built_again(make_folder: Folder, make_config: Make, hashes) -> None:
    config = make_config(make_folder(30, split="train"), samples_per_shard=10)
    build(config)
    before = hashes(config.out)
    (config.out / "train-00001.tar").unlink()
    (config.out / "train-00002.tar").write_bytes(b"cut")
    (config.out / "train-00000.index.npy").unlink()
    build(config)
    assert hashes(config.out) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples_per_shard": 6}, "samples_per_shard was 5 and is now 6"),
        ({"short_side": 16}, "short_side was None and is now 16"),
        ({"split_seed": 1}, "split_seed was 0 and is now 1"),
        (
            {"reader": {"kind": "image_folder", "space": "mikels8", "licence": "x"}},
            "reader.licence was 'unknown'",
        ),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused(
    make_folder: Folder, make_config: Make, change: dict, message: str, finished: bool, hashes, read_delay
) -> None:
    config = make_config(make_folder(12), samples_per_shard=5)

    def interrupt(row) -> None:
        if not finished and list(config.out.glob("*.tar")):
            raise KeyboardInterrupt

    read_delay(interrupt)
    if finished:
        build(config)
    else:
        with pytest.raises(KeyboardInterrupt):
            build(config)
    before = hashes(config.out)
    with pytest.raises(UserError, match=message):
        build(config.model_copy(update={k: getattr(make_config(config.root, **change), k) for k in change}))
    assert hashes(config.out) == before


def test_another_source_is_refused(make_folder: Folder, make_config: Make, hashes) -> None:
    config = make_config(make_folder(12))
    build(config)
    before = hashes(config.out)
    make_folder(1, first=12)
    with pytest.raises(UserError, match="does not list the samples this set was begun with"):
        build(config)
    assert hashes(config.out) == before


def test_moving_source_and_set_is_no_change(make_folder: Folder, make_config: Make, tmp_path: Path) -> None:
    config = make_config(make_folder(12))
    build(config)
    config.root.rename(tmp_path / "moved")
    config.out.rename(tmp_path / "set")
    build(make_config(tmp_path / "moved", out=tmp_path / "set", workers=1, tolerance=0.5))


def test_a_strangers_folder_is_not_touched(make_folder: Folder, make_config: Make, tmp_path: Path) -> None:
    config = make_config(make_folder(3))
    config.out.mkdir()
    (config.out / "train-00000.tar").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds train-00000\.tar, but no shard set"):
        build(config)
    assert (config.out / "train-00000.tar").read_bytes() == b"mine"


def test_out_cannot_be_written(make_folder: Folder, make_config: Make, tmp_path: Path) -> None:
    root = make_folder(3)
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="file is in its way"):
            build(make_config(root, out=out))
    with pytest.raises(UserError, match=r"/proc/vemo-shards: .*; mend that"):
        build(make_config(root, out="/proc/vemo-shards"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_is_read_only(make_folder: Folder, make_config: Make, tmp_path: Path) -> None:
    config = make_config(make_folder(3))
    config.out.mkdir(mode=0o555)
    with pytest.raises(UserError, match="Permission denied"):
        build(config)


def test_no_samples(make_config: Make, tmp_path: Path) -> None:
    (tmp_path / "source" / "awe").mkdir(parents=True)
    config = make_config(tmp_path / "source")
    with pytest.raises(UserError, match="no samples of image-folder here"):
        build(config)
    assert list(config.out.iterdir()) == []


def test_bad_input_costs_nothing_else(
    make_folder: Folder, make_config: Make, make_jpeg, tmp_path: Path
) -> None:
    """One of every kind: each failure names its sample, all else is packed."""
    root = make_folder(8, split="train")
    folder, picture = root / "train" / "awe", Image.new("RGBA", (50, 40), (9, 99, 200, 128))
    (folder / "cut.jpg").write_bytes(make_jpeg(100, 400, 300)[:-900])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("<html>404</html>")
    (folder / "dot.jpg").write_bytes(make_jpeg(101, 1, 1))
    (folder / "really-a-png.jpg").write_bytes(_bytes(picture, "PNG"))
    (folder / "palette.png").write_bytes(_bytes(picture.quantize(8), "PNG"))
    (folder / "cmyk.jpg").write_bytes(_bytes(picture.convert("CMYK"), "JPEG"))
    (folder / "deep.png").write_bytes(_bytes(Image.new("I;16", (50, 40), 40000), "PNG"))
    (folder / "moving.gif").write_bytes(
        _bytes(picture.convert("P"), "GIF", save_all=True, append_images=[picture.rotate(90)])
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "turned.jpg").write_bytes(_bytes(picture.convert("RGB"), "JPEG", exif=exif))
    (folder / "wide.jpg").write_bytes(make_jpeg(102, 500, 400))
    (folder / "caf\udce9.jpg").write_bytes(make_jpeg(103))
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    report = build(make_config(root, max_pixels=130_000, tolerance=0.5))
    assert failures(report.out) == {
        "train/awe/cut.jpg": "undecodable_image",
        "train/awe/empty.jpg": "undecodable_image",
        "train/awe/text.jpg": "undecodable_image",
        "train/awe/wide.jpg": "too_large",
        "train/awe/caf\\udce9.jpg": "bad_annotation",
        "train/awe/gone.jpg": "missing_image",
    }
    assert report.packed == 8 + 7 and report.listed == 8 + 13
    assert report.ok and not build(make_config(root, max_pixels=130_000, tolerance=0.28)).ok
    found = {Path(i).name: (r["width"], r["height"]) for i, r in records(report.out).items()}
    assert found["turned.jpg"] == (40, 50)
    assert found["dot.jpg"] == (1, 1)
    names = {name for tar in report.out.glob("*.tar") for name in _members(tar)}
    assert any("really-a-png" in name and name.endswith(".png") for name in names)
    assert any("moving" in name and name.endswith(".gif") for name in names)
    assert verify(report.out, workers=0).ok


def _bytes(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _members(tar: Path) -> list[str]:
    with tarfile.open(tar) as archive:
        return archive.getnames()


def test_coverage_line_and_tolerance(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(40, split="train")
    for number in (0, 4, 8):
        (root / "train" / "amusement" / f"{number:05d}.jpg").write_bytes(b"")
    report = build(make_config(root))
    assert report.coverage == "37 of 40 images, 3 failed: 3 undecodable_image"
    assert not report.ok
    assert "7.5% failed, more than tolerance=0.01" in report.summary
    assert build(make_config(root, tolerance=0.075)).ok


def test_all_failed(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(4, split="train")
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"")
    report = build(make_config(root, tolerance=1.0))
    assert not report.ok and report.packed == 0
    assert verify(report.out, workers=0).ok


def test_missing_annotation_is_named(tmp_path: Path, make_config: Make, make_jpeg) -> None:
    """EmoSet's layout: an image whose annotation file is not there."""
    for name in ("amusement_00000", "amusement_00001"):
        for folder, suffix in (("image", "jpg"), ("annotation", "json")):
            (tmp_path / "e" / folder / "amusement").mkdir(parents=True, exist_ok=True)
            path = tmp_path / "e" / folder / "amusement" / f"{name}.{suffix}"
            annotation = json.dumps({"image_id": name, "emotion": "amusement"}).encode()
            path.write_bytes(make_jpeg(int(name[-1])) if suffix == "jpg" else annotation)
    (tmp_path / "e" / "info.json").write_text("{}")
    rows = [["amusement", f"image/amusement/{n}.jpg", f"annotation/amusement/{n}.json"] for n in
            ("amusement_00000", "amusement_00001")]  # fmt: skip
    for split, part in (("train", rows), ("val", []), ("test", [])):
        (tmp_path / "e" / f"{split}.json").write_text(json.dumps(part))
    (tmp_path / "e" / "annotation" / "amusement" / "amusement_00001.json").unlink()
    report = build(make_config(tmp_path / "e", reader={"kind": "emoset"}))
    assert report.failed == {"missing_annotation": 1}
    assert failures(report.out) == {"image/amusement/amusement_00001.jpg": "missing_annotation"}
    assert f"lists 2 samples, the dataset has {sum(EmoSet.expected.values()):,}" in report.summary


def test_duplicate_ids_are_named(make_folder: Folder, make_config: Make, monkeypatch) -> None:
    listing = ImageFolder._rows
    monkeypatch.setattr(ImageFolder, "_rows", lambda self: [*listing(self), *list(listing(self))[:2]])
    report = build(make_config(make_folder(10, split="train"), tolerance=1))
    assert report.failed == {"duplicate_id": 2}
    assert report.packed == 10


def test_a_leak_between_drawn_splits_is_refused(make_folder: Folder, make_config: Make) -> None:
    root = make_folder(60)
    data = (root / "awe" / "00001.jpg").read_bytes()
    for number in range(20):
        (root / "awe" / f"copy-{number}.jpg").write_bytes(data)
    config = make_config(root)
    for _ in range(2):  # and again when it is run again
        with pytest.raises(UserError, match=r"1 images lie in more than one .*awe/.*\(train\)"):
            build(config)
        assert not (config.out / "manifest.json").exists()
    report = build(config.model_copy(update={"on_leak": "warn"}))
    assert report.ok and "1 identical images lie in more than one split" in report.summary
    leaks = json.loads((config.out / "manifest.json").read_text())["leaks"]
    assert leaks["images"] == leaks["drawn_here"] == 1 and len(leaks["first"][0]) == 21


def test_a_leak_in_the_datasets_own_splits_is_reported(make_folder: Folder, make_config: Make) -> None:
    make_folder(4, split="train")
    root = make_folder(4, split="test", first=3)
    report = build(make_config(root))
    assert report.ok
    assert [
        text for text in report.warnings if text.startswith("1 identical images lie in more than one split: ")
    ]
    manifest = json.loads((report.out / "manifest.json").read_text())
    assert manifest["copies"] == 1
    assert [sorted(split for _, split in leak) for leak in manifest["leaks"]["first"]] == [["test", "train"]]


def test_reencoding_scales_boxes(tmp_path: Path, make_config: Make, make_folder: Folder, monkeypatch) -> None:
    def with_person(self, row):
        sample, image = original(self, row)
        return sample.model_copy(update={"persons": [Person(box=(2.0, 3.0, 20.0, 30.0))]}), image

    original = ImageFolder._read
    monkeypatch.setattr(ImageFolder, "_read", with_person)
    report = build(make_config(make_folder(3, split="train"), short_side=15))
    for record in records(report.out).values():
        assert (record["width"], record["height"]) == (20, 15)
        assert record["persons"][0]["box"] == [1.0, 1.5, 10.0, 15.0]
    assert verify(report.out, workers=0).ok


def test_training_shards_from_archive_shards(make_folder: Folder, make_config: Make, tmp_path: Path) -> None:
    archive = build(make_config(make_folder(20), samples_per_shard=7))
    report = build(make_config(archive.out, out=tmp_path / "small", reader={"kind": "shards"}, short_side=15))
    old, new = records(archive.out), records(report.out)
    assert report.packed == 20 and old.keys() == new.keys()
    assert {i: r["source"] for i, r in old.items()} == {i: r["source"] for i, r in new.items()}
    assert {s: n["samples"] for s, n in archive.splits.items()} == {
        s: n["samples"] for s, n in report.splits.items()
    }
    assert {(r["width"], r["height"]) for r in new.values()} == {(20, 15)}
    assert verify(report.out, workers=0).ok


def test_a_bug_says_at_which_sample(make_folder: Folder, make_config: Make, read_delay) -> None:
    def break_down(row) -> None:
        raise ZeroDivisionError("a bug")

    read_delay(break_down)
    with pytest.raises(ZeroDivisionError) as caught:
        build(make_config(make_folder(2, split="train")))
    assert "while packing" in caught.value.__notes__[0] and "train-00000" in caught.value.__notes__[0]


def test_building_needs_no_torch(make_folder: Folder, make_config: Make) -> None:
    """It would cost every worker half a gigabyte."""
    program = "import sys, vemo.datasets.shards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=shutil.os.sep, check=False).returncode == 0
