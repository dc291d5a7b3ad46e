"""Sidecars joined to records: what arrives, in which order, and every misfit refused with what mends it."""

import functools
import json
import multiprocessing
import pickle
import shlex
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from vemo.cli import main
from vemo.datasets.stream import EvaluationView, ShardSet, StreamConfig, evaluation_batches, open_batches
from vemo.foundation import UserError


def numbers(shards: ShardSet, split: str, number_of) -> dict[int, object]:
    return {number_of(record): record.get("said") for record in shards.records(split)}


def test_record_columns_join_their_samples(pictures, write_said, number_of):
    write_said(pictures)
    shards, plain = ShardSet(pictures, sidecars=["said"]), ShardSet(pictures)
    for split in shards.splits:
        for place in range(shards.count(split)):
            record, image = shards.read(split, place)
            known = {"said": number} if (number := number_of(record)) % 5 else {}
            assert record == plain.record(split, place) | known
            assert image == plain.read(split, place)[1] and shards.record(split, place) == record
    assert "said" not in plain.record("train", 1)


def test_a_row_of_an_array_joins_under_its_name(pictures, write_vectors, number_of):
    write_vectors(pictures)
    for record in ShardSet(pictures, sidecars=["vectors"]).records("test"):
        row = record["vectors"]
        assert row.dtype == np.float16 and row.flags.writeable
        np.testing.assert_array_equal(row, np.arange(6).reshape(2, 3) + number_of(record))
        assert torch.from_numpy(row).shape == (2, 3)


def test_edits_come_after_sidecars(pictures, write_said):
    write_said(pictures)
    identifier = ShardSet(pictures).record("train", 0)["id"]
    line = {"id": identifier, "set": {"said": "by ann"}, "by": "ann"}
    (pictures / "overrides.jsonl").write_text(json.dumps(line))
    assert ShardSet(pictures, sidecars=["said"]).record("train", 0)["said"] == "by ann"
    (pictures / "overrides.jsonl").write_text(json.dumps({**line, "set": {"said": None}}))
    assert "said" not in ShardSet(pictures, sidecars=["said"]).record("train", 0)


def test_of_two_sidecars_the_later_wins_if_it_was_made_to(pictures, write_said):
    write_said(pictures)
    write_said(pictures, name="again", rows=lambda part: ({"said": "again"} for _ in part.places))
    with pytest.raises(
        UserError, match=r"sidecars/again: gives said, and so does said; leave it out, or let it"
    ):
        ShardSet(pictures, sidecars=["said", "again"])
    write_said(pictures, name="over", replace=True, rows=lambda part: ({"said": "over"} for _ in part.places))
    assert {r["said"] for r in ShardSet(pictures, sidecars=["said", "over"]).records("test")} == {"over"}
    with pytest.raises(UserError, match="gives said, and so does over"):
        ShardSet(pictures, sidecars=["over", "said"])


def test_where_a_replacing_sidecar_says_nothing_the_record_stays(pictures, write_said):
    write_said(pictures, replace=True, columns=["labels"], rows=lambda part: ({} for _ in part.places))
    record = ShardSet(pictures, sidecars=["said"]).record("train", 0)
    assert record == ShardSet(pictures).record("train", 0)


def test_the_fingerprint_follows_the_sidecars(pictures, write_said, write_vectors):
    write_said(pictures)
    write_vectors(pictures)
    plain = ShardSet(pictures).fingerprint
    both = [ShardSet(pictures, sidecars=names) for names in (["said", "vectors"], ["said"], ["vectors"], [])]
    assert len({shards.fingerprint for shards in both}) == 4 and both[-1].fingerprint == plain
    before = both[1].fingerprint
    shutil.rmtree(pictures / "sidecars" / "said")
    write_said(pictures)
    assert ShardSet(pictures, sidecars=["said"]).fingerprint == before
    shutil.rmtree(pictures / "sidecars" / "said")
    write_said(pictures, rows=lambda part: ({"said": 1} for _ in part.places))
    assert ShardSet(pictures, sidecars=["said"]).fingerprint != before


class SaidView:
    """What a stream's worker sees of the sidecars."""

    def __call__(self, image_loader, record, seed):
        return {"said": record.get("said", -1), "vectors": record["vectors"], "id": record["id"]}


