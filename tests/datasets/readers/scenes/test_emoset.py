"""EmoSet in both on-disk revisions, quirk by quirk."""

import io
import json

import pytest
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.emoset import EmoSetConfig
from vemo.datasets.taxonomy import label_space
from vemo.foundation.errors import UserError

EMOTIONS = label_space("mikels8").names
LEVELS = [f"{tenth / 10:.1f}" for tenth in range(11)]


def table(names):
    return {
        "label2idx": {name: index for index, name in enumerate(names)},
        "idx2label": {str(index): name for index, name in enumerate(names)},
    }


FLAT = table(EMOTIONS)
NESTED = {
    "emotion": table(EMOTIONS),
    "brightness": table(LEVELS),
    "colorfulness": table(LEVELS),
    "scene": table(["bakery/shop", "mountain_snowy", "football_field"]),
    "object": table(["Toy", "Kitchen & dining room table"]),
    "facial_expression": table(["angry", "disgust", "fear", "happy", "sad", "surprise"]),
    "human_action": table(["boxing ", "kicking field goal"]),
}


def jpeg():
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(stream, "JPEG")
    return stream.getvalue()


class Folder:
    """Writes a tiny EmoSet: add samples, then read."""

    def __init__(self, root, revision="B"):
        self.root, self.revision = root, revision
        self.lines = {"train": [], "val": [], "test": []}
        self.write("info.json", NESTED if revision == "B" else FLAT)

    def write(self, name, value):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))

    def add(self, emotion="awe", number=1, split="train", image=True, annotation=None):
        stem = f"{emotion}_{number:05d}"
        picture, notes = f"image/{emotion}/{stem}.jpg", f"annotation/{emotion}/{stem}.json"
        if image:
            (self.root / picture).parent.mkdir(parents=True, exist_ok=True)
            (self.root / picture).write_bytes(jpeg())
        if annotation is not False:
            known = {"emotion": emotion, "brightness": 0.4, "colorfulness": 0.5}
            self.write(notes, annotation if isinstance(annotation, str) else {**known, **(annotation or {})})
        self.lines[split].append([emotion, *([stem] if self.revision == "B" else []), picture, notes])

    def reader(self, **keys):
        for split, lines in self.lines.items():
            self.write(f"{split}.json", lines)
        return make_reader(EmoSetConfig(**keys), self.root)

    def read_one(self, **keys):
        reader = self.reader(**keys)
        (row,) = reader.rows()
        return reader.read(row)[0]


@pytest.fixture(params=["A", "B"])
def either(request, tmp_path):
    return Folder(tmp_path, request.param)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_both_revisions_give_the_same_samples(either):
    either.add("amusement", 12865, "train", annotation={"image_id": "amusement_12865", "object": ["Toy"]})
    either.add("fear", 2, "val")
    either.add("sadness", 3, "test")
    reader = either.reader()
    assert reader.revision == either.revision
    rows = list(reader.rows())
    assert [(row.id, row.split) for row in rows] == [
        ("amusement_12865", "train"),
        ("fear_00002", "val"),
        ("sadness_00003", "test"),
    ]
    sample, image = reader.read(rows[0])
    record = sample.to_record()
    assert record.pop("source").pop("sha256")
    assert record == {
        "id": "emoset/amusement_12865",
        "labels": {"mikels8": {"class": "amusement"}},
        "attributes": {"brightness": 0.4, "colorfulness": 0.5, "objects": ["Toy"]},
    }
    assert sample.source.dataset == "emoset-118k"
    assert sample.source.path == "image/amusement/amusement_12865.jpg"
    assert image == jpeg()  # untouched


def test_rows_come_in_the_same_order_each_time(either):
    for number in (5, 3, 4):
        either.add("awe", number)
    reader = either.reader()
    assert [row.id for row in reader.rows()] == ["awe_00005", "awe_00003", "awe_00004"]
    assert list(reader.rows()) == list(reader.rows())


