"""What is shown: samples, edits as they were loaded, when to load again; the audit's files."""

import json
import logging

import pytest
import torch
from vemo.annotation.config import CurateConfig
from vemo.annotation.findings import DUPLICATES, REVIEW, read_findings
from vemo.annotation.subject import open_subject
from vemo.evaluation.audit.audit import DUPLICATES as audit_duplicates
from vemo.evaluation.audit.audit import REVIEW as audit_review
from vemo.evaluation.predictions import Predictions, save_predictions
from vemo.foundation.errors import UserError

AWE = {"labels": {"mikels8": {"class": "awe"}}}


@pytest.fixture
def shards(pack):
    return pack({"train": [AWE] * 5, "test": [AWE] * 2})


def subject(shards, loaded_with=None, **settings):
    return open_subject(CurateConfig(shards=shards, **settings), loaded_with)


def write_edits(path, emotion="fear"):
    path.write_text(json.dumps({"id": "toy/train_0", "set": {"labels.mikels8.class": emotion}}))
    return path


def test_all_samples_or_some(shards) -> None:
    assert subject(shards).places == [*(("train", n) for n in range(5)), ("test", 0), ("test", 1)]
    assert subject(shards, splits=("test",)).places == [("test", 0), ("test", 1)]
    assert subject(shards, limit=3).places == [
        ("train", 0),
        ("train", 2),
        ("train", 4),
        ("test", 0),
        ("test", 1),
    ]
    with pytest.raises(UserError, match="no split 'tset'"):
        subject(shards, splits=("tset",))


def test_the_labels_that_are_shown(shards, pack) -> None:
    found = subject(shards).space
    assert found is not None and found.name == "mikels8"
    assert subject(pack({"train": [{}]}, "bare")).space is None
    with pytest.raises(UserError, match="axes"):
        subject(shards, label_space="vad")


def test_equal_hashes_mean_that_nothing_has_to_be_loaded(shards, tmp_path) -> None:
    first = subject(shards)
    assert (subject(shards).data, subject(shards).fingerprint) == (first.data, first.fingerprint)
    for settings in ({"splits": ("train",)}, {"limit": 2}, {"label_space": "ekman6"}):
        assert subject(shards, **settings).data != first.data
    assert subject(shards, overlays=(write_edits(tmp_path / "mine.jsonl"),)).data != first.data
    (shards / "audit").mkdir()
    (shards / "audit" / REVIEW).write_text("")
    assert subject(shards).data == first.data and subject(shards).fingerprint != first.fingerprint
    with pytest.raises(UserError, match=r"none\.safetensors: cannot be read"):
        subject(shards, predictions=(tmp_path / "none.safetensors",))


def test_edits_of_the_day_of_loading(shards, tmp_path) -> None:
    own, more = write_edits(shards / "overrides.jsonl"), write_edits(tmp_path / "more.jsonl", "anger")
    loaded = subject(shards, overlays=(more,))
    assert loaded.edits == own.read_bytes() + b"\n" + more.read_bytes() + b"\n"
    assert loaded.edits[: loaded.own_edits].strip() == own.read_bytes()
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(loaded.edits)
    write_edits(own, "sadness")
    more.unlink()
    again = subject(shards, kept, overlays=(more,))
    assert again.data == loaded.data
    assert again.shards.record("train", 0)["labels"]["mikels8"]["class"] == "anger"
    assert subject(shards).data != loaded.data


def test_names_and_folders(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = CurateConfig(shards=tmp_path / "my shards (1)")
    assert config.dataset == "my-shards-1" and config.cache == tmp_path / "cache/vemo/media"
    assert config.home.parent == tmp_path / "share/vemo/curate" and config.home.name.startswith(
        "my-shards-1-"
    )
    assert CurateConfig(shards=tmp_path / "other").home != CurateConfig(shards=tmp_path / "x/other").home
    assert CurateConfig(shards=tmp_path, folder=tmp_path / "f").home == tmp_path / "f"
    with pytest.raises(ValueError, match="letters, digits"):
        CurateConfig(shards=tmp_path, name="a/b")


def test_gold_is_shown_whatever_the_limit(shards, tmp_path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"id": "toy/train_3", "set": {"labels.mikels8.class": "fear"}}) + "\n")
    found = subject(shards, limit=2, gold=gold)
    assert found.places == [("train", 0), ("train", 3), ("train", 4), ("test", 0), ("test", 1)]
    assert found.gold == {"toy/train_3"} and found.data != subject(shards, limit=2).data


