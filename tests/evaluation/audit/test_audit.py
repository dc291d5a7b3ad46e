"""The whole audit: JSON, page, clusters for dedup, sentences, mistakes."""

import json
import re

import pytest
from vemo.cli import main
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.evaluation.audit import AuditConfig, audit
from vemo.evaluation.audit.findings import findings
from vemo.foundation import UserError


@pytest.fixture(scope="module")
def audited(flawed, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit")
    return audit(AuditConfig(shards=flawed[0], out=out)), out


def test_the_report_is_json_and_says_what_was_planted(audited, flawed):
    report, out = audited
    assert json.loads((out / "audit.json").read_text()) == json.loads(json.dumps(report))
    leaks = flawed[1]["planted"]["leaks"]
    assert report["duplicates"]["identical or near"]["groups across splits"] == len(leaks)
    assert len(report["duplicates"]["leaks"]) == len(leaks)
    assert report["leakage"]["all attributes"]["held out"] > report["leakage"]["all attributes"]["prior"]
    assert report["samples"] == 160 and sum(report["splits"].values()) == 160
    doubts = [json.loads(line) for line in (out / "doubts.jsonl").read_text().splitlines()]
    assert len(doubts) == 160 and doubts[0]["labelled"] != doubts[0]["looks like"]
    assert [line["quality"] for line in doubts] == sorted(line["quality"] for line in doubts)
    kinds = [kind for kind, _ in findings(report)]
    assert kinds[0] == "bad" and kinds == sorted(kinds, key=("bad", "look", "good").index)


def test_the_page_stands_alone(audited):
    page = (audited[1] / "index.html").read_text()
    assert "Copies across splits" in page and "Labels in doubt" in page and "data:image/jpeg;base64" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_dedup_removes_the_leaks_that_the_audit_found(flawed, tmp_path):
    source = tmp_path / "set"
    build(BuildConfig(root=flawed[0], out=source, reader={"kind": "shards"}, workers=0))
    report = audit(AuditConfig(shards=source))
    assert report["duplicates"]["identical or near"]["groups across splits"] > 0
    clean = tmp_path / "clean"
    build(BuildConfig(root=source, out=clean, reader={"kind": "shards", "split": "dedup_near"}, workers=0))
    again = audit(AuditConfig(shards=clean))
    assert again["duplicates"]["identical or near"]["groups across splits"] == 0
    assert ShardSet(clean).count("test") == ShardSet(source).count("test")


def test_images_that_are_also_in_another_set(flawed, tmp_path):
    report = audit(AuditConfig(shards=flawed[0], out=tmp_path, against=(flawed[0],)))
    (found,) = report["between datasets"].values()
    assert found["pairs"] >= 160
    assert findings(report)[0][0] == "bad"


def test_an_encoder_lends_its_eyes(flawed, checkpoint, tmp_path):
    report = audit(AuditConfig(shards=flawed[0], out=tmp_path, encoder=checkpoint, attributes=False))
    assert report["doubts"]["features"] == "test_vit"
    assert list((tmp_path / "features").glob("*.safetensors"))


def test_the_command_prints_sentences(flawed, tmp_path, capsys):
    assert main(["shards", "audit", str(flawed[0]), f"out={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "groups of copies lie in more than one split" in printed and "index.html" in printed


def test_mistakes_are_one_line(flawed, tmp_path, capsys):
    assert main(["shards", "audit", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(UserError, match="no label space 'nonsense'"):
        audit(AuditConfig(shards=flawed[0], out=tmp_path, label_space="nonsense"))
