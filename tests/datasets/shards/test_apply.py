"""Edits become part of a new shard set, which says where it comes from."""

import json

import pytest
from vemo.cli import main
from vemo.datasets.shards import verify
from vemo.datasets.shards.apply import ApplyConfig, apply
from vemo.datasets.stream import ShardSet
from vemo.foundation.errors import UserError
from vemo.foundation.files import sha256_of


def labelled(*names):
    """What is known of as many samples, every one with a picture of its own."""
    known = enumerate(names)
    return [
        {"labels": {"mikels8": {"class": name}}, "source": {"split": "train", "sha256": f"{n:064x}"}}
        for n, name in known
    ]


@pytest.fixture
def source(pack_records):
    return pack_records({"train": labelled("awe", "fear", "anger", "awe"), "test": labelled("awe")[:0]})


def edit(number, values, **said):
    return {"id": f"toy/train_{number}", "set": values, "by": "ann", **said}


@pytest.fixture
def overlay(tmp_path):
    def write(*edits, name="ann.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in edits))
        return path

    return write


def records(folder):
    shards = ShardSet(folder)
    return {record["id"]: record for split in shards.splits for record in shards.records(split)}


def test_the_new_set_reads_as_the_old_one_with_its_edits(source, overlay, tmp_path):
    own = source / "overrides.jsonl"
    own.write_text(json.dumps(edit(0, {"labels.mikels8.class": "fear"}, why="dark")) + "\n")
    more = overlay(
        edit(0, {"labels.mikels8.class": "anger", "labels.polarity2": {"class": "negative"}}, by="ben"),
        edit(2, {"vad.valence": -0.5}, by="ben"),
        {"id": "toy/train_3", "set": {"labels.mikels8": None}},
    )
    report = apply(ApplyConfig(shards=source, out=tmp_path / "new", overlays=[more], workers=0))
    assert report.ok and report.packed == 4 and report.warnings == ()
    wanted = ShardSet(source, [more])
    expected = {record["id"]: record for record in wanted.records("train")}
    expected["toy/train_3"].pop("labels")  # an empty section is an absent key
    new = ShardSet(tmp_path / "new")
    assert records(tmp_path / "new") == expected
    assert expected["toy/train_0"]["labels"]["mikels8"] == {"class": "anger"}
    assert new.overlays == () and new.edits == "" and not (tmp_path / "new" / "overrides.jsonl").exists()
    images = {name: dict(read(shards)) for name, shards in (("old", wanted), ("new", new))}
    assert images["old"] == images["new"]
    assert verify(tmp_path / "new", workers=0).ok
    assert new.manifest["spaces"] == ["mikels8", "polarity2"]


def read(shards):
    for number in range(shards.count("train")):
        record, image = shards.read("train", number)
        yield record["id"], image


def test_the_manifest_says_from_what(source, overlay, tmp_path):
    one = overlay(edit(0, {"vad.valence": 0.5}), edit(0, {"vad.valence": 0.6}), edit(1, {"vad.arousal": 0}))
    apply(ApplyConfig(shards=source, out=tmp_path / "one", overlays=[one], workers=0))
    first = {"fingerprint": ShardSet(source).fingerprint}
    said = {"file": "ann.jsonl", "sha256": sha256_of(one), "samples": 2, "edits": 3, "raters": {"ann": 3}}
    assert ShardSet(tmp_path / "one").manifest["origin"] == first | {"overlays": [said]}
    assert (
        "overlays" not in ShardSet(tmp_path / "one").manifest["build"]["reader"]
    )  # where they lay is no fact

    two = overlay(edit(0, {"vad.valence": 0.7}, by="ben"), name="ben.jsonl")
    apply(ApplyConfig(shards=tmp_path / "one", out=tmp_path / "two", overlays=[two], workers=0))
    origin = ShardSet(tmp_path / "two").manifest["origin"]
    assert origin["fingerprint"] == ShardSet(tmp_path / "one").fingerprint
    assert origin["origin"] == first | {"overlays": [said]}
    history = records(tmp_path / "two")["toy/train_0"]["overrides"]
    assert [each["set"]["vad.valence"] for each in history] == [0.5, 0.6, 0.7]


def test_the_same_edits_give_the_same_bytes_wherever_they_lie(source, overlay, tmp_path):
    content = edit(0, {"vad.valence": 0.5})
    here, there = overlay(content), overlay(content, name="copy.jsonl")
    for name, path in (("one", here), ("two", there)):
        apply(ApplyConfig(shards=source, out=tmp_path / name, overlays=[path], workers=0))
    assert ShardSet(tmp_path / "one").fingerprint == ShardSet(tmp_path / "two").fingerprint
    assert ShardSet(tmp_path / "one").fingerprint != ShardSet(source).fingerprint
    again = apply(ApplyConfig(shards=source, out=tmp_path / "one", overlays=[there], workers=0))
    assert again.ok  # finished, and found so
    overlay(edit(0, {"vad.valence": 0.6}))
    with pytest.raises(UserError, match="says other things of them"):
        apply(ApplyConfig(shards=source, out=tmp_path / "one", overlays=[here], workers=0))


def test_shards_keep_their_size(pack_records, overlay, tmp_path):
    settings = {"reader": {"kind": "table"}, "samples_per_shard": 2}
    source = pack_records({"train": labelled(*["awe"] * 5)}, build=settings)
    apply(
        ApplyConfig(
            shards=source, out=tmp_path / "new", overlays=[overlay(edit(0, {"vad.valence": 0}))], workers=0
        )
    )
    assert ShardSet(tmp_path / "new").manifest["splits"] == {"train": {"samples": 5, "shards": 3}}


def test_edits_that_leave_no_record_are_all_named_and_nothing_is_written(source, overlay, tmp_path):
    bad = overlay(
        edit(0, {"labels.mikels8.class": "bliss"}),
        edit(1, {"vad.valence": 3}),
        edit(9, {"vad.valence": 0}),
    )
    with pytest.raises(UserError) as refused:
        apply(ApplyConfig(shards=source, out=tmp_path / "new", overlays=[bad], workers=0))
    for text in (
        "3 faults",
        "no class 'bliss'",
        "toy/train_1: vad.valence",
        "toy/train_9",
    ):
        assert text in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_nothing_to_apply(source, tmp_path, capsys):
    assert main(["shards", "apply", str(source), f"out={tmp_path / 'new'}"]) == 2
    assert "nothing to apply" in capsys.readouterr().err


def test_the_command(source, overlay, tmp_path, capsys):
    given = [f"out={tmp_path / 'new'}", f"overlays=[{overlay(edit(0, {'vad.valence': 0}))}]", "workers=0"]
    assert main(["shards", "apply", str(source), *given]) == 0
    assert "4 of 4 images" in capsys.readouterr().out
    assert main(["shards", "verify", str(tmp_path / "new")]) == 0
