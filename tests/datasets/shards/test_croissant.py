"""The Croissant file holds together, agrees with what it describes, and mlcroissant takes it."""

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from vemo.datasets.shards import build
from vemo.datasets.shards.card import CardConfig, write_card
from vemo.datasets.shards.croissant import IMAGES, croissant, licence_url
from vemo.datasets.shards.facts import gather
from vemo.datasets.shards.images import _OPENERS
from vemo.datasets.stream import ShardSet
from vemo.datasets.taxonomy import label_space
from vemo.foundation.files import sha256_of

LANDMARKS = [[1, 1], [2, 1], [1.5, 2], [1, 3], [2, 3]]
FULL: dict[str, Any] = {
    "labels": {
        "mikels8": {"distribution": [0.5, 0.5, 0, 0, 0, 0, 0, 0]},
        "fer8": {"votes": [1, 2, 0, 0, 0, 0, 0, 0]},
        "ekman6": {"class": "joy"},
        "emotic26": {"classes": ["anger", "pain"]},
    },
    "vad": {"valence": 0.5, "arousal": -1},
    "attributes": {
        "brightness": 1, "posed": True, "year": 1999, "objects": ["cat", "dog"], "it's a": "b", "it_s a": "c",
    },
    "annotations": [{"annotator": "r1", "labels": {"mikels8": {"class": "awe"}}}],
    "persons": [
        {"box": [0, 0, 4, 5], "score": 0.5, "by": "x", "labels": {"emotic26": {"classes": ["pain"]}},
         "annotations": [{"annotator": "r1", "vad": {"valence": 0}}, {"vad": {"valence": 1}}]},
        {"box": [1, 1, 4, 5]},
    ],
    "faces": [{"box": [0, 0, 4, 5], "landmarks": LANDMARKS}],
    "captions": [{"text": "a cat", "emotion": "joy"}],
}  # fmt: skip
MORE: dict[str, Any] = {"attributes": {"brightness": 0.25, "objects": ["cat"]}, "persons": [], "faces": []}


@pytest.fixture
def full(pack_records: Callable[..., Path]) -> Path:
    """Records that know everything a record can know."""
    return pack_records({"train": [FULL, MORE, {}], "test": [MORE], "extra": [{}]})


@pytest.fixture
def plain(make_folder: Callable[..., Path], make_config: Callable) -> Path:
    """Twelve images in three shards, train and test, as the builder writes them."""
    make_folder(8, split="train")
    root = make_folder(4, split="test", first=8)
    return build(make_config(root, samples_per_shard=4)).out


