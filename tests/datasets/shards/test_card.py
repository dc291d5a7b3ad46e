"""The card says what the set holds, and nothing else: counts, settings, leaks, licences, limits."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from vemo import __version__
from vemo.cli import main
from vemo.datasets.readers import ImageFolder
from vemo.datasets.shards import BuildConfig, build, verify
from vemo.datasets.shards.apply import ApplyConfig, apply
from vemo.datasets.shards.card import CardConfig, write_card
from vemo.datasets.shards.card_page import card_page
from vemo.datasets.shards.config import settings_of
from vemo.datasets.shards.facts import gather
from vemo.datasets.stream import ShardSet
from vemo.evaluation.audit import AuditConfig, audit
from vemo.foundation.errors import UserError
from vemo.foundation.files import sha256_of, write_json

Make = Callable[..., Path]


def page(folder: Path, **stated) -> str:
    return card_page(gather(folder), stated)


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def own_splits(make_folder: Make, make_config: Callable[..., BuildConfig]) -> BuildConfig:
    """Ten images of train and four of test in four classes; one more that is broken, one that leaks."""
    root = make_folder(10, split="train")
    make_folder(4, split="test", first=10)
    (root / "train" / "awe" / "broken.jpg").write_bytes(b"")
    copy = next((root / "train" / "anger").iterdir())
    (root / "test" / "anger" / "copy.jpg").write_bytes(copy.read_bytes())
    config = make_config(root, tolerance=1)
    assert build(config).ok
    return config


def test_splits_classes_coverage_and_leaks(own_splits: BuildConfig) -> None:
    text = page(own_splits.out)
    assert text.startswith("# image-folder\n")
    assert "This shard set holds 15 images (train 10, test 5), labelled in mikels8: Mikels" in text
    splits = section(text, "Splits and classes")
    assert cells(splits, "images") == ["images", "10", "5", "15"]
    assert "The splits are the dataset's own." in splits
    assert "**mikels8**: 15 images have a label, given as class." in splits
    assert cells(splits, "amusement") == ["amusement", "3", "1", "4"]
    assert cells(splits, "anger") == ["anger", "2", "2", "4"]
    assert cells(splits, "disgust") == ["disgust", "0", "0", "0"]
    coverage = section(text, "Coverage and failures")
    assert "15 of 16 images, 1 failed: 1 undecodable_image." in coverage
    assert cells(coverage, "undecodable_image") == ["undecodable_image", "1"]
    leaks = section(text, "Known leaks")
    assert re.search(r"more than one split: 1, such as \S+ \(train\) = \S*copy\S* \(test\)\.", leaks)
    assert "Nobody has looked for near copies" in leaks


def test_splits_that_were_drawn_here_say_so(make_folder: Make, make_config: Callable) -> None:
    config = make_config(make_folder(20), splits={"train": 0.5, "test": 0.5}, split_seed=3)
    text = page(build(config).out)
    assert "The split of all images was drawn here" in text and "(train 0.5, test 0.5; split_seed 3)" in text
    again = make_config(config.out, out=config.out.parent / "again", reader={"kind": "shards"})
    text = page(build(again).out)
    assert "The split of 20 images was drawn for the shard set that this one was built from." in text
    assert "The source was itself a shard set." in text


@pytest.mark.parametrize("settings", [{}, {"short_side": 20, "samples_per_shard": 7, "split_seed": 2}])
def test_the_settings_of_the_card_build_the_same_set(
    make_folder: Make, make_config: Callable, settings: dict, tmp_path: Path
) -> None:
    config = make_config(make_folder(8), **settings)
    built = section(page(build(config).out), "How it was built")
    given = yaml.safe_load(built.split("```yaml\n")[1].split("```")[0])
    assert given["reader"] == {"kind": "image_folder", "space": "mikels8"}
    assert set(given) == {"reader", *settings}
    again = BuildConfig.model_validate({**given, "root": config.root, "out": tmp_path / "again"})
    assert settings_of(again) == settings_of(config)
    assert f"Built by vemo {__version__}, shard format 1." in built
    resized = "re-encoded to 20, as JPEG of quality 90" in built
    assert resized == bool(settings) and ("untouched" in built) == (not settings)
    assert ImageFolder.how_to_get in built


def test_people_attributes_and_what_programs_said(pack_records: Make) -> None:
    person = {
        "box": [0, 0, 4, 5],
        "labels": {"emotic26": {"classes": ["anger", "pain"]}},
        "attributes": {"age": "adult", "gender": "female"},
    }
    known = {
        "persons": [person],
        "vad": {"valence": 0.5},
        "attributes": {"scene": "street"},
        "captions": [{"text": "a person"}],
        "source": {"group": "one", "split": "train"},
    }
    votes = {"labels": {"fer8": {"votes": [0, 2, 2, 0, 0, 0, 0, 0]}}}
    out = pack_records({"train": [known, votes], "test": [{"persons": []}]}, spaces=["emotic26", "vad"])
    write_json(
        out / "sidecars" / "faces" / "sidecar.json",
        {
            "format": 1, "name": "faces", "kind": "records", "columns": ["faces"], "shards": {},
            "command": "vemo shards faces DIR", "made_by": {"name": "yunet", "licence": "MIT"},
        },
    )  # fmt: skip
    (out / "sidecars" / "broken").mkdir()
    text = page(out)
    assert "**emotic26**: 1 people have a label, given as classes." in text
    assert cells(text, "pain") == ["pain", "1", "0", "1"]
    assert "The people with several classes count once for each." in text
    assert "**fer8**: 1 images have a label, given as votes." in text
    assert cells(text, "(no single class)") == ["(no single class)", "1", "0", "1"]
    other = section(text, "What else is known")
    assert cells(other, "attribute scene") == ["attribute scene", "1", "0", "1", "33.3 %"]
    assert cells(other, "persons looked for") == ["persons looked for", "1", "1", "2", "66.7 %"]
    assert cells(other, "valence, arousal, dominance")[1:] == ["1", "0", "1", "33.3 %"]
    assert "demographic attributes (age, gender): for audits only" in other
    assert cells(other, "faces") == ["faces", "faces", "yunet", "MIT"]
    assert "broken" not in other
    assert "The split of 2 images was drawn here" in text


def test_label_maps_count_what_arrives(own_splits: BuildConfig) -> None:
    maps = section(page(own_splits.out), "Label spaces and maps")
    assert (
        "**mikels8** v1, in this order: amusement, awe, contentment, excitement, anger, disgust, fear" in maps
    )
    assert cells(maps, "ekman6") == ["ekman6", "7", "4", "4", "0"]  # anger and sadness, amusement, awe
    assert "vemo datasets map --from mikels8 --to SPACE" in maps


def test_licences_citation_and_ruled_out_uses(pack_records: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"source": {"dataset": "other", "licence": "CC-BY-4.0"}}
    out = pack_records({"train": [{}, {}, other]}, dataset=ImageFolder.dataset)
    licence = section(page(out), "Licence and citation")
    assert cells(licence, "toy") == ["toy", "research-only", "2"]
    assert cells(licence, "other") == ["other", "CC-BY-4.0", "1"]
    assert "How to cite the dataset was not stated" in licence
    monkeypatch.setattr(ImageFolder, "citation", "@misc{folder}")
    write_card(CardConfig(shards=out))
    assert "```\n@misc{folder}\n```" in (out / "README.md").read_text()
    given = {
        "citation": "@misc{mine}",
        "creators": ["Ann", "Bob"],
        "published": "2021-05-06",
        "url": "https://a.org",
    }
    report = write_card(CardConfig.model_validate({"shards": out, **given}))
    text = (out / "README.md").read_text()
    assert "@misc{mine}" in text and "made by Ann, Bob, 2021-05-06, https://a.org." in text
    assert report.missing == ()
    assert "perceptions, not inner states" in text
    assert "Regulation (EU) 2024/1689" in section(text, "Uses that are ruled out")


def test_an_audit_is_told_of(own_splits: BuildConfig) -> None:
    audit(AuditConfig(shards=own_splits.out, pictures=0))
    leaks = section(page(own_splits.out), "Known leaks")
    assert "in more than one split: 1." in leaks
    assert "other shards or edits" not in leaks and "Nobody has looked" not in leaks


def test_what_an_audit_may_hold(own_splits: BuildConfig) -> None:
    found = {
        "fingerprint": ShardSet(own_splits.out).fingerprint,
        "date": "2026-01-02",
        "duplicates": {"identical or near": {"groups": 3, "images": 7, "groups across splits": 2}},
        "between datasets": {"/somewhere/else/fi": {"pairs": 5}},
        "leakage": {"scene": {"held out": 0.5, "prior": 0.2}, "objects": {"held out": 0.21, "prior": 0.2}},
        "placeholders": [{"id": "a"}],
        "doubts": {"contradicted": 4, "accuracy of the probe": 0.6},
    }
    path = own_splits.out / "audit" / "audit.json"
    write_json(path, found)
    leaks = section(page(own_splits.out), "Known leaks")
    assert "The audit of 2026-01-02" in leaks and "audit again" not in leaks
    assert "nearly identical images: 3 (7 images); in more than one split: 2." in leaks
    assert "Images that are also in fi: 5." in leaks and "/somewhere" not in leaks
    assert "Known scene alone predicts the label of 50% of the images that have it" in leaks
    assert "objects" not in leaks
    assert "Images that show nothing: 1." in leaks and "a probe contradicts: 4. It gets 60% right" in leaks
    write_json(path, found | {"fingerprint": "0" * 64})
    assert "**It was made of other shards or edits: audit again.**" in page(own_splits.out)
    write_json(path, found | {"duplicates": []})
    assert "audit.json is not as this version writes it" in page(own_splits.out)
    path.write_text("{")
    assert "Nobody has looked" in page(own_splits.out)


def test_people_s_edits_are_mentioned(own_splits: BuildConfig) -> None:
    assert "overrides.jsonl" not in page(own_splits.out)
    record = ShardSet(own_splits.out).record("train", 0)
    edit = {
        "id": record["id"],
        "set": {"labels.mikels8.class": "awe"},
        "by": "ann",
        "when": "2026-01-02T00:00:00Z",
    }
    (own_splits.out / "overrides.jsonl").write_text(json.dumps(edit) + "\n")
    assert "People's edits (`overrides.jsonl`)" in page(own_splits.out)
    later = own_splits.out.with_name("later")
    apply(ApplyConfig(shards=own_splits.out, out=later, workers=0))
    built = section(page(later), "How it was built")
    assert "`overrides.jsonl` (sha256 " in built and "), edits: 1, images: 1, by ann" in built
    assert "are in its records for good" not in page(own_splits.out)


def test_writing_the_card(own_splits: BuildConfig, capsys: pytest.CaptureFixture[str]) -> None:
    out = own_splits.out
    assert main(["shards", "card", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{out / 'README.md'}\n{out / 'croissant.json'}\n" in said
    assert "only you can say of the dataset: url=… creators=… published=…" in said
    first = [sha256_of(out / name) for name in ("README.md", "croissant.json")]
    assert main(["shards", "card", str(out)]) == 0
    assert first == [sha256_of(out / name) for name in ("README.md", "croissant.json")]
    for name in ("README.md", "croissant.json"):
        assert (
            str(out) not in (out / name).read_text() and str(own_splits.root) not in (out / name).read_text()
        )
    assert verify(out, workers=0).ok
    assert "vemo shards card" in build(own_splits).summary, (
        "a finished set with a card is still a finished set"
    )
    assert main(["shards", "card", str(out), "description=Ten small pictures.", "url=https://a.org/b"]) == 0
    assert "image-folder: Ten small pictures. This shard set holds" in (out / "README.md").read_text()
    assert json.loads((out / "croissant.json").read_text())["url"] == "https://a.org/b"
    capsys.readouterr()
    assert main(["shards", "card", str(out), "url=a.org", "published=soon"]) == 2
    assert "2 problems" in capsys.readouterr().err


def test_no_card_of_an_unfinished_or_damaged_set(own_splits: BuildConfig, tmp_path: Path) -> None:
    (own_splits.out / "train-00000.index.npy").write_bytes(b"")
    with pytest.raises(UserError, match="train-00000"):
        write_card(CardConfig(shards=own_splits.out))
    assert not (own_splits.out / "README.md").exists()
    (own_splits.out / "manifest.json").unlink()
    with pytest.raises(UserError, match="unfinished"):
        write_card(CardConfig(shards=own_splits.out))
    with pytest.raises(UserError, match="no such folder"):
        write_card(CardConfig(shards=tmp_path / "nothing"))
