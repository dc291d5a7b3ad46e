"""Writing sidecars: the layout, going on after any death, mending, and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vemo.datasets.shards import pool
from vemo.datasets.shards.layout import read_index, read_records
from vemo.datasets.sidecars import HashesConfig, write_hashes
from vemo.datasets.stream import ShardSet
from vemo.foundation import UserError
from vemo.foundation.files import sha256_of

SHARDS = ["train-00000", "train-00001", "train-00002", "test-00000"]


def about(folder: Path, name: str = "said") -> dict:
    return json.loads((folder / "sidecars" / name / "sidecar.json").read_bytes())


def test_the_layout(pictures, write_said, number_of):
    report = write_said(pictures)
    folder = pictures / "sidecars" / "said"
    assert (report.samples, report.found, report.shards, report.made) == (18, 14, 4, 4)
    assert report.summary == f"{folder}: says something of 14 of 18 samples"
    names = {path.name for path in folder.iterdir()}
    assert names == {"shards.jsonl", "sidecar.json", *(f"{shard}.jsonl" for shard in SHARDS)}
    for shard in SHARDS:
        records = list(read_records(pictures / f"{shard}.tar"))
        rows = [json.loads(line) for line in (folder / f"{shard}.jsonl").read_text().splitlines()]
        known = [{"said": number} if (number := number_of(record)) % 5 else {} for record in records]
        assert rows == [{"id": record["id"], **row} for record, row in zip(records, known, strict=True)]
    written = about(pictures)
    assert written["made_by"]["name"] == "a test" and written["settings"] == {"loud": True}
    tars = {
        line["name"]: line for line in map(json.loads, (pictures / "shards.jsonl").read_text().splitlines())
    }
    assert list(written["shards"]) == SHARDS
    for shard, rows in written["shards"].items():
        path = folder / f"{shard}.jsonl"
        assert rows["tar_sha256"] == tars[shard]["sha256"] and rows["samples"] == tars[shard]["samples"]
        assert rows["sha256"] == sha256_of(path) and rows["bytes"] == path.stat().st_size


def test_an_array(pictures, write_vectors):
    report = write_vectors(pictures)
    assert report.found == 18
    array = np.load(pictures / "sidecars" / "vectors" / "test-00000.npy")
    assert array.shape == (4, 2, 3) and array.dtype == np.float16
    assert about(pictures, "vectors")["shape"] == [2, 3]


def test_the_same_bytes_from_any_number_of_processes(pictures, hashes):
    write_hashes(HashesConfig(shards=pictures, workers=0))
    alone = hashes(pictures / "sidecars")
    shutil.rmtree(pictures / "sidecars")
    write_hashes(HashesConfig(shards=pictures, workers=2))
    assert hashes(pictures / "sidecars") == alone


def test_a_finished_sidecar_is_found_finished(pictures, write_said, hashes):
    write_said(pictures)
    before = hashes(pictures)

    def never(part):
        raise AssertionError("nothing is to be made")

    report = write_said(pictures, rows=never)
    assert report.made == 0 and report.found == 14 and "4 of 4 shards were there already" in report.summary
    assert hashes(pictures) == before


class Stop(Exception):
    pass


def test_a_stopped_run_goes_on_where_it_stopped(pictures, write_said, said, hashes):
    write_said(pictures)
    whole = hashes(pictures / "sidecars")
    shutil.rmtree(pictures / "sidecars")
    made = []

    def two_shards(part):
        if len(made) == 2:
            raise Stop
        made.append(part.split)
        return said(part)

    with pytest.raises(Stop):
        write_said(pictures, rows=two_shards)
    with pytest.raises(
        UserError, match=r"sidecars/said: unfinished; it goes on .*: vemo shards said .* loud=true"
    ):
        ShardSet(pictures, sidecars=["said"])
    assert write_said(pictures).made == 2
    assert hashes(pictures / "sidecars") == whole


# Runs over and over in forked children; child k dies without a farewell at its k-th step on disk.
DIE_AT_EVERY_STEP = """
import os, pathlib, shutil, sys
from vemo.datasets.sidecars import HashesConfig, write_hashes
from vemo.foundation import files

home = pathlib.Path(sys.argv[1])

def run(after=None):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stderr = open(os.devnull, "w")
    count = 0
    def step(original):
        def stepping(*arguments, **options):
            nonlocal count
            count += 1
            if count == after:
                os._exit(9)
            return original(*arguments, **options)
        return stepping
    for name in ("replace", "unlink", "mkdir"):
        setattr(pathlib.Path, name, step(getattr(pathlib.Path, name)))
    os.fsync = step(os.fsync)
    write_hashes(HashesConfig(shards=home, workers=0))
    os._exit(0)

step = 1
while True:
    code = run(step)
    assert code in (0, 9), code
    print(code)
    assert run() == 0
    folder = home / "sidecars"
    found = (path for path in folder.rglob("*") if path.is_file())
    print(sorted((path.relative_to(folder).as_posix(), files.sha256_of(path)) for path in found))
    shutil.rmtree(folder)
    if code == 0:
        break
    step += 1