def test_blind_is_another_dataset_that_tells_nothing(shards) -> None:
    blind = CurateConfig(shards=shards, blind=True)
    assert blind.dataset == "toy-blind"
    found = open_subject(blind)
    assert found.data != subject(shards).data
    record = found.shards.record("test", 1)
    assert (
        found.shown(record, "test", 1)["labels"] == {} and subject(shards).shown(record, "test", 1) is record
    )


def test_the_audits_files_are_called_what_the_audit_calls_them() -> None:
    assert (audit_review, audit_duplicates) == (REVIEW, DUPLICATES)


def write_audit(folder, fingerprint="f", space="mikels8"):
    folder.mkdir()
    (folder / "audit.json").write_text(json.dumps({"fingerprint": fingerprint, "label_space": space}))
    first = {"id": "a", "priority": 0.75, "why": "probe says fear 0.60, label says awe", "looks like": "fear"}
    (folder / REVIEW).write_text(json.dumps(first) + "\n")
    a, b, c = (
        {"id": name, "split": split} for name, split in (("a", "train"), ("b", "train"), ("c", "test"))
    )
    clusters = [{"kind": "identical", "samples": [a, b]}, {"kind": "near", "samples": [a, b, c]}]
    (folder / DUPLICATES).write_text("".join(json.dumps(each) + "\n" for each in clusters))
    return folder


def test_queue_and_copies(tmp_path, caplog) -> None:
    found = read_findings(write_audit(tmp_path / "audit"), (), "mikels8", "f")
    assert found.known["a"] == {
        "review_priority": 0.75, "review_why": "probe says fear 0.60, label says awe", "looks_like": "fear",
        "batch": None, "copies": "near 00001", "leak": True,
    }  # fmt: skip
    assert found.known["c"] == {"copies": "near 00001", "leak": True}
    assert found.fields == {
        "review_priority": "float", "review_why": "str", "looks_like": "str", "batch": "int", "copies": "str",
        "leak": "bool",
    }  # fmt: skip
    assert not caplog.records


def test_an_audit_of_something_else_is_said(tmp_path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        read_findings(write_audit(tmp_path / "audit", "other", "ekman6"), (), "mikels8", "f")
    assert "made of other shards or edits" in caplog.text and "queue is of ekman6" in caplog.text
    assert read_findings(tmp_path / "none", (), None, "f").known == {}


def test_files_of_predictions(tmp_path) -> None:
    def save(name, space="mikels8", kind="single", classes=("awe", "fear")):
        outputs = torch.tensor([[0.0, 1.0]])
        saved = Predictions(kind, space, classes, ("a",), ("a",), outputs, torch.tensor([[1.0, 0.0]]))
        save_predictions(tmp_path / name, saved)
        return tmp_path / name

    one = save("one.safetensors")
    axes = save("axes.safetensors", None, "vad", ("valence", "arousal"))
    found = read_findings(tmp_path, (one, axes), "mikels8", "f")
    assert set(found.predicted["a"]) == {"single", "vad"}
    assert found.predicted["a"]["single"].said.argmax() == 1
    assert found.fields == {
        "prediction": "classification", "predicted_valence": "float", "predicted_arousal": "float",
    }  # fmt: skip
    with pytest.raises(UserError, match="and so does another"):
        read_findings(tmp_path, (one, save("two.safetensors")), "mikels8", "f")
    with pytest.raises(UserError, match="predicts ekman6, shown is mikels8"):
        read_findings(tmp_path, (save("three.safetensors", "ekman6"),), "mikels8", "f")
