"""The merged overlay, what it says of raters, and that it applies."""

import json

import numpy as np
import pytest
from vemo.cli import main
from vemo.datasets.raters import merge
from vemo.datasets.sample import Sample
from vemo.datasets.shards import verify
from vemo.datasets.shards.apply import ApplyConfig, apply
from vemo.datasets.stream import ShardSet
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation.errors import UserError

SPACE = label_space("mikels8")


@pytest.fixture
def three(overlay, said):
    """Ann, Ben and Cyd on six samples; of number 3 all differ, number 4 is ann's alone, 5 is a tie."""
    answers = {
        "ann": ["awe", "fear", "anger", "awe", "awe", "awe"],
        "ben": ["awe", "fear", "anger", "fear", None, "fear"],
        "cyd": ["awe", "awe", "anger", "anger", None, None],
    }
    return [
        overlay(by, *(said(by, n, name, blind=True) for n, name in enumerate(names) if name))
        for by, names in answers.items()
    ]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_time(folder):
    drop = ("when",)
    edits = [{k: v for k, v in line.items() if k not in drop} for line in lines(folder / "merged.jsonl")]
    report = {k: v for k, v in json.loads((folder / "merge.json").read_text()).items() if k not in drop}
    return edits, report, lines(folder / "queue.jsonl")


