"""A whole suite on a small set: every protocol, interrupted anywhere, with missing data and failing cells."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn.functional import normalize
from vemo.datasets.stream import ShardSet
from vemo.datasets.stream.selection import selected
from vemo.evaluation.predictions import Predictions, load_predictions
from vemo.evaluation.scoring import calibration, flat_scores
from vemo.evaluation.suite import evaluate
from vemo.evaluation.suite.config import SuiteConfig, TaskConfig
from vemo.evaluation.suite.run import Finetune
from vemo.evaluation.suite.tasks import open_task
from vemo.foundation import UserError

PARTS = ("test", "val")
TASK = {
    "title": "Stripes",
    "build": "configs/datasets/tweets.yaml",
    "kind": "single",
    "space": "polarity3",
    "validation_split": None,
    "hold_out": 0.3,
}
PROTOCOLS: dict[str, Any] = {
    "linear": {"kind": "linear"},
    "neighbours": {"kind": "neighbours"},
    "few_shot": {"kind": "few_shot", "fractions": [0.3]},
    "finetune": {"kind": "finetune", "config": "recipe.yaml"},
}


class Shapes:
    """A teacher that knows which way stripes run: its sentences are told apart by their words alone."""

    name, fingerprint, image_size = "shapes", "1", 32

    def encode_image(self, images: Tensor) -> Tensor:
        pixels = images.float().mean(1)
        down, across = pixels.std(2).mean(1), pixels.std(1).mean(1)
        return normalize(torch.stack([across, down, torch.minimum(across, down)], 1), dim=1)

    def encode_text(self, sentences: list[str]) -> Tensor:
        order = ("positive", "negative", "neutral")
        return torch.eye(3)[[next(i for i, w in enumerate(order) if w in text) for text in sentences]]


class Tuner:
    """Says the truth with some doubt; may be told to stop or to fail at a call."""

    def __init__(self, stop_at: int | None = None, fail: bool = False) -> None:
        self.calls, self.stop_at, self.fail = 0, stop_at, fail

    def __call__(self, protocol, task, encoder, seed, folder) -> tuple[Predictions, Predictions]:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        if self.fail:
            raise UserError("out of luck")
        found = []
        for role in ("validation", "test"):
            samples = task._features(role)
            noise = torch.randn(samples.targets.shape, generator=torch.Generator().manual_seed(seed))
            found.append(task.predictions(samples, 2 * samples.targets + noise))
        return found[0], found[1]


def write_task(folder: Path, shards: Path, **changes: Any) -> Path:
    path = folder / "stripes.yaml"
    path.write_text(yaml.safe_dump({**TASK, "shards": str(shards), **changes}))
    return path


@pytest.fixture
def told(shards: Path, checkpoint: str, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text("epochs: 1")

    def suite(**changes: Any) -> SuiteConfig:
        protocols = {name: dict(each) for name, each in PROTOCOLS.items()}
        protocols["finetune"]["config"] = str(tmp_path / "recipe.yaml")
        values = {
            "out": tmp_path / "out",
            "tasks": {"stripes": write_task(tmp_path, shards)},
            "encoders": {
                "ours": {"weights": checkpoint},
                "untrained": {"weights": checkpoint, "random": True},
            },
            "protocols": protocols,
            "seeds": (1, 2),
            "resamples": 200,
            "thumbnails": False,
        }
        return SuiteConfig.model_validate({**values, **changes})

    return suite


def run(config: SuiteConfig, tuner: Tuner | None = None):
    finetune = Finetune(lambda protocol, *_: protocol.model_dump(mode="json"), tuner or Tuner())
    return evaluate(config, finetune, lambda settings: Shapes())


def rows_of(report: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {(row["encoder"], row["protocol"], row["variant"]): row for row in report["rows"]}


def test_every_protocol_leaves_predictions_that_the_table_is_made_of(told, tmp_path: Path) -> None:
    config = told(
        protocols={**told().model_dump()["protocols"], "words": {"kind": "zero_shot", "teacher": {}}}
    )
    found = run(config)
    assert found.ok and found.page.exists() and (tmp_path / "out" / "suite.md").exists()
    rows = rows_of(found.report)
    assert rows.keys() == {
        *((e, p, "") for e in ("ours", "untrained") for p in ("linear", "neighbours", "finetune")),
        *((e, "few_shot", "0.3") for e in ("ours", "untrained")),
        ("words", "words", ""),
    }
    for row in rows.values():
        each = [
            flat_scores(load_predictions(tmp_path / "out" / cell / "test.safetensors"))
            for cell in row["cells"]
        ]
        assert row["scores"]["macro_f1"]["each"] == [scores["macro_f1"] for scores in each]
        low, mean, high = (row["scores"]["macro_f1"][key] for key in ("low", "mean", "high"))
        assert low <= mean <= high
        folders = [tmp_path / "out" / cell for cell in row["cells"]]
        both = [[load_predictions(folder / f"{part}.safetensors") for part in PARTS] for folder in folders]
        scaled = [calibration(test, validation) for test, validation in both]
        assert row["calibration"]["before"]["ece"] == fmean(each["before"]["ece"] for each in scaled)
        assert ("after" in row["calibration"]) is all("after" in each for each in scaled)
    # The same weights twice say the same twice: one seed. Another untrained network is another one.
    assert rows["ours", "linear", ""]["seeds"] == [1]
    assert rows["untrained", "linear", ""]["seeds"] == rows["ours", "few_shot", "0.3"]["seeds"] == [1, 2]
    assert rows["words", "words", ""]["scores"]["accuracy"]["mean"] > 0.6
    assert rows["ours", "finetune", ""]["scores"]["accuracy"]["mean"] > 0.7
    task = found.report["tasks"]["stripes"]
    assert task["state"] == "ready" and task["train"] + task["validation"] + task["test"] == 75
    assert task["straddling"] == 0
    compared = {(each["second"], each["protocol"], each["variant"]) for each in found.report["comparisons"]}
    assert ("untrained", "few_shot", "0.3") in compared and len(compared) == 4


def test_interrupted_anywhere_it_goes_on_where_it_was(told, tmp_path: Path) -> None:
    whole = run(told(out=tmp_path / "whole")).report
    for stop_at in (1, 2, 4):
        out, first = tmp_path / f"stopped-{stop_at}", Tuner(stop_at)
        with pytest.raises(KeyboardInterrupt):
            run(told(out=out), first)
        second = Tuner()
        again = run(told(out=out), second).report
        assert first.calls - 1 + second.calls == 4
        for key in ("rows", "comparisons", "tasks"):
            assert again[key] == whole[key]


def test_a_finished_suite_does_nothing_again_but_a_changed_protocol_does(told) -> None:
    run(told())
    again = Tuner()
    run(told(title="Another title"), again)
    assert again.calls == 0
    changed = told().model_dump()["protocols"]
    changed["finetune"]["settings"] = ("training.epochs=2",)
    run(told(protocols=changed), again)
    assert again.calls == 4


def test_missing_data_are_told_and_a_failing_cell_fails_alone(told, tmp_path: Path) -> None:
    tasks = {"absent": write_task(tmp_path / "", tmp_path / "nowhere")}
    (tmp_path / "stripes.yaml").rename(tmp_path / "absent.yaml")
    tasks = {**told().tasks, "absent": tmp_path / "absent.yaml"}
    found = run(told(tasks=tasks))
    assert found.ok
    assert "vemo shards build configs/datasets/tweets.yaml" in found.report["tasks"]["absent"]["how_to_get"]
    assert "absent: " in found.summary and found.report["rows"]
    failed = run(told(tasks=tasks, out=tmp_path / "failing"), Tuner(fail=True))
    assert not failed.ok
    assert {each["reason"] for each in failed.report["absent"]} == {"out of luck"}
    assert {row["protocol"] for row in failed.report["rows"]} == {"linear", "neighbours", "few_shot"}


def test_whatever_a_cell_dies_of_the_others_go_on(told, tmp_path: Path) -> None:
    class Dying(Tuner):
        def __call__(self, protocol, task, encoder, seed, folder):
            raise torch.OutOfMemoryError("no memory left\nsecond line")

    found = run(told(), Dying())
    assert not found.ok
    assert {row["protocol"] for row in found.report["rows"]} == {"linear", "neighbours", "few_shot"}
    (reason,) = {each["reason"] for each in found.report["absent"]}
    assert reason == "OutOfMemoryError: no memory left (see failures.log)"
    assert "second line" in (tmp_path / "out" / "failures.log").read_text()


def test_a_seed_that_failed_is_missed(told) -> None:
    class Failing(Tuner):
        def __call__(self, protocol, task, encoder, seed, folder):
            if seed == 2:
                raise UserError("not today")
            return super().__call__(protocol, task, encoder, seed, folder)

    row = rows_of(run(told(), Failing()).report)["ours", "finetune", ""]
    assert (row["seeds"], row["missing_seeds"]) == ([1], [2])
    assert row["scores"]["macro_f1"]["deviation"] is None


def test_damaged_cells_are_done_again(told, tmp_path: Path) -> None:
    row = rows_of(run(told()).report)["ours", "finetune", ""]
    first, second = (tmp_path / "out" / cell for cell in row["cells"])
    (first / "test.safetensors").unlink()
    (second / "cell.json").write_text("{")
    again = Tuner()
    assert run(told(), again).ok and again.calls == 2


def test_seeds_are_run_where_they_draw_minibatches(told) -> None:
    few = {"linear": {"kind": "linear", "linear": {"batch_size": 8}}}
    row = rows_of(run(told(protocols=few)).report)["ours", "linear", ""]
    assert row["seeds"] == [1, 2] and row["scores"]["nll"]["deviation"] > 0


def test_data_that_are_there_and_wrong_are_a_failure(told, tmp_path: Path, shards: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({**TASK, "shards": str(shards), "test_split": "exam"}))
    found = run(told(tasks={**told().tasks, "wrong": wrong}))
    assert not found.ok and found.report["rows"]
    assert [each["task"] for each in found.report["absent"]] == ["wrong"]
    assert "no split 'exam'" in found.summary


def test_torchrun_and_devices_that_are_not_there_are_refused(told, monkeypatch) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device"):
            run(told(device="cuda"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="one process"):
        run(told())


def test_few_shots_are_those_that_fine_tuning_would_draw(shards: Path, told, tmp_path: Path) -> None:
    task = open_task("stripes", TaskConfig.model_validate({**TASK, "shards": shards}))
    numbers = selected(ShardSet(shards), "train", task.selection(0.3, seed=2))
    ids = {ShardSet(shards).record("train", number)["id"] for number in numbers.tolist()}
    assert task.training_ids(0.3, 2) == ids and not ids & task.held_out_ids()
    row = rows_of(run(told()).report)["ours", "few_shot", "0.3"]
    about = json.loads((tmp_path / "out" / row["cells"][1] / "cell.json").read_text())
    labelled = {record["id"] for record in ShardSet(shards).records("train") if record.get("labels")}
    assert about["trained_on"] == len(ids & labelled)


def test_transfer_learns_from_mapped_labels_and_never_from_a_tested_image(told, tmp_path: Path, shards: Path):
    """`swapped` is the same set with training and test split exchanged: all it trains on is tested here."""
    polarity = {**TASK, "shards": str(shards), "space": "polarity2", "spaces": {"polarity3": "polarity2"}}
    others = {
        "two": polarity,
        "swapped": {**polarity, "train_split": "test", "test_split": "train"},
        "shares": {**TASK, "shards": str(shards), "kind": "distribution"},
    }
    tasks = dict(told().tasks)
    for name, task in others.items():
        tasks[name] = tmp_path / f"{name}.yaml"
        tasks[name].write_text(yaml.safe_dump(task))
    found = run(told(tasks=tasks, protocols={"transfer": {"kind": "transfer"}}, seeds=(1,))).report
    rows = {(row["task"], row["variant"]): row for row in found["rows"] if row["encoder"] == "ours"}
    reasons = {(each["task"], each["variant"]): each["reason"] for each in found["absent"]}
    assert {("two", "from stripes"), ("stripes", "from two")} == rows.keys()
    assert "too little arrives" in reasons["stripes", "from swapped"]
    # The set has classes and no shares, so the task itself cannot be opened.
    assert "no train sample has a label" in found["tasks"]["shares"]["how_to_get"]
    # What never was neutral cannot be said to be.
    cell = load_predictions(tmp_path / "out" / rows["stripes", "from two"]["cells"][0] / "test.safetensors")
    assert "neutral" not in {cell.classes[place] for place in cell.outputs.argmax(1).tolist()}


def test_mistakes_of_the_config_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="no encoder 'other'"):
        SuiteConfig.model_validate(
            {
                "out": "x",
                "tasks": {"a": "a.yaml"},
                "encoders": {"b": {"weights": "c"}},
                "protocols": {"linear": {"kind": "linear"}},
                "reference": "other",
            }
        )
    good = {"out": "x", "tasks": {"a": "a.yaml"}, "encoders": {"b": {"weights": "c"}}}
    for protocol, change, message in (
        ({"kind": "transfer", "sources": ["z"]}, {}, "no task 'z'"),
        ({"kind": "few_shot", "fractions": []}, {}, "at least 1"),
        ({"kind": "linear"}, {"seeds": [1, 1]}, "stands twice"),
        ({"kind": "linear"}, {"published": "nowhere.yaml"}, "no such file"),
    ):
        with pytest.raises(ValueError, match=message):
            SuiteConfig.model_validate({**good, "protocols": {"p": protocol}, **change})
    with pytest.raises(ValueError, match="name axes"):
        TaskConfig.model_validate({**TASK, "shards": "x", "kind": "vad"})
    for change, message in (
        ({"main": "kl"}, "single has macro_f1"),
        ({"main": "top3_accuracy"}, "of 3 classes"),
        ({"space": "polarty3"}, "did you mean polarity3"),
    ):
        with pytest.raises(ValueError, match=message):
            TaskConfig.model_validate({**TASK, "shards": "x", **change})