@pytest.mark.parametrize("workers", [0, 1])
def test_streams_hand_them_to_views(pictures, write_said, write_vectors, workers, number_of):
    write_said(pictures)
    write_vectors(pictures)
    config = StreamConfig(shards=pictures, sidecars=["said", "vectors"], workers=workers)
    batch = next(open_batches(config, SaidView(), global_batch=14, seed=0).batches(0))
    assert batch["vectors"].shape == (14, 2, 3) and batch["vectors"].dtype == torch.float16
    for said, row, identifier in zip(batch["said"].tolist(), batch["vectors"], batch["id"]):
        number = number_of({"id": identifier})
        assert said == (number if number % 5 else -1) and row[0, 0] == number


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_may_share_a_set_with_sidecars(pictures, write_said, method):
    write_said(pictures)
    shards = ShardSet(pictures, sidecars=["said"])
    expected = list(shards.records("train"))  # files are open and located when the processes start
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(functools.partial(shards.record, "train"), range(14))) == expected
    assert list(pickle.loads(pickle.dumps(shards)).records("train")) == expected


def test_evaluation_batches_take_a_set_with_sidecars(pictures, write_vectors):
    write_vectors(pictures)
    shards = ShardSet(pictures, sidecars=["vectors"])
    batches = list(evaluation_batches(shards, "test", EvaluationView(8), batch_size=3))
    assert sum(len(batch["index"]) for batch in batches) == 4


def test_names_that_are_not_there(pictures, write_said):
    with pytest.raises(UserError, match="no sidecar 'said', only none; `vemo shards` persons, faces, hashes"):
        ShardSet(pictures, sidecars=["said"])
    write_said(pictures)
    with pytest.raises(UserError, match="no sidecar 'sad', only said"):
        ShardSet(pictures, sidecars=["sad"])
    with pytest.raises(UserError, match="cannot name a sidecar"):
        ShardSet(pictures, sidecars=["../set"])


def change(folder: Path, edit) -> None:
    """Apply `edit` to what sidecar.json says."""
    path = folder / "sidecars" / "said" / "sidecar.json"
    about = json.loads(path.read_bytes())
    edit(about)
    path.write_text(json.dumps(about))


def cut(folder: Path) -> None:
    path = folder / "sidecars" / "said" / "train-00001.jsonl"
    path.write_bytes(path.read_bytes()[:-3])


MISFITS = {
    "has no rows for shard train-00001": lambda f: change(f, lambda a: a["shards"].pop("train-00001")),
    "was made for another train-00001.tar than the one there is": lambda f: change(
        f, lambda a: a["shards"]["train-00001"].update(tar_sha256="0" * 64)
    ),
    "has 6 rows for the 5 samples of train-00001": lambda f: change(
        f, lambda a: a["shards"]["train-00001"].update(samples=6)
    ),
    "train-00001.jsonl is missing": lambda f: (f / "sidecars/said/train-00001.jsonl").unlink(),
    "train-00001.jsonl is cut off: ": cut,
    "was made from other edits": lambda f: change(f, lambda a: a.update(edits="0" * 64)),
}


@pytest.mark.parametrize("what", MISFITS)
def test_a_sidecar_that_does_not_fit_is_refused_at_once(pictures, write_said, what):
    write_said(pictures)
    MISFITS[what](pictures)
    with pytest.raises(UserError) as refused:
        ShardSet(pictures, sidecars=["said"])
    message = str(refused.value)
    assert message.startswith(f"{pictures}/sidecars/said: {what}") and "\n" not in message
    assert message.endswith(f"make it again: vemo shards said {pictures} loud=true")
    ShardSet(pictures)  # which nobody asked for


def test_a_set_that_was_built_otherwise_is_told_from_its_sidecar(
    pictures, other_pictures, write_said, tmp_path
):
    write_said(pictures)
    home = Path(shutil.copytree(other_pictures, tmp_path / "again"))
    shutil.copytree(pictures / "sidecars", home / "sidecars")
    with pytest.raises(UserError, match=r"was made for another train-0000\d.tar"):
        ShardSet(home, sidecars=["said"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 9}', "format 9, this version reads 1"),
        ('{"format": 1, "name": "said"}', r"damaged \(kind: Field required\)"),
    ],
)
def test_a_damaged_description_is_refused(pictures, write_said, content, message):
    write_said(pictures)
    (pictures / "sidecars" / "said" / "sidecar.json").write_text(content)
    with pytest.raises(
        UserError, match=rf"sidecar.json: {message}.*remove .*sidecars/said and make it again"
    ):
        ShardSet(pictures, sidecars=["said"])


