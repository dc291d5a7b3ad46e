"""The whole audit: JSON, page, sentences; predictions of both kinds; robustness of a made-up model."""

import json
import re

import pytest
import torch
from vemo.cli import main
from vemo.datasets.stream import EvaluationView
from vemo.evaluation.model_audit import ModelAuditConfig, audit
from vemo.evaluation.model_audit.measures import Said
from vemo.evaluation.model_audit.robustness import Subject
from vemo.evaluation.predictions import load_predictions, save_predictions
from vemo.evaluation.scoring import flat_scores
from vemo.evaluation.targets import ClassTarget
from vemo.foundation import UserError
from vemo.foundation.config import load_config

QUICK = {"resamples": 200, "permutations": 200}


def no_model(folder, head, device):
    raise AssertionError("no model was asked for")


@pytest.fixture
def audited(files, tmp_path):
    config = {
        "predictions": files[0],
        "table": files[1],
        "attributes": ("side", "age"),
        "out": tmp_path / "a",
    }
    bins = {"age": (20, 40)}
    return audit(
        ModelAuditConfig(**config, bins=bins, annotated_by="a <test>", **QUICK), no_model
    ), tmp_path / "a"


def test_what_was_planted_is_said_first(audited):
    report, out = audited
    first = report["findings"][0]
    assert first["kind"] == "bad" and first["text"].startswith("side left: accuracy")
    assert "do not explain it" in first["text"]
    assert json.loads((out / "audit.json").read_text()) == json.loads(json.dumps(report))
    side, age, both = report["partitions"]
    assert [each["name"] for each in side["groups"]] == ["left", "right"]
    assert {each["group"]: each["verdict"] for each in side["verdicts"]} == {"left": "gap"}
    assert age["too_small"] == [{"name": "below 20", "samples": 12, "dataset_groups": 6}]
    assert age["not_known"]["samples"] == 8
    texts = " ".join(each["text"] for each in report["findings"])
    assert "age: too small to compare" in texts and "8 of 400 samples (2%) have no value" in texts
    assert both["name"] == "side × age" and report["tests"] == sum(
        len(each["gaps"]) for each in report["partitions"]
    )
    kinds = [each["kind"] for each in report["findings"]]
    assert kinds == sorted(kinds, key=("bad", "look", "good").index)


def test_groups_are_scored_as_everybody_is(audited, files):
    report, _ = audited
    test = load_predictions(files[0])
    scores = flat_scores(test)
    for name in ("accuracy", "macro_f1", "uar"):
        assert report["overall"][name]["value"] == pytest.approx(scores[name])
    assert report["overall"]["ece"] == pytest.approx(scores["ece"])
    groups = report["partitions"][0]["groups"]
    hits = sum(each["samples"] * each["accuracy"]["value"] for each in groups)
    assert hits / len(test) == pytest.approx(scores["accuracy"])
    for each in groups:
        assert each["accuracy"]["low"] < each["accuracy"]["value"] < each["accuracy"]["high"]
        assert sum(each["class_mix"]) == pytest.approx(1) and sum(each["support"]) == each["samples"]


def test_the_page_stands_alone_and_escapes(audited):
    page = (audited[1] / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page) and "<script" not in page
    assert "annotations by a &lt;test&gt;" in page and "must not be used" in page and "perceive" in page
    assert page.index("side left: accuracy") < page.index("All samples") < page.index("How this was tested")
    for title in ("side", "age", "side × age", "Calibration", "Abstention"):
        assert f">{title}" in page
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", page.lower())


def test_without_attributes_none_is_looked_at(files, tmp_path):
    report = audit(ModelAuditConfig(predictions=files[0], out=tmp_path / "b", **QUICK), no_model)
    assert report["partitions"] == [] and report["attributes"] == [] and report["tests"] == 0
    page = (tmp_path / "b" / "index.html").read_text()
    assert "annotations" not in page and "Abstention" in page


def test_distributions_are_compared_by_kl(draw, files, tmp_path):
    worse = torch.arange(400).numpy() % 4 < 2
    save_predictions(tmp_path / "d.safetensors", draw("distribution", worse=worse))
    save_predictions(tmp_path / "v.safetensors", draw("distribution", seed=1))
    config = {"predictions": tmp_path / "d.safetensors", "validation": tmp_path / "v.safetensors"}
    report = audit(ModelAuditConfig(**config, table=files[1], attributes=("side",), **QUICK), no_model)
    assert report["score"] == "kl" and report["findings"][0]["text"].startswith("side left: KL")
    assert "nats" in report["findings"][0]["text"]
    soft = report["overall"]["soft_labels"]
    assert (
        soft["kl"] == pytest.approx(report["overall"]["kl"]["value"]) and -1 <= soft["entropy_spearman"] <= 1
    )
    assert report["calibration"]["temperature"]["value"] > 0
    assert (tmp_path / "model-audit" / "index.html").exists()


