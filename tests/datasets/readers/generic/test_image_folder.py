"""Image folders with and without splits, and Emo8."""

import pytest
from PIL import Image
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.generic.image_folder import ImageFolderConfig
from vemo.datasets.readers.scenes.emo8 import Emo8Config
from vemo.foundation.errors import UserError


def picture(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def listed(reader):
    return [(row.id, row.split, reader.read(row)[0].labels[reader.spaces[0]].class_) for row in reader.rows()]


def test_splits_above_classes(tmp_path):
    for name in ("train/Sad/2.jpg", "train/Sad/1.JPG", "Validation/happy/1.png", "test/Happy/1.webp"):
        picture(tmp_path / name)
    (tmp_path / "train" / "Sad" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "train" / "Sad" / "._1.jpg").write_bytes(b"resource fork")
    (tmp_path / "README.txt").write_text("notes")
    reader = make_reader(ImageFolderConfig(space="ekman6", dataset="mine", licence="CC0"), tmp_path)
    assert listed(reader) == [
        ("Validation/happy/1.png", "val", "joy"),
        ("test/Happy/1.webp", "test", "joy"),
        ("train/Sad/1.JPG", "train", "sadness"),
        ("train/Sad/2.jpg", "train", "sadness"),
    ]
    sample, _ = reader.read(next(reader.rows()))
    assert (sample.id, sample.source.licence) == ("mine/Validation/happy/1.png", "CC0")


def test_classes_alone_and_deeper_folders(tmp_path):
    # UnBiasedEmo: the same file name under several objects
    for name in ("anger/dog/001.jpg", "anger/cat/001.jpg", "joy/cat/001.jpg"):
        picture(tmp_path / name)
    reader = make_reader(ImageFolderConfig(space="parrott6"), tmp_path)
    assert listed(reader) == [
        ("anger/cat/001.jpg", None, "anger"),
        ("anger/dog/001.jpg", None, "anger"),
        ("joy/cat/001.jpg", None, "joy"),
    ]


def test_synonyms_from_the_config(tmp_path):
    picture(tmp_path / "004" / "a.jpg")
    picture(tmp_path / "Anger" / "a.jpg")
    reader = make_reader(ImageFolderConfig(space="fer8", synonyms={"004": "surprise"}), tmp_path)
    assert [label for _, _, label in listed(reader)] == ["surprise", "anger"]
    with pytest.raises(UserError, match="fer8 has no 'surprize'"):
        make_reader(ImageFolderConfig(space="fer8", synonyms={"004": "surprize"}), tmp_path)


def test_unknown_class_folders_are_all_named(tmp_path):
    for name in ("train/joy/a.jpg", "train/glee/a.jpg", "test/mirth/a.jpg"):
        picture(tmp_path / name)
    with pytest.raises(UserError, match=r"folders glee, mirth; it has anger, .*reader\.synonyms") as caught:
        make_reader(ImageFolderConfig(space="ekman6"), tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no class folders"):
        make_reader(ImageFolderConfig(space="ekman6"), tmp_path)
    with pytest.raises(UserError, match="no label space 'ekman'"):
        make_reader(ImageFolderConfig(space="ekman"), tmp_path)


@pytest.mark.parametrize("above", ["", "emo8"])
def test_emo8_with_and_without_its_outer_folder(tmp_path, above):
    for name in ("train/awe/1.jpg", "val/fear/2.jpg", "test/sadness/3.jpg"):
        picture(tmp_path / above / name)
    (tmp_path / "styles.csv").write_text("path,style\ntrain/awe/1.jpg,cartoon\ntest/sadness/3.jpg,natural\n")
    reader = make_reader(Emo8Config(styles="styles.csv"), tmp_path)
    assert listed(reader) == [
        ("test/sadness/3.jpg", "test", "sadness"),
        ("train/awe/1.jpg", "train", "awe"),
        ("val/fear/2.jpg", "val", "fear"),
    ]
    styles = [reader.read(row)[0].attributes.get("style") for row in reader.rows()]
    assert styles == ["natural", "cartoon", None]


def test_emo8_style_file_mistakes(tmp_path):
    picture(tmp_path / "train" / "awe" / "1.jpg")
    with pytest.raises(UserError, match=r"styles\.csv: no such file"):
        make_reader(Emo8Config(styles="styles.csv"), tmp_path)
    (tmp_path / "styles.csv").write_text("file,look\n")
    with pytest.raises(UserError, match="first line must be path,style"):
        make_reader(Emo8Config(styles="styles.csv"), tmp_path)
