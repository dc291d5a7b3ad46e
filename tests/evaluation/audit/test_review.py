"""Review priority: what it weighs, what it says, what it leads to; and batches that are not all alike."""

import json

import pytest
import torch
from vemo.datasets.stream import ShardSet
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.audit import AuditConfig, audit
from vemo.evaluation.audit.batches import next_batches, uncertainty
from vemo.evaluation.audit.evidence import answers, model_voices, remarks, what_people_said
from vemo.evaluation.audit.review import Voice, joined, posterior, reviews
from vemo.evaluation.audit.scan import Scan
from vemo.evaluation.predictions import Predictions, save_predictions
from vemo.foundation import UserError

NAMES = ("awe", "fear", "joy")
MIKELS = label_space("mikels8")
AWE = [0.0, 1.0, *[0.0] * 6]


def one_hot(*places: int) -> torch.Tensor:
    return torch.eye(3)[list(places)]


def test_the_posterior_is_what_bayes_says() -> None:
    probe = Voice("probe", torch.tensor([[0.5, 0.3, 0.2]]))
    found = posterior(one_hot(1), [probe], mistaken=0.1)[0]
    weights = torch.tensor([0.05 * 0.5, 0.9 * 0.3, 0.05 * 0.2])  # 0.1 / (3 - 1) for the two others
    torch.testing.assert_close(found, weights / weights.sum())


def test_nobody_said_nobody_saw() -> None:
    silent = Voice("model", torch.full((1, 3), torch.nan))
    torch.testing.assert_close(posterior(torch.zeros(1, 3), [silent]), torch.full((1, 3), 1 / 3))
    probe = Voice("probe", torch.tensor([[0.7, 0.2, 0.1]]))
    torch.testing.assert_close(posterior(torch.zeros(1, 3), [probe, silent]), probe.said)


def test_voices_of_the_same_are_averaged_and_of_different_things_multiplied() -> None:
    one, other = torch.tensor([[0.8, 0.1, 0.1]]), torch.tensor([[0.2, 0.4, 0.4]])
    nobody = torch.zeros(1, 3)
    same = joined(nobody, [Voice("a", one), Voice("b", other)]).softmax(1)
    torch.testing.assert_close(same, (one * other).sqrt() / (one * other).sqrt().sum())
    different = joined(nobody, [Voice("a", one), Voice("b", other, of="attributes")]).softmax(1)
    torch.testing.assert_close(different, one * other / (one * other).sum())


def test_the_commonest_class_is_not_counted_twice() -> None:
    said = one_hot(0, 0, 0, 1)
    shares = (said.sum(0) + 1) / 7
    voices = [Voice("a", shares.repeat(4, 1)), Voice("b", shares.repeat(4, 1), of="attributes")]
    torch.testing.assert_close(joined(said, voices).softmax(1), shares.repeat(4, 1))


def test_order_and_sentences() -> None:
    said = torch.cat([one_hot(1, 0), torch.zeros(1, 3), one_hot(2)])
    probe = torch.tensor([[0.93, 0.03, 0.04], [0.8, 0.1, 0.1], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]])
    labels = torch.tensor([1, 0, -1, 2])
    told = [[], ["a copy lies in test"], [], []]
    found = reviews(labels, said, [Voice("probe", probe)], NAMES, told, {3: "flat"})
    assert [each.place for each in found] == [3, 0, 2, 1]
    assert [each.why for each in found] == [
        "flat: shows nothing; probe says joy 0.80, label says joy",
        "probe says awe 0.93, label says fear",
        "probe says awe 0.40, no label",
        "probe says awe 0.80, label says awe; a copy lies in test",
    ]
    assert found[0].priority == 1 and found[1].looks_like == "awe"
    assert found[2].priority == pytest.approx(0.6)


def test_who_is_surer_comes_first_whatever_the_prior() -> None:
    probe = torch.tensor([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.7, 0.3, 0.0]])
    said = one_hot(1, 1, 1)
    for mistaken in (0.02, 0.1, 0.3):
        wrong = 1 - posterior(said, [Voice("probe", probe)], mistaken)[:, 1]
        assert wrong.argsort(descending=True).tolist() == [1, 2, 0]


def test_what_people_said(record_of) -> None:
    assert answers(record_of(), 1, MIKELS) == AWE
    assert answers(record_of(), None, MIKELS) is None
    votes = {"labels": {"mikels8": {"votes": [3, 1, 0, 0, 0, 0, 0, 0]}}}
    assert answers(record_of(**votes), 0, MIKELS) == [0.75, 0.25, *[0] * 6]
    raters = [{"labels": {"mikels8": {"class": name}}} for name in ("awe", "awe", "fear", "fear")]
    assert answers(record_of(annotations=raters), 1, MIKELS)[6] == 0.5


