"""`vemo shards verify` on sidecars: sound ones pass, damage of every kind is named and never raises."""

import json
from pathlib import Path

import numpy as np
import pytest
from vemo.cli import main
from vemo.datasets.shards import verify
from vemo.datasets.stream import ShardSet


def faults(folder: Path) -> list[str]:
    report = verify(folder, workers=0)
    assert report.ok == (not report.faults)
    return list(report.faults)


def rows_of(folder: Path, shard: str = "test-00000") -> list[dict]:
    return [json.loads(line) for line in (folder / f"sidecars/said/{shard}.jsonl").read_text().splitlines()]


def lines(rows: list) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("workers", [0, 2])
def test_sound_sidecars(pictures, write_said, write_vectors, workers):
    write_said(pictures)
    write_vectors(pictures)
    report = verify(pictures, workers=workers)
    assert report.ok and report.sidecars == ("said", "vectors")
    assert report.summary == (f"{pictures}: 18 samples in 4 shards, sidecars said, vectors, every one sound")


def test_a_fault_is_exit_code_1(pictures, write_said, capsys):
    write_said(pictures)
    assert main(["shards", "verify", str(pictures)]) == 0
    (pictures / "sidecars" / "said" / "test-00000.jsonl").unlink()
    assert main(["shards", "verify", str(pictures)]) == 1
    assert "sidecars/said/test-00000.jsonl: cannot be checked: FileNotFoundError" in capsys.readouterr().out


def test_a_flipped_byte(pictures, write_said):
    write_said(pictures)
    path = pictures / "sidecars" / "said" / "train-00002.jsonl"
    path.write_bytes(path.read_bytes().replace(b"said", b"sald", 1))
    (fault,) = faults(pictures)
    assert fault.startswith("sidecars/said: train-00002.jsonl is damaged")
    assert fault.endswith(f"make it again: vemo shards said {pictures} loud=true")


def test_unfinished_foreign_and_unreadable_ones(pictures, other_pictures, write_said):
    write_said(pictures)
    folder = pictures / "sidecars" / "said"
    about = json.loads((folder / "sidecar.json").read_bytes())
    about["shards"]["train-00000"]["tar_sha256"] = "0" * 64
    (folder / "sidecar.json").write_text(json.dumps(about))
    (pictures / "sidecars" / "begun").mkdir()
    (pictures / "sidecars" / "broken").mkdir()
    (pictures / "sidecars" / "broken" / "sidecar.json").write_text("{")
    begun, broken, foreign = faults(pictures)
    assert begun == "sidecars/begun: no sidecar.json; remove the folder"
    assert broken.startswith("sidecars/broken/sidecar.json: damaged")
    assert foreign.startswith("sidecars/said: was made for another train-00000.tar")


def test_rows_of_a_shard_that_is_not_listed(pictures, write_said):
    write_said(pictures)
    path = pictures / "sidecars" / "said" / "sidecar.json"
    about = json.loads(path.read_bytes())
    about["shards"]["train-00007"] = about["shards"]["train-00000"]
    path.write_text(json.dumps(about))
    assert faults(pictures) == ["sidecars/said/train-00007.jsonl: belongs to no shard of the set"]


def test_rows_that_say_what_they_must_not(pictures, write_said, forge):
    write_said(pictures)
    rows = rows_of(pictures)
    first, second, third, fourth = [row["id"] for row in rows]
    rows[0]["other"] = 1
    rows[1]["labels"] = {}
    rows[2]["id"] = "image-folder/another"
    rows[3] = [1, 2]
    forge(pictures, "said", "test-00000.jsonl", lines(rows))
    found = faults(pictures)
    where = "sidecars/said/test-00000.jsonl: row"
    assert found[0] == f"{where} 0: {first}: gives other, which is no column of it"
    assert found[1].startswith(f"{where} 1: sidecars/said: gives labels, which {second} has already")
    assert found[2].startswith(
        f"{where} 2: sidecars/said: has image-folder/another where the shard has {third}"
    )
    assert found[3].startswith(f"{where} 3: sidecars/said: the row of {fourth} is no record")
    assert len(found) == 4


def test_values_are_checked_as_those_of_records_are(pictures, write_said, forge):
    def persons(part):
        return ({"persons": [{"box": [1, 1, 9, 9], "score": 0.5}]} for _ in part.places)

    write_said(pictures, columns=["persons"], rows=persons)
    assert not faults(pictures)
    rows = rows_of(pictures)
    rows[1]["persons"][0]["box"] = [9, 1, 1, 9]
    forge(pictures, "said", "test-00000.jsonl", lines(rows))
    (fault,) = faults(pictures)
    assert rows[1]["id"] in fault and "persons.0: Value error, box" in fault


def test_a_row_that_is_not_finite(pictures, write_vectors, forge, tmp_path):
    write_vectors(pictures)
    array = np.ones((4, 2, 3), np.float16)
    array[2, 1, 1] = np.inf
    np.save(tmp_path / "other.npy", array)
    forge(pictures, "vectors", "test-00000.npy", (tmp_path / "other.npy").read_bytes())
    identifier = ShardSet(pictures).record("test", 2)["id"]
    assert faults(pictures) == [f"sidecars/vectors/test-00000.npy: row 2: {identifier}: not finite"]


def test_a_damaged_tar_does_not_keep_sidecars_from_being_checked(pictures, write_said):
    write_said(pictures)
    (pictures / "train-00000.index.npy").write_bytes(b"")
    found = faults(pictures)
    assert any(fault.startswith("sidecars/said/train-00000.jsonl: cannot be checked") for fault in found)
    assert all("train-00000" in fault for fault in found)