def test_a_folder_moved_to_another_name_is_refused(pictures, write_said):
    write_said(pictures)
    (pictures / "sidecars" / "said").rename(pictures / "sidecars" / "heard")
    with pytest.raises(UserError, match=r"damaged \(it is called 'said'\)"):
        ShardSet(pictures, sidecars=["heard"])


def test_a_flipped_byte_is_refused_when_its_shard_is_read(pictures, write_said, write_vectors):
    write_said(pictures)
    write_vectors(pictures)
    for name, ending in (("said", "jsonl"), ("vectors", "npy")):
        path = pictures / "sidecars" / name / f"test-00000.{ending}"
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
        shards = ShardSet(pictures, sidecars=[name])
        shards.record("train", 0)
        with pytest.raises(
            UserError, match=rf"test-00000.{ending} is damaged .*make it again: vemo shards {name}"
        ):
            shards.record("test", 0)


def test_rows_of_other_samples_are_refused(pictures, write_said, forge):
    write_said(pictures)
    lines = (pictures / "sidecars/said/test-00000.jsonl").read_bytes().splitlines(keepends=True)
    forge(pictures, "said", "test-00000.jsonl", b"".join(lines[::-1]))
    identifier = json.loads(lines[-1])["id"]
    with pytest.raises(UserError, match=f"has {identifier} where the shard has"):
        ShardSet(pictures, sidecars=["said"]).record("test", 0)
    forge(pictures, "said", "test-00000.jsonl", b"".join(lines[1:]))
    with pytest.raises(UserError, match=r"test-00000.jsonl has 3 rows, not 4"):
        ShardSet(pictures, sidecars=["said"]).record("test", 0)


def test_rows_that_are_none_are_refused(pictures, write_said, write_vectors, forge):
    write_said(pictures)
    write_vectors(pictures)
    forge(pictures, "said", "test-00000.jsonl", b"{\n[]\n1\nnull\n")
    shards = ShardSet(pictures, sidecars=["said"])
    for place in range(4):
        with pytest.raises(UserError, match=r"the row of .* is no record; make it again"):
            shards.record("test", place)
    forge(pictures, "vectors", "test-00000.npy", b"no array")
    with pytest.raises(UserError, match=r"test-00000.npy is no array"):
        ShardSet(pictures, sidecars=["vectors"]).record("test", 0)


def test_an_array_of_another_shape_is_refused(pictures, write_vectors, forge, tmp_path):
    write_vectors(pictures)
    for array, what in (
        (np.zeros((4, 3), np.float16), r"rows of float16 \[3\], not float16 \[2, 3\]"),
        (np.zeros((4, 2, 3), np.float32), r"rows of float32"),
        (np.zeros((3, 2, 3), np.float16), "has 3 rows, not 4"),
    ):
        np.save(tmp_path / "other.npy", array)
        forge(pictures, "vectors", "test-00000.npy", (tmp_path / "other.npy").read_bytes())
        with pytest.raises(UserError, match=what):
            ShardSet(pictures, sidecars=["vectors"]).record("test", 0)


def test_a_key_that_a_record_has_is_refused_when_read(pictures, write_said, forge):
    """As when labels came by a later build: the writer had no reason to refuse."""
    write_said(pictures)
    lines = (pictures / "sidecars/said/test-00000.jsonl").read_text().splitlines()
    forged = "".join(json.dumps(json.loads(line) | {"labels": {}}) + "\n" for line in lines)
    forge(pictures, "said", "test-00000.jsonl", forged.encode())
    with pytest.raises(UserError, match=r"gives labels, which .* has already; leave it out"):
        ShardSet(pictures, sidecars=["said"]).record("test", 0)


def test_the_command_in_the_message_mends(pictures, capsys):
    assert main(["shards", "hashes", str(pictures), "name=my-hashes", "workers=0"]) == 0
    (pictures / "sidecars" / "my-hashes" / "test-00000.jsonl").unlink()
    with pytest.raises(UserError) as refused:
        ShardSet(pictures, sidecars=["my-hashes"])
    command = str(refused.value).partition("make it again: ")[2]
    assert command == f"vemo shards hashes {pictures} name=my-hashes"
    assert main(shlex.split(command)[1:]) == 0
    assert "hashes" in ShardSet(pictures, sidecars=["my-hashes"]).record("test", 0)
    assert "3 of 4 shards were there already" in capsys.readouterr().out