def test_copies_speak_for_each_other(record_of) -> None:
    records = [record_of(), record_of(), record_of(), record_of()]
    seen_by = Scan(records, ["train", "test", "train", "train"], [0] * 4, torch.empty(0), [], *[None] * 2)
    labels = [1, 6, None, 1]
    said = what_people_said(seen_by, labels, MIKELS, [[0, 1, 2]])
    assert said[:, 1].tolist() == [0.5, 0.5, 0.5, 1] and said[:, 6].tolist() == [0.5, 0.5, 0.5, 0]
    assert remarks(seen_by, labels, MIKELS, [[0, 1, 2]]) == [
        ["a copy's label says fear", "a copy lies in test"],
        ["a copy's label says awe", "a copy lies in train"],
        ["a copy lies in test"],
        [],
    ]


def test_uncertainty_is_relative_entropy() -> None:
    found = uncertainty(torch.tensor([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]))
    torch.testing.assert_close(found, torch.tensor([0, 1, 0.5]))


def test_batches_hold_no_two_alike_and_nothing_twice() -> None:
    corners = torch.eye(4).repeat_interleave(5, 0)  # four pictures, five copies of each
    worth = torch.linspace(1, 0.5, 20)
    batches = next_batches(worth, corners, 4, 2)
    assert [place // 5 for place in batches[0]] == sorted(range(4), key=lambda each: each)
    assert batches[0][0] == 0 and len(set(batches[0] + batches[1])) == 8
    everything = next_batches(torch.zeros(20), corners, 7, 9)
    assert sorted(place for batch in everything for place in batch) == list(range(20))


def test_the_audit_writes_a_queue(flawed, tmp_path) -> None:
    shards, truth = flawed
    audit(AuditConfig(shards=shards, out=tmp_path, batches=2, samples=7))
    lines = [json.loads(line) for line in (tmp_path / "review.jsonl").read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines) == 160
    priorities = [line["priority"] for line in lines]
    assert priorities == sorted(priorities, reverse=True) and 0 <= priorities[-1] <= priorities[0] <= 1
    assert [sum(line.get("batch") == number for line in lines) for number in (1, 2, 3)] == [7, 7, 0]
    assert sum("a copy lies in" in line["why"] for line in lines) >= 2 * len(truth["planted"]["leaks"]) - 2
    assert all(f"label says {line['labelled']}" in line["why"] for line in lines)
    planted = {entry["image"] for entry in truth["planted"]["label_noise"]}
    wrong = {identifier for identifier, path in ids_and_paths(shards) if path in planted}
    places = [place for place, line in enumerate(lines) if line["id"] in wrong]
    assert len(places) == 16 and sum(places) / 16 < 80, "wrong labels come earlier than by chance"


def test_models_speak_too(flawed, tmp_path) -> None:
    shards, _ = flawed
    audit(AuditConfig(shards=shards, out=tmp_path / "a"))
    first = [json.loads(line) for line in (tmp_path / "a/review.jsonl").read_text().splitlines()]
    said = first[-1]  # the least doubtful, until a model denies it
    row, target = torch.full((1, 8), -20.0), torch.eye(8)[[MIKELS.index(said["labelled"])]]
    row[0, (MIKELS.index(said["labelled"]) + 1) % 8] = 20
    predicted = Predictions("single", "mikels8", MIKELS.names, (said["id"],), ("g",), row, target)
    save_predictions(tmp_path / "test.safetensors", predicted)
    audit(AuditConfig(shards=shards, out=tmp_path / "b", predictions=(tmp_path / "test.safetensors",)))
    second = [json.loads(line) for line in (tmp_path / "b/review.jsonl").read_text().splitlines()]
    now = next(line for line in second if line["id"] == said["id"])
    assert now["priority"] > said["priority"] and "model says" in now["why"]


@pytest.mark.parametrize("kind, space", [("multilabel", "mikels8"), ("single", "ekman6")])
def test_models_of_something_else_are_refused(record_of, tmp_path, kind, space) -> None:
    names = label_space(space).names
    row = torch.zeros(1, len(names))
    path = tmp_path / "p.safetensors"
    save_predictions(path, Predictions(kind, space, names, ("x",), ("g",), row, row.clone()))
    seen_by = Scan([record_of()], ["train"], [0], torch.empty(0), [], *[None] * 2)
    with pytest.raises(UserError, match="the audit needs one class of mikels8"):
        model_voices([path], seen_by, MIKELS)


def test_models_of_other_samples_are_refused(record_of, tmp_path) -> None:
    path = tmp_path / "p.safetensors"
    row = torch.zeros(1, 8)
    save_predictions(path, Predictions("single", "mikels8", MIKELS.names, ("x",), ("g",), row, row.clone()))
    seen_by = Scan([record_of()], ["train"], [0], torch.empty(0), [], *[None] * 2)
    with pytest.raises(UserError, match="none of the samples"):
        model_voices([path], seen_by, MIKELS)


def ids_and_paths(shards):
    opened = ShardSet(shards)
    records = (record for split in opened.splits for record in opened.records(split))
    return [(record["id"], record["source"]["path"]) for record in records]


@pytest.fixture
def record_of():
    return lambda **known: {"id": "toy/one", "source": {}, **known}