def test_an_edit_carries_votes_and_a_class_or_none_where_tied(three, tmp_path):
    report = merge(three, tmp_path / "out" / "merged.jsonl")
    edits = {line["id"][-1]: line for line in lines(report.out)}
    assert sorted(edits) == list("012345")
    assert edits["1"]["votes"] == {"fear": 2, "awe": 1}
    votes = edits["1"]["set"]["labels.mikels8"]["votes"]
    assert (sum(votes), votes[SPACE.index("fear")]) == (3, 2)
    assert edits["1"]["why"] == "ann, ben, cyd: fear 2, awe 1"
    tied = {"labels": {"mikels8": edits["5"]["set"]["labels.mikels8"]}}
    assert class_index(tied, SPACE) is None
    classes = [edits[name]["class"] for name in "0124"]
    assert classes == ["awe", "fear", "anger", "awe"]
    assert sum(edits["3"]["soft"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("label", ["votes", "class"])
def test_equal_raters_who_differ_leave_no_class(overlay, said, tmp_path, label):
    answers = {"ann": ["awe", "fear", "awe"], "ben": ["awe", "fear", "fear"]}
    pair = [overlay(by, *(said(by, n, name) for n, name in enumerate(each))) for by, each in answers.items()]
    report = merge(pair, tmp_path / "merged.jsonl", label=label)
    found = lines(report.out)
    assert [line["class"] for line in found] == ["awe", "fear", None]
    assert {*found[0]["set"]["labels.mikels8"]} == {label}
    assert {*found[2]["set"]["labels.mikels8"]} == {"votes"}
    content = report.content["spaces"]["mikels8"]
    assert (content["tied"], content["without_majority"], content["not_the_majority"]) == (1, 1, 0)


@pytest.mark.parametrize("seed", range(3))
def test_merged_soft_labels_beat_shares_of_votes(crowd, overlay, said, tmp_path, seed):
    given = crowd(seed, samples=200)
    files = []
    for rater in range(5):
        mine = given.who == rater
        edits = zip(given.items[mine].tolist(), given.answers[mine].tolist())
        files.append(
            overlay(f"r{rater}", *(said(f"r{rater}", item, SPACE.names[name]) for item, name in edits))
        )
    found = lines(merge(files, tmp_path / "merged.jsonl", label="distribution").out)
    assert len(found) == 200
    soft, votes = 0.0, 0.0
    for line in found:
        item = int(line["id"].rpartition("_")[2])
        truth = given.truth[item]
        assert line["votes"] == {SPACE.names[n]: c for n, c in enumerate(given.votes[item].astype(int)) if c}
        soft -= np.log(max(line["set"]["labels.mikels8"]["distribution"][truth], 1e-6)) / 200
        votes -= np.log((given.votes[item][truth] + 0.1 / 8) / 3.1) / 200  # smoothed about as suits them best
    assert soft < 0.85 * votes
    report = json.loads((tmp_path / "merge.json").read_text())["spaces"]["mikels8"]["raters"]
    estimated = [report[f"r{rater}"]["estimated_accuracy"] for rater in range(5)]
    assert max(estimated) == estimated[0] and min(estimated) == estimated[4]  # right 90 and 30 % of the time


@pytest.mark.parametrize("label", ["votes", "distribution", "class"])
def test_the_merged_overlay_applies(three, pack_records, tmp_path, label):
    known = {"labels": {"mikels8": {"class": "contentment"}}}
    source = pack_records({"train": [{**known, "source": {"sha256": f"{n:064x}"}} for n in range(6)]})
    out = merge(three, tmp_path / "merged.jsonl", shards=source, label=label).out
    shards = ShardSet(source, [out])
    records = {record["id"][-1]: record for record in shards.records("train")}
    for record in records.values():
        Sample.from_record(record)
    assert {*records["1"]["labels"]["mikels8"]} == {label}
    assert class_index(records["1"], SPACE) == SPACE.index("fear")
    assert apply(ApplyConfig(shards=source, out=tmp_path / "new", overlays=[out], workers=0)).ok
    assert verify(tmp_path / "new", workers=0).ok
    new = ShardSet(tmp_path / "new")
    assert [class_index(r, SPACE) for r in sorted(new.records("train"), key=lambda r: r["id"])] == [
        class_index(records[name], SPACE) for name in "012345"
    ]
    assert new.manifest["origin"]["overlays"][0]["raters"] == {"vemo curate merge": 6}


def test_a_merge_is_the_same_but_for_the_time_whatever_the_order(three, tmp_path):
    found = []
    for number, paths in enumerate((three, three[::-1])):
        folder = tmp_path / str(number)
        merge(paths, folder / "merged.jsonl")
        edits, report, queue = without_time(folder)
        report["overlays"].sort(key=lambda each: each["file"])
        found.append((edits, report, queue))
    assert found[0] == found[1]
    before = (tmp_path / "0" / "queue.jsonl").read_bytes()
    merge(three, tmp_path / "0" / "merged.jsonl")  # over a merge, and nothing else
    assert without_time(tmp_path / "0") == found[0]
    assert (tmp_path / "0" / "queue.jsonl").read_bytes() == before


def test_the_queue_has_the_most_doubtful_first(three, overlay, said, tmp_path):
    gold = overlay("gold", {"id": "toy/train_1", "set": {"labels.mikels8.class": "fear"}})
    merge(three, tmp_path / "merged.jsonl", gold=gold)
    queue = lines(tmp_path / "queue.jsonl")
    assert queue[0]["id"] == "toy/train_3"
    assert "toy/train_1" not in [line["id"] for line in queue] and len(queue) == 5
    entropies = [line["entropy"] for line in queue]
    assert entropies == sorted(entropies, reverse=True)
    assert queue[0]["disagreement"] == pytest.approx(np.log(3), abs=1e-4) and queue[0]["majority"] is None


def test_gold_measures_raters_and_stands(three, overlay, tmp_path):
    truth = {0: "awe", 1: "fear", 2: "anger", 9: "awe"}
    gold = overlay(
        "gold",
        *({"id": f"toy/train_{n}", "set": {"labels.mikels8.class": name}} for n, name in truth.items()),
    )
    report = merge(three, tmp_path / "merged.jsonl", gold=gold)
    found = report.content["spaces"]["mikels8"]
    ann, cyd = found["raters"]["ann"]["gold"], found["raters"]["cyd"]["gold"]
    assert (ann["samples"], ann["right"], ann["accuracy"]) == (3, 3, 1)
    assert (cyd["right"], cyd["accuracy"]) == (2, 0.6667)
    assert (cyd["low"], cyd["high"]) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson, 2 of 3
    assert cyd["confusion"][SPACE.index("fear")][SPACE.index("awe")] == 1
    assert np.sum(cyd["confusion"]) == 3 and found["gold"] == 3
    edits = {line["id"][-1]: line["set"]["labels.mikels8"] for line in lines(report.out)}
    assert edits["1"] == {"class": "fear"} and "votes" in edits["3"]
    assert any(
        "1 of 4 gold answers are of samples that nobody rated" in note for note in report.content["notes"]
    )
    assert "2 of 3" in report.summary


def test_what_the_report_says_of_raters(three, tmp_path):
    found = merge(three, tmp_path / "merged.jsonl").content["spaces"]["mikels8"]
    assert (found["samples"], found["answers"], found["gold"]) == (6, 15, 0)
    ben = found["raters"]["ben"]
    assert (ben["answers"], ben["blind"], ben["revised"], ben["gold"]) == (5, 5, 0, None)
    assert ben["sessions"] == {"": 5}
    assert np.array(ben["confusion"]).sum(1) == pytest.approx(1, abs=1e-3)
    pairs = {tuple(pair["raters"]): pair for pair in found["agreement"]["pairs"]}
    assert (pairs["ann", "ben"]["samples"], pairs["ann", "ben"]["agree"]) == (5, 0.6)
    assert 0 < found["agreement"]["krippendorff_alpha"] < 1


def test_notes_say_what_figures_do_not(three, overlay, said, tmp_path):
    seen = overlay(
        "dan", said("dan", 0, "awe"), said("dan", 1, None), {**said("dan", 2, "awe"), "gold": True}
    )
    more = overlay("eve", {"id": "toy/train_0", "set": {"vad.valence": 0.1}, "by": "eve"})
    notes = "\n".join(merge([*three, seen, more], tmp_path / "merged.jsonl").content["notes"])
    for text in (
        "3 of 18 answers are not marked as blind",
        "1 answers give no class",
        "vad.valence (1)",
        "1 samples were planted as gold, but their answers are not given",
        "6 samples are few for 8 classes",
        "without --shards DIR ids were not checked",
    ):
        assert text in notes
    pair = merge(three[:2], tmp_path / "merged.jsonl").content["notes"]
    assert any("fewer than three raters" in note for note in pair)


def test_ids_that_the_set_does_not_hold_are_refused(three, pack_records, tmp_path):
    source = pack_records({"train": [{} for _ in range(4)]})
    with pytest.raises(UserError) as refused:
        merge(three, tmp_path / "merged.jsonl", shards=source)
    assert "3 faults" in str(refused.value) and "toy/train_5: no such sample" in str(refused.value)
    assert not (tmp_path / "merged.jsonl").exists()


def test_peoples_edits_are_not_written_over(three, overlay, said, tmp_path):
    with pytest.raises(UserError, match="one of the overlays to merge"):
        merge(three, three[0])
    with pytest.raises(UserError, match="holds edits that are not of a merge"):
        merge(three[:2], three[2])
    with pytest.raises(UserError, match="give it another name"):
        merge(three, tmp_path / "queue.jsonl")


def test_nothing_to_merge(overlay, tmp_path):
    only = overlay("ann", {"id": "toy/0", "set": {"vad.valence": 0.1}, "by": "ann"})
    with pytest.raises(UserError, match="there is nothing to merge"):
        merge([only], tmp_path / "merged.jsonl")


def test_spaces_are_merged_each_by_itself(overlay, tmp_path):
    both = {"labels.mikels8.class": "awe", "labels.polarity2.class": "positive"}
    files = [overlay(by, {"id": "toy/0", "set": both, "by": by}) for by in ("ann", "ben", "cyd")]
    report = merge(files, tmp_path / "merged.jsonl")
    assert list(report.content["spaces"]) == ["mikels8", "polarity2"]
    assert [set(line["set"]) for line in lines(report.out)] == [{"labels.mikels8"}, {"labels.polarity2"}]


def test_the_command(three, tmp_path, capsys):
    out = tmp_path / "merged.jsonl"
    assert main(["curate", "merge", *map(str, three), "--out", str(out), "--label", "class"]) == 0
    said = capsys.readouterr().out
    assert "mikels8: 6 samples, 15 answers, Krippendorff's alpha 0." in said and "merge.json" in said
    assert {*lines(out)[0]["set"]["labels.mikels8"]} == {"class"}
    assert main(["curate", "merge", str(three[0]), "--out", str(three[0])]) == 2
