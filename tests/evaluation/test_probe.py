"""The whole probe on a small shard set: protocol, report, honesty."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from vemo.evaluation import ProbeConfig, ProbeReport, probe
from vemo.evaluation.linear import LinearConfig
from vemo.foundation.errors import UserError

QUICK = LinearConfig(learning_rates=(1e-2, 1e-1), weight_decays=(0.0, 1e-1), steps=40)


class StripeReader:
    """A teacher that sees how rough an image is down and across, and knows what that is called."""

    name = "stripes"
    image_size = 32

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        values = images.float().mean(1)
        down = values.diff(dim=1).abs().mean((1, 2))
        across = values.diff(dim=2).abs().mean((1, 2))
        return normalize(torch.stack([across, down], dim=1) + 1e-3, dim=1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        axes = {"negative": [1.0, 0.05], "neutral": [1.0, 1.0], "positive": [0.05, 1.0]}
        rows = [next(axis for word, axis in axes.items() if word in text) for text in texts]
        return normalize(torch.tensor(rows), dim=1)


def config(shards: Path, checkpoint: str, **changes: object) -> ProbeConfig:
    given = {
        "checkpoint": checkpoint,
        "shards": shards,
        "folds": 3,
        "linear": QUICK,
        "resamples": 1000,
        "batch_size": 32,
        "device": "cpu",
    }
    return ProbeConfig.model_validate({**given, **changes})


@pytest.fixture(scope="module")
def report(shards: Path, checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> ProbeReport:
    out = tmp_path_factory.mktemp("report") / "probe.json"
    return probe(config(shards, checkpoint, out=out), StripeReader())


def test_rows_and_what_each_reads(report: ProbeReport) -> None:
    assert [row.name for row in report.rows] == [
        "pretrained", "untrained", "colour statistics", "teacher", "majority",
    ]  # fmt: skip
    stripes = report["teacher"].scores
    assert stripes["linear"].intervals["accuracy"].value > 0.9
    assert stripes["neighbours"].intervals["accuracy"].value > 0.9
    assert stripes["zero_shot"].intervals["accuracy"].value > 0.9
    # Colours were drawn at random, so their statistics are near the chance of one in three.
    assert report["colour statistics"].scores["linear"].intervals["accuracy"].value < 0.6
    assert set(report["majority"].scores) == {"linear"}
    assert set(report["pretrained"].scores) == {"linear", "neighbours"}


def test_every_labelled_image_is_tested_once(report: ProbeReport) -> None:
    assert (report.facts["test_images"], report.facts["test_groups"]) == (75, 65)
    for row in report.rows:
        for found in row.scores.values():
            assert sum(map(sum, found.confusion)) == 75
            assert found.intervals["accuracy"].low <= found.intervals["accuracy"].value
    assert len(report["pretrained"].chosen["linear"]) == 3


def test_differences_are_signed_from_the_pretrained_encoder(report: ProbeReport) -> None:
    for name, found in report.differences.items():
        ours, theirs = (report[each].scores["linear"].intervals["macro_f1"] for each in ("pretrained", name))
        assert found["macro_f1"].value == pytest.approx(ours.value - theirs.value)
    assert report.differences["teacher"]["macro_f1"].high < 0
    assert "is worse beyond the interval" in report.sentences[2]


def test_table_is_plain_text_away_from_a_terminal(report: ProbeReport) -> None:
    lines = report.table.splitlines()
    assert "\x1b" not in report.table
    assert "linear macro-F1" in report.table
    assert "zero-shot accuracy" in report.table
    assert any(line.startswith("| pretrained (test_vit)") and line.count("[") == 2 for line in lines)
    assert "3 folds that keep groups whole" in lines[-1]
    assert "75 test images in 65 groups" in lines[-1]


def test_table_on_a_terminal_has_colours(report: ProbeReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in report.table


def test_json_holds_everything(report: ProbeReport) -> None:
    written = json.loads(Path(report.facts["config"]["out"]).read_text())
    assert written == json.loads(json.dumps(report.to_json()))
    row = written["rows"]["teacher"]
    assert set(row["scores"]["linear"]["per_class"]) == {"negative", "neutral", "positive"}
    assert row["chosen"]["linear"][0]["learning_rate"] in QUICK.learning_rates
    assert len(written["shards_fingerprint"]) == 64
    assert written["seed"] == 0
    assert set(written["differences"]["untrained"]["macro_f1"]) == {
        "value",
        "low",
        "high",
        "p",
        "beyond_interval",
    }


def test_deterministic(shards: Path, checkpoint: str, report: ProbeReport) -> None:
    again = probe(config(shards, checkpoint), StripeReader())
    first, second = report.to_json(), again.to_json()
    assert first["rows"] == second["rows"]
    assert first["differences"] == second["differences"]


def test_own_splits_without_validation(shards: Path, checkpoint: str) -> None:
    found = probe(config(shards, checkpoint, folds=0, colours=False, untrained=False))
    assert [row.name for row in found.rows] == ["pretrained", "majority"]
    assert found.facts["protocol"] == "trained on train, chosen by loss on inner folds, tested on test"
    assert found.facts["test_images"] == found.facts["splits"]["test"]
    assert sum(found.facts["splits"].values()) == 75
    assert found.facts["straddling_groups"] == 0
    assert "zero-shot" not in found.table


def test_validation_split_chooses_where_there_is_one(shards: Path, checkpoint: str) -> None:
    """Roles only: here one split cannot serve twice, and that is refused."""
    with pytest.raises(UserError, match="must be different splits"):
        probe(config(shards, checkpoint, folds=0, validation_split="train"))


def test_yardstick_has_its_own_image_size(shards: Path, checkpoint: str) -> None:
    found = probe(
        config(
            shards, checkpoint, yardstick=checkpoint.replace(":32@", ":48@"), colours=False, untrained=False
        )
    )
    assert [row.name for row in found.rows] == ["pretrained", "yardstick", "majority"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 0, "test_split": "holdout"}, "no test split 'holdout', there are train, test"),
        ({"folds": 0, "validation_split": "val"}, "no validation split 'val'"),
        ({"label_space": "mikels8"}, "no sample with a label of mikels8"),
        ({"label_space": "mikels9"}, "mikels8"),
        ({"folds": 66}, "cannot make 66 folds of 65 groups"),
    ],
)
def test_mistakes_are_user_errors(shards: Path, checkpoint: str, changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        probe(config(shards, checkpoint, **changes))
