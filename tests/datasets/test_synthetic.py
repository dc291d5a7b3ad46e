"""The built-in dataset: its layout, its labels, and that the emotion is not to be had for nothing."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.datasets.synthetic.attributes import SCENE_SHARES
from vemo.datasets.synthetic.cues import EMOTIONS
from vemo.datasets.synthetic.difficulty import difficulty
from vemo.datasets.synthetic.styles import STYLES

IMAGES = 400


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain dataset without flaws, smaller pictures than usual."""
    out = tmp_path_factory.mktemp("built-in") / "data"
    synthesize(SynthesizeConfig(out=out, images=IMAGES, seed=5, size=96, workers=2))
    return out


def read(path: Path):
    return json.loads(path.read_bytes())


def rows(dataset: Path) -> dict[str, list[list[str]]]:
    return {split: read(dataset / f"{split}.json") for split in ("train", "val", "test")}


def annotations(dataset: Path) -> list[tuple[Path, dict]]:
    return [(dataset / row[2], read(dataset / row[3])) for split in rows(dataset).values() for row in split]


def test_layout_is_emoset_revision_b(dataset: Path) -> None:
    info = read(dataset / "info.json")
    assert list(info) == [
        "emotion", "brightness", "colorfulness", "scene", "object", "facial_expression", "human_action",
        "dataset", "licence",
    ]  # fmt: skip
    assert info["emotion"]["label2idx"] == {name: index for index, name in enumerate(EMOTIONS)}
    assert EMOTIONS[0] == "amusement" and EMOTIONS[4] == "anger", "EmoSet's own order: positive ones first"
    assert info["brightness"]["label2idx"]["1.0"] == 10 and info["brightness"]["idx2label"]["10"] == 1.0
    assert list(info["facial_expression"]["label2idx"]) == [
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
    ]
    assert "boxing " in info["human_action"]["label2idx"]
    seen = Counter()
    for split in rows(dataset).values():
        for label, identifier, image, annotation in split:
            assert image == f"image/{label}/{identifier}.jpg"
            assert annotation == f"annotation/{label}/{identifier}.json"
            assert Image.open(dataset / image).format == "JPEG"
            seen[identifier] += 1
    assert len(seen) == IMAGES and set(seen.values()) == {1}


def test_splits_and_classes_have_emosets_proportions(dataset: Path) -> None:
    splits = rows(dataset)
    assert [round(len(splits[name]) / IMAGES, 2) for name in splits] == pytest.approx(
        [0.8, 0.05, 0.15], abs=0.015
    )
    counts = Counter(row[0] for split in splits.values() for row in split)
    assert set(counts) == set(EMOTIONS)
    assert counts["excitement"] == max(counts.values()) and counts["excitement"] / IMAGES == pytest.approx(
        0.169, abs=0.01
    )
    for emotion in EMOTIONS:
        assert sum(row[0] == emotion for row in splits["train"]) / counts[emotion] == pytest.approx(
            0.8, abs=0.03
        )


def test_every_style_with_every_emotion(dataset: Path) -> None:
    images = read(dataset / "truth.json")["images"].values()
    assert {(entry["emotion"], entry["style"]) for entry in images} == {
        (e, s) for e in EMOTIONS for s in STYLES
    }


def test_brightness_and_colorfulness_are_those_of_the_file(dataset: Path) -> None:
    """Recomputed here by the textbook formulas, in floating point."""
    seen = set()
    for path, annotation in annotations(dataset):
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float64)
        red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        luma = (0.299 * red + 0.587 * green + 0.114 * blue).mean() / 255
        rg, yb = red - green, (red + green) / 2 - blue
        colour = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
        # 0.05 is half a bin; the rest is rounding of intermediate bytes.
        assert abs(annotation["brightness"] - luma) < 0.0535
        assert abs(annotation["colorfulness"] - min(colour / 109, 1)) < 0.066
        seen.add(annotation["brightness"])
    assert len(seen) >= 4, "brightness varies"


def test_attributes_are_true_and_in_the_vocabulary(dataset: Path) -> None:
    info, truth = read(dataset / "info.json"), read(dataset / "truth.json")["images"]
    for path, annotation in annotations(dataset):
        story = truth[path.relative_to(dataset).as_posix()]
        assert annotation["emotion"] == story["label"] == path.parent.name
        for key in ("scene", "facial_expression", "human_action"):
            assert annotation.get(key, None) in [None, *info[key]["label2idx"]]
        assert set(annotation.get("object", [])) <= set(info["object"]["label2idx"])
        if not story["people"]:
            assert "facial_expression" not in annotation and "human_action" not in annotation
        if "scene" in annotation and "_" in annotation["scene"]:
            assert story["scene"]["value"] in (annotation["scene"], "dark_forest")


def test_attributes_are_sparse(dataset: Path) -> None:
    found = [annotation for _, annotation in annotations(dataset)]
    share = {
        key: sum(key in a for a in found) / IMAGES
        for key in ("scene", "object", "facial_expression", "human_action")
    }
    assert 0.17 < share["scene"] < 0.32  # EmoSet: 0.24
    assert (
        0.3 < share["object"] < 0.55
        and 0.15 < share["facial_expression"] < 0.4
        and 0.1 < share["human_action"] < 0.3
    )
    assert all("brightness" in a and "colorfulness" in a for a in found)
    by_emotion = {e: np.mean(["scene" in a for a in found if a["emotion"] == e]) for e in EMOTIONS}
    assert by_emotion["awe"] > by_emotion["fear"] and SCENE_SHARES["awe"] > SCENE_SHARES["fear"]


def test_person_boxes_lie_in_the_picture_and_belong_to_people(dataset: Path) -> None:
    persons, truth = read(dataset / "persons.json"), read(dataset / "truth.json")["images"]
    for name, story in truth.items():
        width, height = Image.open(dataset / name).size
        boxes = persons.get(name, [])
        assert len(boxes) == len(story["people"])
        for entry in boxes:
            x1, y1, x2, y2 = entry["box"]
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            assert entry["by"] == "drawn" and entry["score"] == 1.0
    large = np.mean([story["large_face"] for story in truth.values()])
    assert large > 0.5, "in most pictures a face is at least a quarter of the height"


def test_emotion_is_in_the_cues_but_not_in_the_colours(dataset: Path) -> None:
    accuracy = difficulty(dataset)
    assert accuracy["majority"] < 0.2
    assert accuracy["mean colour"] < 0.28
    assert accuracy["colour histogram"] < 0.28
    assert 0.8 < accuracy["all true cues"] < 0.99
    for cue in ("scene", "air", "object", "face", "pose"):
        assert accuracy[f"true {cue}"] < accuracy["all true cues"] - 0.1, f"{cue} must not tell all"
