"""Each check against a case whose answer is known."""

import math

import numpy as np
import pytest
import torch
from vemo.datasets.stream import ShardSet
from vemo.evaluation.audit.agreement import disagreement
from vemo.evaluation.audit.doubts import View, label_quality, out_of_fold_voices
from vemo.evaluation.audit.eyes import attribute_words
from vemo.evaluation.audit.leakage import attribute_leakage
from vemo.evaluation.audit.pixels import light_differences, placeholders
from vemo.evaluation.audit.scan import Scan, scan
from vemo.evaluation.linear import LinearConfig


def test_disagreement():
    found = disagreement([[2, 2, 0], [4, 0, 0], [1, 2, 1]], votes=True)
    assert found["mean entropy"] == pytest.approx((math.log(2) + 1.5 * math.log(2)) / 3)
    assert (found["unanimous"], found["no majority"], found["tied"]) == (1 / 3, 2 / 3, 1 / 3)
    assert disagreement([[0.5, 0.5]], votes=False)["krippendorff alpha"] is None


def test_what_an_attribute_gives_away():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400).tolist()
    records = [
        {
            "id": str(i),
            "source": {},
            "attributes": {
                "telling": ("cemetery", "park")[label],
                "silent": str(generator.integers(0, 3)),
                "unique": str(i),
            },
        }
        for i, label in enumerate(labels)
    ]
    found = attribute_leakage(records, labels, ("sadness", "joy"))
    assert found["telling"]["held out"] == found["telling"]["seen"] == 1
    assert {row["value"] for row in found["telling"]["telling"]} == {"cemetery", "park"}
    assert found["silent"]["held out"] < 0.6
    # what people quote sees the image itself: a value of its own for each image "predicts" all of them
    assert found["unique"]["seen"] == 1 and found["unique"]["held out"] < 0.6
    assert found["all attributes"]["held out"] > 0.95


def out_of_fold(features, *rest):
    return out_of_fold_voices([View("probe", "picture", features)], *rest)[0].said


def test_wrong_labels_come_first():
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(300) % 3
    features = torch.randn(300, 8, generator=generator) + 4 * torch.nn.functional.one_hot(true, 8)
    labels = true.clone()
    labels[:30] = (labels[:30] + 1) % 3
    config = LinearConfig(learning_rates=(0.05,), weight_decays=(1e-3,))
    probabilities = out_of_fold(features, labels, [str(i) for i in range(300)], 3, config)
    assert torch.allclose(probabilities.sum(1), torch.ones(300), atol=1e-5)
    first = label_quality(probabilities, labels).argsort()[:30]
    assert (first < 30).float().mean() > 0.9


def test_out_of_fold_never_sees_its_own_group():
    labels = torch.arange(40) % 2
    features = torch.eye(40)  # every sample is known by a number of its own
    groups = [f"{i // 4}" for i in range(40)]
    config = LinearConfig(learning_rates=(0.1,), weight_decays=(0.0,))
    probabilities = out_of_fold(features, labels, groups, 2, config)
    assert (probabilities - 0.5).abs().max() < 0.1  # had it seen them, it would be sure


def test_what_has_no_label_is_judged_by_all_folds():
    labels = torch.arange(60) % 3
    features = 4 * torch.nn.functional.one_hot(labels, 3).float()
    unlabelled = labels.clone()
    unlabelled[50:] = -1
    config = LinearConfig(learning_rates=(0.05,), weight_decays=(1e-3,))
    found = out_of_fold(features, unlabelled, [str(i) for i in range(60)], 3, config)
    assert found[50:].argmax(1).tolist() == labels[50:].tolist() and bool(found.isfinite().all())


def test_a_probe_that_sees_nothing_is_silent():
    labels = torch.arange(20) % 2
    blank = torch.arange(20) < 4
    views = [View("words", "attributes", torch.randn(20, 3), blank)]
    config = LinearConfig(learning_rates=(0.05,), weight_decays=(1e-3,))
    (voice,) = out_of_fold_voices(views, labels, [str(i) for i in range(20)], 2, config)
    assert voice.said.isnan().all(1).tolist() == blank.tolist() and voice.of == "attributes"


def test_attribute_words_are_counted_and_rare_ones_left_out():
    records = [{"attributes": {"scene": "street", "objects": ["Dog", "Tree"]}}] * 5 + [
        {"attributes": {"scene": "sea"}}
    ]
    found = attribute_words(records)
    assert found.shape == (6, 3) and found[:5].sum() == 15 and found[5].sum() == 0


def test_measured_light_is_the_annotated_one(flawed):
    found = light_differences(scan(ShardSet(flawed[0])))
    for key in ("brightness", "colorfulness"):
        # annotated in steps of 0.1, half a step off at the most, and near copies were made lighter or darker
        assert found[key]["mean difference"] < 0.04
        assert found[key]["correlation"] > 0.9


def test_placeholders():
    thumbnails = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    thumbnails[0] = 200
    record = {"id": "x", "source": {}, "width": 100, "height": 100}
    records = [record] * 5 + [{**record, "width": 8}]
    seen = Scan(records, ["train"] * 6, list(range(6)), thumbnails, list("abcccd"), np.zeros(6), np.zeros(6))
    assert placeholders(seen, [0, 0, 0, 1, 2, 0], [[2, 3, 4]]) == {
        0: "flat",
        5: "tiny",
        2: "repeated",
        3: "repeated",
        4: "repeated",
    }
    assert 2 not in placeholders(
        seen, [0, 0, 1, 1, None, 0], [[2, 3, 4]]
    )  # copies under one label are just copies