@pytest.mark.parametrize(
    ("given", "key", "kept"),
    [
        ({"brightness": 1}, "brightness", 1.0),  # an integer, which the official lookup cannot find
        ({"brightness": 0}, "brightness", 0.0),
        ({"brightness": 0.30000000000000004}, "brightness", 0.3),
        ({"brightness": "0.7"}, "brightness", 0.7),
        ({"human_action": "boxing "}, "human_action", "boxing"),
        ({"human_action": "boxing"}, "human_action", "boxing"),
        ({"scene": "bakery/shop"}, "scene", "bakery/shop"),
        ({"scene": "mountain_snowy"}, "scene", "mountain_snowy"),
        (
            {"object": ["Toy", "Kitchen & dining room table", "Toy"]},
            "objects",
            ["Toy", "Kitchen & dining room table"],
        ),
        ({"object": "Toy"}, "objects", ["Toy"]),
        ({"facial_expression": "happy"}, "facial_expression", "happy"),
    ],
)
def test_attribute_quirks(folder, given, key, kept):
    folder.add(annotation=given)
    attributes = folder.read_one().attributes
    assert attributes[key] == kept
    assert type(attributes[key]) is type(kept)


@pytest.mark.parametrize("nothing", [{"scene": None}, {"scene": ""}, {"object": []}])
def test_empty_values_are_absent(folder, nothing):
    folder.add(annotation=nothing)
    assert set(folder.read_one().attributes) == {"brightness", "colorfulness"}


def test_an_annotation_with_no_keys_is_a_sample_without_attributes(folder):
    folder.add(annotation="{}")
    record = folder.read_one().to_record()
    assert "attributes" not in record
    assert record["labels"] == {"mikels8": {"class": "awe"}}


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"scene": "moon_base"}, r"awe_00001\.jpg: scene is 'moon_base', not in info\.json"),
        ({"object": ["Toy", "Gizmo"]}, "object is 'Gizmo'"),
        ({"object": [7]}, "object is 7, not a name"),
        ({"facial_expression": "bored"}, "facial_expression is 'bored'"),
        ({"brightness": 0.63}, "brightness is 0.63, not one of"),
        ({"brightness": 1.4}, "brightness is 1.4, not a number from 0 to 1"),
        ({"brightness": True}, "brightness is True"),
        ({"brightness": "dark"}, "brightness is 'dark'"),
        ({"emotion": "fear"}, "split file says awe, the annotation fear"),
        ({"emotion": "glee"}, "no 'glee'"),
        ("[]", "not an object but list"),
        ('{"emotion": "aw', "annotation/awe/awe_00001.json"),
        ('{"brightness": NaN}', "brightness is nan"),
    ],
)
def test_bad_annotations_fail_by_name(folder, annotation, message):
    folder.add(annotation=annotation)
    with pytest.raises(SampleError, match=message) as caught:
        folder.read_one()
    assert caught.value.reason == "bad_annotation"


def test_unknown_values_can_be_kept(folder):
    folder.add(annotation={"scene": "moon_base", "brightness": 0.63})
    attributes = folder.read_one(unknown_value="keep").attributes
    assert (attributes["scene"], attributes["brightness"]) == ("moon_base", 0.63)


def test_revision_a_declares_no_vocabulary_so_every_name_is_kept(tmp_path):
    folder = Folder(tmp_path, "A")
    folder.add(annotation={"scene": "moon_base", "human_action": "boxing "})
    attributes = folder.read_one().attributes
    assert (attributes["scene"], attributes["human_action"]) == ("moon_base", "boxing")


def test_missing_files_have_their_own_reasons(folder):
    folder.add(number=1, image=False)
    folder.add(number=2, annotation=False)
    folder.add(number=3)
    reader = folder.reader()
    outcomes = []
    for row in reader.rows():
        try:
            outcomes.append(reader.read(row)[0].id)
        except SampleError as error:
            outcomes.append(error.reason)
    assert outcomes == ["missing_image", "missing_annotation", "emoset/awe_00003"]


