"""The built-in dataset: same bytes for the same seed, and flaws that are exactly the listed ones."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.datasets.synthetic.contact_sheet import contact_sheet
from vemo.datasets.synthetic.cues import CueStrengths
from vemo.datasets.synthetic.plan import make_plan, shares_to_counts
from vemo.foundation.errors import UserError

SMALL = {"images": 64, "size": 64}


def digest(folder: Path) -> str:
    lines = [
        f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return "\n".join(lines)


def read(path: Path):
    return json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("flawed") / "data"
    synthesize(
        SynthesizeConfig(
            out=out,
            images=240,
            size=64,
            seed=2,
            workers=0,
            label_noise=0.1,
            exact_duplicates=0.05,
            near_duplicates=0.05,
            leaks=0.025,
            broken_files=0.05,
        )
    )
    return out


def test_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    flaws = {"exact_duplicates": 0.1, "near_duplicates": 0.1, "label_noise": 0.1, "broken_files": 0.05}
    for workers in (0, 2):
        synthesize(SynthesizeConfig(out=tmp_path / str(workers), workers=workers, seed=3, **SMALL, **flaws))
    assert digest(tmp_path / "0") == digest(tmp_path / "2")


def test_another_seed_draws_other_pictures(tmp_path: Path) -> None:
    for seed in (0, 1):
        synthesize(SynthesizeConfig(out=tmp_path / str(seed), workers=0, seed=seed, images=16, size=48))
    pictures = [
        {
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (tmp_path / str(seed)).glob("image/*/*.jpg")
        }
        for seed in (0, 1)
    ]
    assert len(pictures[0]) == len(pictures[1]) == 16 and not pictures[0] & pictures[1]


def test_interrupted_run_is_run_again_and_finished_run_is_left(tmp_path: Path) -> None:
    config = SynthesizeConfig(out=tmp_path / "data", workers=0, seed=4, **SMALL)
    assert synthesize(config).drawn == 64
    whole = digest(config.out)
    assert synthesize(config).drawn == 0, "finished: nothing to draw"
    marker = read(config.out / "synthesis.json")
    (config.out / "synthesis.json").write_text(json.dumps({**marker, "finished": False}))
    (config.out / "info.json").unlink()
    next(config.out.glob("image/awe/*.jpg")).write_bytes(b"half a pic")
    assert synthesize(config).drawn == 64
    assert digest(config.out) == whole
    fewer = SynthesizeConfig(out=config.out, workers=0, seed=4, images=32, size=64)
    assert synthesize(fewer).drawn == 32
    assert len(list(config.out.glob("image/*/*.jpg"))) == 32, "nothing of the larger dataset is left"


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    keep = tmp_path / "image" / "mine.jpg"
    keep.parent.mkdir()
    keep.write_bytes(b"precious")
    with pytest.raises(UserError, match="holds something that is not a built-in dataset"):
        synthesize(SynthesizeConfig(out=tmp_path, images=8, size=48, workers=0))
    assert keep.read_bytes() == b"precious"


def test_planted_flaws_come_in_the_numbers_asked_for(flawed: Path) -> None:
    planted = read(flawed / "truth.json")["planted"]
    assert {name: len(entries) for name, entries in planted.items()} == {
        "label_noise": 24, "exact_duplicates": 12, "near_duplicates": 12, "leaks": 6, "broken_files": 12,
    }  # fmt: skip
    touched = [entry["image"] for entries in planted.values() for entry in entries]
    assert len(touched) == len(set(touched)), "no image has two flaws"


def test_equal_files_are_exactly_the_listed_copies(flawed: Path) -> None:
    planted = read(flawed / "truth.json")["planted"]
    listed = {
        frozenset((entry["image"], entry["original"]))
        for kind in ("exact_duplicates", "leaks")
        for entry in planted[kind]
        if entry["copy"] == "exact"
    }
    broken = {entry["image"] for entry in planted["broken_files"]}
    by_hash: dict[str, set[str]] = {}
    for path in flawed.glob("image/*/*.jpg"):
        name = path.relative_to(flawed).as_posix()
        if name not in broken:
            by_hash.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), set()).add(name)
    assert {frozenset(names) for names in by_hash.values() if len(names) > 1} == listed


def test_copies_lie_where_they_should_and_near_ones_look_alike(flawed: Path) -> None:
    truth = read(flawed / "truth.json")
    split = {name: entry["split"] for name, entry in truth["images"].items()}

    def thumbnail(name: str) -> np.ndarray:
        return np.asarray(Image.open(flawed / name).convert("L").resize((12, 12)), np.float64).ravel()

    others = [
        thumbnail(name)
        for name in list(split)[:40]
        if (flawed / name).stat().st_size > 2000 and _opens(flawed / name)
    ]
    for kind in ("exact_duplicates", "near_duplicates", "leaks"):
        for entry in truth["planted"][kind]:
            assert truth["images"][entry["image"]]["emotion"] == truth["images"][entry["original"]]["emotion"]
            if kind == "leaks":
                assert split[entry["original"]] == "train" and split[entry["image"]] in ("val", "test")
            else:
                assert split[entry["original"]] == split[entry["image"]]
            if entry["copy"] == "near":
                first, second = thumbnail(entry["image"]), thumbnail(entry["original"])
                assert np.corrcoef(first, second)[0, 1] > 0.9
                assert (flawed / entry["image"]).read_bytes() != (flawed / entry["original"]).read_bytes()
    strange = [np.corrcoef(a, b)[0, 1] for i, a in enumerate(others) for b in others[:i]]
    assert np.quantile(strange, 0.9) < 0.9, "pictures that are no copies do not look alike"


def _opens(path: Path) -> bool:
    try:
        Image.open(path).load()
    except (UnidentifiedImageError, OSError):
        return False
    return True


def test_wrong_labels_are_exactly_the_listed_ones(flawed: Path) -> None:
    truth = read(flawed / "truth.json")
    wrong = {name for name, entry in truth["images"].items() if entry["label"] != entry["emotion"]}
    assert wrong == {entry["image"] for entry in truth["planted"]["label_noise"]}
    for entry in truth["planted"]["label_noise"]:
        assert entry["image"].startswith(f"image/{entry['label']}/") and entry["true"] != entry["label"]
        annotation = read(flawed / entry["image"].replace("image/", "annotation/").replace(".jpg", ".json"))
        assert annotation["emotion"] == entry["label"]


def test_broken_files_are_exactly_the_listed_ones(flawed: Path) -> None:
    kinds = {
        entry["image"]: entry["kind"] for entry in read(flawed / "truth.json")["planted"]["broken_files"]
    }
    assert set(kinds.values()) == {"truncated", "zero_bytes", "wrong_extension"}
    for path in flawed.glob("image/*/*.jpg"):
        kind = kinds.get(path.relative_to(flawed).as_posix())
        if kind == "wrong_extension":
            assert Image.open(path).format == "PNG"
        else:
            assert _opens(path) == (kind is None)
        assert (path.stat().st_size == 0) == (kind == "zero_bytes")


def test_boxes_of_near_copies_follow_the_picture(flawed: Path) -> None:
    truth, persons = read(flawed / "truth.json"), read(flawed / "persons.json")
    checked = 0
    for entry in truth["planted"]["near_duplicates"]:
        for copy, original in zip(persons.get(entry["image"], []), persons.get(entry["original"], [])):
            copy_size, size = (
                Image.open(flawed / entry["image"]).size,
                Image.open(flawed / entry["original"]).size,
            )
            for axis in range(4):
                share = copy["box"][axis] / copy_size[axis % 2], original["box"][axis] / size[axis % 2]
                assert abs(share[0] - share[1]) < 0.06
            checked += 1
    assert checked > 0


def test_too_many_flaws_are_refused_with_the_numbers(tmp_path: Path) -> None:
    config = SynthesizeConfig(out=tmp_path / "data", images=40, label_noise=0.9, broken_files=0.4)
    with pytest.raises(UserError, match=r"label_noise=0.9 asks for 36 of 40 images, but only 24 are left"):
        make_plan(config)
    with pytest.raises(UserError, match=r"exact_duplicates=0.4 asks for 3 of 8 images, but only 0 are left"):
        make_plan(SynthesizeConfig(out=tmp_path / "data", images=8, exact_duplicates=0.4))
    assert not (tmp_path / "data").exists()


def test_cue_strengths_decide_what_speaks_for_the_emotion(tmp_path: Path) -> None:
    everything = CueStrengths(scene=1, object=1, face=1, pose=1, air=1, palette=1)
    nothing = CueStrengths(scene=0, object=0, face=0, pose=0, air=0, palette=0, contradiction=0)
    kinds = {}
    for name, cues in (("all", everything), ("none", nothing)):
        out = tmp_path / name
        synthesize(SynthesizeConfig(out=out, images=24, size=48, workers=0, cues=cues))
        stories = read(out / "truth.json")["images"].values()
        kinds[name] = {story["scene"]["kind"] for story in stories} | {
            story["air"]["kind"] for story in stories
        }
        assert {story["mood"] for story in stories} == (
            {None} if name == "none" else {s["emotion"] for s in stories}
        )
    assert kinds == {"all": {"agrees"}, "none": {"neutral"}}


def test_counts_add_up() -> None:
    assert shares_to_counts(10, [1, 1, 1]) == [4, 3, 3]
    assert sum(shares_to_counts(2000, [18.8, 15.1, 16.5, 20.0, 11.1, 11.0, 13.3, 12.3])) == 2000


def test_contact_sheet_has_a_picture_in_every_cell() -> None:
    sheet = np.asarray(contact_sheet(seed=1, across=1, size=40).convert("L"))
    height, width = sheet.shape
    cells = sheet[44:, 128:]
    for row in range(8):
        for column in range(5):
            part = cells[row * 38 + 6 : row * 38 + 26, column * 60 + 10 : column * 60 + 30]
            assert part.std() > 1, (row, column)
    assert (width, height) == (128 + 5 * 60, 44 + 8 * 38 + 6)