def described(folder: Path) -> dict[str, Any]:
    """croissant.json as it is written."""
    write_card(CardConfig(shards=folder))
    return json.loads((folder / "croissant.json").read_text())


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in it but the context and embedded data."""
    if isinstance(tree, dict):
        yield tree
        for key, value in tree.items():
            if key not in ("@context", "data"):
                yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def by_id(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["@id"]: node for node in nodes(tree) if "@id" in node and len(node) > 1}


def follow(path: str, value: Any) -> list[Any]:
    """What a path such as $['persons'][*]['box'] finds in a record."""
    found = [value]
    for name, each in re.findall(r"\['((?:[^'\\]|\\.)+)'\]|\[(\*)\]", path):
        key = re.sub(r"\\(.)", r"\1", name)
        found = [v for f in found for v in (f if each else [f[key]] if key in f else [])]
    return found


@pytest.mark.parametrize("kind", ["full", "plain"])
def test_it_holds_together(kind: str, request: pytest.FixtureRequest) -> None:
    tree = described(request.getfixturevalue(kind))
    identifiers = [node["@id"] for node in nodes(tree) if "@id" in node and len(node) > 1]
    assert len(identifiers) == len(set(identifiers))
    assert not [name for name in identifiers if re.search(r"[^A-Za-z0-9_./-]", name)]
    references = [node["@id"] for node in nodes(tree) if list(node) == ["@id"]]
    assert references and set(references) <= set(identifiers)
    for node in nodes(tree):
        if node.get("@type") == "cr:Field":
            assert ("subField" in node) != ("dataType" in node)
        if "data" in node:
            fields = {field["@id"] for field in node["field"]}
            assert all(set(row) == fields for row in node["data"])
    used = {key for node in nodes(tree) for key in node if not key.startswith("@") and ":" not in key}
    schema_org = {
        "name", "description", "identifier", "license", "distribution", "contentUrl", "contentSize",
        "encodingFormat", "sha256", "value",
    }  # fmt: skip
    assert used - schema_org <= set(tree["@context"])


def test_the_dataset_says_what_it_is(full: Path) -> None:
    tree = described(full)
    assert tree["@type"] == "sc:Dataset" and tree["name"] == "toy"
    assert tree["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert tree["identifier"] == f"sha256:{ShardSet(full).fingerprint}"
    assert tree["license"] == ["research-only"]
    assert "perceptions, not inner states" in tree["rai:dataLimitations"]
    assert not {"url", "creator", "datePublished", "citeAs", "version"} & set(tree), "what nobody stated"
    stated = croissant(gather(full), {"url": "https://a.org", "citeAs": "@misc{a}"})
    assert (stated["url"], stated["citeAs"]) == ("https://a.org", "@misc{a}")


def test_licences_that_spdx_lists() -> None:
    assert licence_url("CC-BY-NC-SA-4.0") == "https://spdx.org/licenses/CC-BY-NC-SA-4.0.html"
    assert licence_url("Apache-2.0") == "https://spdx.org/licenses/Apache-2.0.html"
    assert licence_url("CC-BY-4.0 (annotations)") == "CC-BY-4.0 (annotations)"
    assert licence_url("research-only") == "research-only"


def test_files_are_those_in_the_folder(plain: Path) -> None:
    tree = described(plain)
    files = {node["@id"]: node for node in nodes(tree) if node.get("@type") == "cr:FileObject"}
    assert set(files) == {path.name for path in plain.glob("*.tar")} | {"shards.jsonl"}
    for name, node in files.items():
        assert node["contentUrl"] == name
        assert node["sha256"] == sha256_of(plain / name)
        assert node["contentSize"] == f"{(plain / name).stat().st_size} B"
    sets = {node["@id"]: node for node in nodes(tree) if node.get("@type") == "cr:FileSet"}
    train = ["train-00000.tar", "train-00001.tar"]
    assert [node["@id"] for node in sets["image-files-train"]["containedIn"]] == train
    assert [node["@id"] for node in sets["record-files"]["containedIn"]] == [*train, "test-00000.tar"]
    assert set(IMAGES) == set(_OPENERS), "every format that a shard may hold"


def test_keys_join_images_and_records(plain: Path) -> None:
    found = by_id(described(plain))
    with tarfile.open(plain / "train-00000.tar") as tar:
        names = tar.getnames()
    image = re.compile(found["images-train/key"]["source"]["transform"]["regex"])
    record = re.compile(found["records/key"]["source"]["transform"]["regex"])
    keys = [re.match(image, name)[1] for name in names if not name.endswith(".json")]
    assert keys == [re.match(record, name)[1] for name in names if name.endswith(".json")]
    assert len(keys) == 4


def test_splits_and_label_spaces_are_enumerations(full: Path, plain: Path) -> None:
    found = by_id(described(plain))
    assert found["splits"]["dataType"] == "cr:Split"
    assert found["splits"]["data"] == [
        {"splits/name": "train", "splits/samples": 8, "splits/url": "cr:TrainingSplit"},
        {"splits/name": "test", "splits/samples": 4, "splits/url": "cr:TestSplit"},
    ]
    found = by_id(described(full))
    assert "splits/url" not in found, "nobody knows what the split `extra` is for"
    assert [row["splits/name"] for row in found["splits"]["data"]] == ["train", "test", "extra"]
    for space in ("mikels8", "fer8", "ekman6", "emotic26"):
        rows = found[f"labels-{space}"]["data"]
        assert [row[f"labels-{space}/name"] for row in rows] == list(label_space(space).names)
        assert [row[f"labels-{space}/index"] for row in rows] == list(range(len(label_space(space))))
    assert found["images-extra/split"]["value"] == "extra"


def test_every_field_finds_in_the_records_what_it_says(full: Path) -> None:
    shards = ShardSet(full)
    records = [record for split in shards.splits for record in shards.records(split)]
    fields = [
        node for node in nodes(described(full)) if "jsonPath" in node.get("source", {}).get("extract", {})
    ]
    assert len(fields) > 30
    types = {"sc:Text": str, "sc:Integer": int, "sc:Float": (int, float), "sc:Boolean": bool}
    for node in fields:
        found = [
            value for record in records for value in follow(node["source"]["extract"]["jsonPath"], record)
        ]
        assert f"Given {len(found)} times." in node["description"] and found, node["@id"]
        if node["dataType"] == "cr:BoundingBox":
            assert all(len(value) == 4 for value in found) and node["source"]["format"] == "XYXY"
            continue
        sizes = node.get("arrayShape", "").split(",") if node.get("isArray") else []
        kind = node["dataType"] if isinstance(node["dataType"], str) else node["dataType"][0]
        for value in found:
            inner = [value]
            for size in sizes:
                assert size == "-1" or all(len(each) == int(size) for each in inner), node["@id"]
                inner = [each for values in inner for each in values]
            assert all(isinstance(each, types[kind]) for each in inner), node["@id"]


def test_what_fields_mean(full: Path) -> None:
    found = by_id(described(full))
    expected = {
        "records/labels/ekman6/class": (["sc:Text", "cr:Label"], None),
        "records/labels/mikels8/distribution": (["sc:Float", "cr:Label"], "8"),
        "records/labels/fer8/votes": (["sc:Integer", "cr:Label"], "8"),
        "records/labels/emotic26/classes": (["sc:Text", "cr:Label"], "2"),
        "records/persons/labels/emotic26/classes": (["sc:Text", "cr:Label"], "1"),
        "records/vad/arousal": ("sc:Float", None),
        "records/attributes/brightness": ("sc:Float", None),
        "records/attributes/posed": ("sc:Boolean", None),
        "records/attributes/year": ("sc:Integer", None),
        "records/attributes/objects": ("sc:Text", "-1"),
        "records/faces/landmarks": ("sc:Float", "5,2"),
        "records/persons/box": ("cr:BoundingBox", None),
        "records/persons/annotations/vad/valence": ("sc:Float", None),
    }
    for name, (kind, shape) in expected.items():
        assert (found[name]["dataType"], found[name].get("arrayShape")) == (kind, shape), name
    assert found["records/labels/ekman6/class"]["references"] == {"field": {"@id": "labels-ekman6/name"}}
    assert "in the order of labels-mikels8" in found["records/labels/mikels8/distribution"]["description"]
    assert "From -1 to 1" in found["records/vad/arousal"]["description"]
    inner = [node["@id"] for node in found["records/persons"]["subField"]]
    assert "records/persons/annotations" in inner and "records/persons/box" in inner
    assert {"records/attributes/it_s_a", "records/attributes/it_s_a-2"} <= set(found)


@pytest.fixture
def mlcroissant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reference implementation, which keeps what it unpacks by file name: a folder for each test."""
    reason = "mlcroissant checks croissant.json: pip install 'vemo[dev]'"
    package = pytest.importorskip("mlcroissant", reason=reason)
    extract = pytest.importorskip("mlcroissant._src.operation_graph.operations.extract", reason=reason)
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path / "unpacked"))
    return package