def test_broken_rows_are_listed_not_lost(folder):
    folder.add()
    folder.lines["train"] += [["awe"], "awe", ["awe", 1, "image/a.jpg", "annotation/a.json"]]
    folder.lines["train"].append(["awe", "up", "../../up.jpg", "annotation/awe/awe_00001.json"])
    folder.lines["train"].append(["glee", "g", "image/awe/awe_00001b.jpg", "annotation/awe/awe_00001.json"])
    folder.add()  # the same id again
    reader = folder.reader()
    rows = list(reader.rows())
    reasons = []
    for row in rows[1:]:
        with pytest.raises(SampleError) as caught:
            reader.read(row)
        reasons.append(caught.value.reason)
    assert reasons == ["bad_row"] * 3 + ["path_escapes_root", "bad_annotation", "duplicate_id"]
    assert len({row.id for row in rows}) == len(rows)


def test_persons_come_from_the_side_file(folder):
    folder.add(number=1)
    folder.add(number=2)
    folder.add(number=3)
    box = {"box": [1, 2, 5, 7.5], "score": 0.9, "by": "drawn"}
    folder.write("persons.json", {"image/awe/awe_00001.jpg": [box], "image/awe/awe_00002.jpg": []})
    reader = folder.reader()
    persons = [reader.read(row)[0].to_record().get("persons") for row in reader.rows()]
    assert persons == [[{"box": [1.0, 2.0, 5.0, 7.5], "score": 0.9, "by": "drawn"}], [], None]


def test_a_bad_box_fails_its_sample_only(folder):
    folder.add()
    folder.write("persons.json", {"image/awe/awe_00001.jpg": [{"box": [5, 2, 1, 7]}]})
    with pytest.raises(SampleError, match=r"bad_annotation: .*persons.*x1 < x2"):
        folder.read_one()


def test_a_dataset_in_the_same_layout_is_not_called_emoset(folder):
    folder.write("info.json", {**NESTED, "dataset": "drawn", "licence": "CC0"})
    folder.add()
    sample = folder.read_one()
    assert (sample.id, sample.source.dataset, sample.source.licence) == ("drawn/awe_00001", "drawn", "CC0")
    assert folder.reader().expected == {}
    assert folder.read_one(dataset="mine").id == "mine/awe_00001"


def test_all_of_emoset_has_its_own_name_and_the_same_licence(either):
    either.add("awe")
    reader = either.reader(dataset="emoset-3.3m")
    (row,) = reader.rows()
    sample, _ = reader.read(row)
    assert (sample.id, sample.source.licence) == ("emoset-3.3m/awe_00001", "research-only")
    assert reader.expected == {}


def test_the_whole_folder_can_be_wrong(tmp_path, folder):
    with pytest.raises(UserError, match=r"no train\.json or val.json or test.json"):
        make_reader(EmoSetConfig(), tmp_path)
    inner = tmp_path / "unpacked"
    folder.root = inner / "EmoSet-118K"
    folder.write("info.json", NESTED)
    folder.reader()
    with pytest.raises(UserError, match=r"did you mean root=.*EmoSet-118K"):
        make_reader(EmoSetConfig(), inner)


def test_cut_off_lists_are_one_clear_line(folder):
    folder.add()
    reader = folder.reader()
    folder.write("train.json", '[["awe", "awe_00001", "ima')
    with pytest.raises(UserError, match=r"train\.json: not JSON .* was it cut off") as caught:
        list(reader.rows())
    assert "\n" not in str(caught.value)
    folder.write("train.json", "{}")
    with pytest.raises(UserError, match="expected a list"):
        list(reader.rows())
    folder.write("info.json", table(["joy"]))
    with pytest.raises(UserError, match="emotions joy are not in mikels8"):
        make_reader(EmoSetConfig(), folder.root)
