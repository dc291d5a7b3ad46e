"""What all readers promise: reason codes, paths that stay inside, pickling, a description."""

import dataclasses
import hashlib
import json
import pickle
from pathlib import Path

import pytest
import vemo
import yaml
from pydantic import TypeAdapter, ValidationError
from vemo.datasets.readers import READERS, ReaderConfig, Row, SampleError, describe_readers, make_reader
from vemo.datasets.readers.generic.image_folder import ImageFolderConfig
from vemo.foundation.errors import UserError

CONFIGS = Path(vemo.__file__).parent / "configs" / "datasets"


def folder_reader(root, **keys):
    return make_reader(ImageFolderConfig(space="polarity2", **keys), root)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set" / "positive").mkdir(parents=True)
    (tmp_path / "set" / "positive" / "a.png").write_bytes(b"bytes of a")
    (tmp_path / "secret.png").write_bytes(b"not yours")
    return tmp_path / "set"


def test_sample_error_knows_its_reasons_and_survives_pickling():
    error = pickle.loads(pickle.dumps(SampleError("missing_image", "no file a.jpg")))
    assert (error.reason, error.detail) == ("missing_image", "no file a.jpg")
    assert str(error) == "missing_image: no file a.jpg"
    with pytest.raises(ValueError, match="unknown reason"):
        SampleError("gone", "no file a.jpg")


def test_rows_are_json_and_readers_pickle(root):
    reader = folder_reader(root)
    (row,) = reader.rows()
    again = Row(**json.loads(json.dumps(dataclasses.asdict(row))))
    assert again == row
    sample, image = pickle.loads(pickle.dumps(reader)).read(again)
    assert image == b"bytes of a"
    assert sample.id == "image-folder/positive/a.png"
    assert sample.source.sha256 == hashlib.sha256(image).hexdigest()


@pytest.mark.parametrize("path", ["../secret.png", "positive/../../secret.png", "/etc/hostname", "a\0b"])
def test_paths_that_lead_out_are_refused(root, path):
    with pytest.raises(SampleError, match="path_escapes_root") as caught:
        folder_reader(root).read(Row("a", None, None, path, {"class": "positive"}))
    assert caught.value.reason == "path_escapes_root"


def test_links_that_lead_out_are_refused_unless_allowed(root):
    (root / "positive" / "b.png").symlink_to(root.parent / "secret.png")
    reader = folder_reader(root)
    linked = [row for row in reader.rows() if row.id.endswith("b.png")]
    assert len(linked) == 1
    with pytest.raises(SampleError, match="follow_links=true"):
        reader.read(linked[0])
    assert folder_reader(root, follow_links=True).read(linked[0])[1] == b"not yours"


def test_vanished_and_unreadable_files(root):
    reader = folder_reader(root)
    (row,) = reader.rows()
    (root / row.path).unlink()
    with pytest.raises(SampleError, match=r"missing_image: no file positive/a\.png"):
        reader.read(row)
    (root / row.path).mkdir()
    with pytest.raises(SampleError, match="unreadable"):
        reader.read(row)


def test_dangling_links_are_listed_and_reported(root):
    (root / "positive" / "c.png").symlink_to(root / "positive" / "gone.png")
    reader = folder_reader(root)
    dangling = [row for row in reader.rows() if row.id.endswith("c.png")]
    with pytest.raises(SampleError, match="missing_image"):
        reader.read(dangling[0])


def test_a_root_that_does_not_exist_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        folder_reader(tmp_path / "nowhere")


def test_description_of_all_readers():
    described = describe_readers()
    assert [entry["kind"] for entry in described] == list(READERS)
    for entry in described:
        assert entry["how_to_get"]
        assert entry["licence"]
        assert entry["summary"]
    json.dumps(described)


def test_one_yaml_a_reader_and_all_valid():
    adapter = TypeAdapter(ReaderConfig)
    kinds = set()
    for path in sorted(CONFIGS.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "reader" in document:
            kinds.add(adapter.validate_python(document["reader"]).kind)
    assert kinds == set(READERS)


def test_unknown_keys_and_kinds_are_refused():
    adapter = TypeAdapter(ReaderConfig)
    with pytest.raises(ValidationError, match="unknown_valu"):
        adapter.validate_python({"kind": "emoset", "unknown_valu": "keep"})
    with pytest.raises(ValidationError, match="emoset"):
        adapter.validate_python({"kind": "emoset118"})