@pytest.mark.parametrize("kind", ["full", "plain"])
def test_mlcroissant_finds_no_fault(kind: str, mlcroissant: Any, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    write_card(CardConfig(shards=folder))
    issues = mlcroissant.Dataset(folder / "croissant.json").metadata.ctx.issues
    assert not issues.errors
    recommended = {"citeAs", "datePublished", "version"}
    assert all(any(name in warning for name in recommended) for warning in issues.warnings), issues.warnings
    given = {"url": "https://a.org", "creators": ["Ann"], "published": "2021-05-06", "version": "1.0.0"}
    write_card(CardConfig.model_validate({"shards": folder, "citation": "@misc{a}", **given}))
    issues = mlcroissant.Dataset(folder / "croissant.json").metadata.ctx.issues
    assert not issues.errors and not issues.warnings


def test_mlcroissant_reads_images_and_lists(plain: Path, mlcroissant: Any) -> None:
    write_card(CardConfig(shards=plain))
    dataset = mlcroissant.Dataset(plain / "croissant.json")
    shards = ShardSet(plain)
    for split in shards.splits:
        images = list(dataset.records(f"images-{split}"))
        assert len(images) == shards.count(split)
        assert {image[f"images-{split}/split"] for image in images} == {split.encode()}
        assert all(image[f"images-{split}/image"].size == (40, 30) for image in images)
    listed = {row["shards/name"].decode(): row["shards/samples"] for row in dataset.records("shards")}
    assert listed == {"train-00000": 4, "train-00001": 4, "test-00000": 4}
    assert [row["labels-mikels8/name"] for row in dataset.records("labels-mikels8")][:2] == [
        "amusement",
        "awe",
    ]