def test_the_temperature_moves_confidence_and_not_the_classes(draw):
    plain, scaled = Said(draw()), Said(draw(), draw(seed=1))
    assert scaled.temperature is not None and scaled.temperature.value != 1
    assert torch.equal(plain.guesses, scaled.guesses) and torch.equal(plain.outcome, scaled.outcome)
    assert not torch.allclose(plain.confidence, scaled.confidence)


def test_abstention_falls_to_the_error_of_all(draw):
    said = Said(draw())
    curve = said.abstention()
    assert curve["coverage"][-1] == 1 and len(curve["coverage"]) <= 60
    assert curve["risk"][-1] == pytest.approx(1 - float(said.right.mean()))
    found = said.describe(torch.arange(400), 0.0, 200, 0)
    assert found["answered"] == 1 and found["right_where_answered"] == pytest.approx(found["right"])
    assert said.describe(torch.arange(400), 0.9999, 200, 0)["right_where_answered"] is None


def brightness_model(folder, head, device):
    """Says "positive" of bright images, "negative" of dark ones."""

    def predict(batch):
        light = batch["image"].float().mean((1, 2, 3)) / 255 - 0.5
        return torch.stack([4 * light, -4 * light, torch.full_like(light, -1.0)], 1)

    target = ClassTarget("emotion", "polarity3")
    return Subject("brightness", "single", "polarity3", target, EvaluationView(32, 1.0), predict)


def test_robustness_compares_the_same_samples(shards, tmp_path):
    config = {"checkpoint": tmp_path, "shards": shards, "split": "test", "out": tmp_path / "c"}
    chosen = {"corruptions": ("grey", "low_light"), "severities": (5, 1)}
    report = audit(ModelAuditConfig(robustness=True, **config, **chosen, **QUICK), brightness_model)
    found = report["robustness"]
    assert [(each["corruption"], each["severity"]) for each in found["conditions"]] == [
        ("grey", 1), ("grey", 5), ("low_light", 1), ("low_light", 5),
    ]  # fmt: skip
    dark = load_predictions(tmp_path / "c" / "robustness" / "low_light-5.safetensors")
    clean = load_predictions(tmp_path / "c" / "robustness" / "clean.safetensors")
    assert dark.ids == clean.ids and torch.equal(dark.targets, clean.targets)
    assert (dark.outputs.argmax(1) == 1).all()
    change = found["conditions"][3]["change"]["accuracy"]
    expected = flat_scores(dark)["accuracy"] - flat_scores(clean)["accuracy"]
    assert change["value"] == pytest.approx(expected) and change["low"] <= expected <= change["high"]
    assert report["samples"] == len(clean) and found["samples"] < found["of"]  # some have no label
    page = (tmp_path / "c" / "index.html").read_text()
    assert page.count("<img") == 3 and "low light" in page and "Corrupted images" in page
    fewer = audit(
        ModelAuditConfig(robustness=True, **config, samples=30, **chosen, **QUICK), brightness_model
    )
    assert fewer["robustness"]["samples"] == min(30, len(clean))


def test_mistakes_are_one_line(draw, files, tmp_path, capsys):
    assert main(["audit"]) == 2
    assert "give predictions=FILE" in capsys.readouterr().err
    assert main(["audit", f"predictions={files[0]}", "attributes=[side]"]) == 2
    assert "say where they are" in capsys.readouterr().err
    assert main(["audit", f"predictions={files[0]}", "robustness=true"]) == 2
    assert "needs checkpoint=MODEL_FOLDER" in capsys.readouterr().err
    assert main(["audit", f"predictions={tmp_path / 'none'}"]) == 2
    assert "no such file" in capsys.readouterr().err
    single = draw()
    save_predictions(tmp_path / "m.safetensors", type(single)(
        "multilabel", "polarity3", single.classes, single.ids, single.groups, single.outputs, single.targets
    ))  # fmt: skip
    assert main(["audit", f"predictions={tmp_path / 'm.safetensors'}"]) == 2
    assert "those of one class or of a distribution" in capsys.readouterr().err
    with pytest.raises(UserError, match="bins: 'age' is not among attributes"):
        load_config(ModelAuditConfig, None, [f"predictions={files[0]}", "bins.age=[3]"])


def test_the_command_takes_a_yaml_and_settings(files, tmp_path, capsys):
    (tmp_path / "audit.yaml").write_text(f"predictions: {files[0]}\nresamples: 200\npermutations: 200\n")
    given = [f"table={files[1]}", "attributes=[side]", f"out={tmp_path / 'e'}"]
    assert main(["audit", str(tmp_path / "audit.yaml"), *given]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("bad   side left: accuracy") and str(tmp_path / "e" / "index.html") in printed