"""


def test_dying_at_every_step(pictures, hashes, tmp_path):
    write_hashes(HashesConfig(shards=pictures, workers=0))
    expected = str(sorted(hashes(pictures / "sidecars").items()))
    shutil.rmtree(pictures / "sidecars")
    (tmp_path / "die.py").write_text(DIE_AT_EVERY_STEP)
    command = [sys.executable, tmp_path / "die.py", pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[-2] == "0" and set(lines[:-2:2]) == {"9"} and len(lines) > 60
    assert set(lines[1::2]) == {expected}


def test_running_again_mends_what_is_damaged(pictures, write_said, hashes):
    write_said(pictures)
    before = hashes(pictures)
    path = pictures / "sidecars" / "said" / "train-00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"said", b"sald", 1))  # of the same size
    (path.parent / "test-00000.jsonl").unlink()
    assert write_said(pictures).made == 2
    assert hashes(pictures) == before


def test_a_damaged_description_keeps_nothing(pictures, write_said, hashes):
    """Nobody knows with which settings the rows were made."""
    write_said(pictures)
    before = hashes(pictures)
    (pictures / "sidecars" / "said" / "sidecar.json").write_text("{")
    assert write_said(pictures).made == 4
    assert hashes(pictures) == before


def test_only_a_shard_that_was_built_again_is_made_again(pictures, other_pictures, write_said, tmp_path):
    write_said(pictures)
    home = Path(shutil.copytree(other_pictures, tmp_path / "again"))
    shutil.copytree(pictures / "sidecars", home / "sidecars")
    assert write_said(home).made == 1
    assert sum("said" in record for record in ShardSet(home, sidecars=["said"]).records("train")) == 11


def test_rows_of_shards_that_are_gone_go_too(pictures, write_said):
    write_said(pictures)
    folder = pictures / "sidecars" / "said"
    (folder / "train-00009.jsonl").write_text("{}\n")
    (folder / "train-00001.jsonl.part").write_text("{")
    (folder / "train-00000.jsonl").unlink()
    write_said(pictures)
    assert not list(folder.glob("*.part")) and not (folder / "train-00009.jsonl").exists()


def test_other_settings_are_refused(pictures, write_said):
    write_said(pictures)
    changes = {"settings": {"loud": False}, "made_by": {"name": "another"}}
    with pytest.raises(UserError) as refused:
        write_said(pictures, **changes)
    message = str(refused.value)
    assert "settings.loud was True and is now False" in message
    assert "made_by.name was 'a test' and is now 'another'" in message
    assert "choose another name, or remove the folder" in message
    assert write_said(pictures, name="quiet", **changes).made == 4


def test_edits_are_part_of_what_is_made_from_them(pictures, write_said):
    edited = "0" * 64
    assert write_said(pictures, edits="").made == 4
    assert write_said(pictures, edits=edited).made == 4
    assert write_said(pictures, edits=edited).made == 0


def test_a_stop_after_the_edits_changed_mixes_nothing(pictures, write_said, said):
    write_said(pictures, edits="")

    def stop(part):
        raise Stop

    with pytest.raises(Stop):
        write_said(pictures, rows=stop, edits="0" * 64)
    assert write_said(pictures, edits="0" * 64).made == 4


def test_a_column_that_records_have_needs_replace(pictures, write_said):
    changes = {"columns": ["labels"], "rows": lambda part: ({"labels": {}} for _ in part.places)}
    with pytest.raises(UserError, match=r"has labels already; with replace=true the sidecar other wins"):
        write_said(pictures, name="other", **changes)
    assert not (pictures / "sidecars" / "other").exists()
    write_said(pictures, name="other", replace=True, **changes)
    assert ShardSet(pictures, sidecars=["other"]).record("train", 0)["labels"] == {}


def test_columns_and_names_that_cannot_be(pictures, write_said, write_vectors):
    with pytest.raises(UserError, match="a sidecar cannot give id, source"):
        write_said(pictures, columns=["id", "source"], replace=True)
    with pytest.raises(UserError, match="a sidecar cannot give persons"):
        write_vectors(pictures, name="persons")
    for name in ("../up", "Upper", "", "a/b"):
        with pytest.raises(UserError, match="cannot name a sidecar"):
            write_said(pictures, name=name)


def test_a_row_that_is_not_finite_names_the_sample(pictures, write_vectors):
    def broken(part):
        return (np.full((2, 3), np.nan if place == 7 else 1, np.float16) for place in part.places)

    identifier = ShardSet(pictures).record("train", 7)["id"]
    with pytest.raises(UserError, match=f"vectors: the row of {identifier} is not finite"):
        write_vectors(pictures, rows=broken)


def test_a_maker_that_skips_a_sample_is_a_bug(pictures, write_said, said):
    with pytest.raises(ValueError, match="shorter"):
        write_said(pictures, rows=lambda part: list(said(part))[1:])
    with pytest.raises(ValueError, match="no columns of it"):
        write_said(pictures, rows=lambda part: ({"other": 1} for _ in part.places))


def test_a_damaged_image_names_the_sample(pictures):
    tar = pictures / "train-00001.tar"
    offset, size = read_index(tar)[2, :2].tolist()
    with tar.open("r+b") as stream:
        stream.seek(offset + size // 2)
        stream.write(bytes(300))
    identifier = ShardSet(pictures).record("train", 7)["id"]
    with pytest.raises(UserError, match=rf"{identifier}: undecodable_image.*run `vemo shards verify"):
        write_hashes(HashesConfig(shards=pictures, workers=0))


def test_two_writers_do_not_share_a_sidecar(pictures, write_said, monkeypatch):
    monkeypatch.setattr(pool, "LOCK_SECONDS", 0.1)
    write_said(pictures)
    with (
        pool.only_build_in(pictures / "sidecars" / "said"),
        pytest.raises(UserError, match="is writing here"),
    ):
        write_said(pictures)


def test_a_place_that_cannot_be_written_is_one_line(pictures, write_said):
    (pictures / "sidecars").write_text("in the way")
    with pytest.raises(UserError, match="mend that and run the same command again"):
        write_said(pictures)


def test_no_shard_set(tmp_path, write_said):
    with pytest.raises(UserError, match="no such folder of shards"):
        write_said(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())
