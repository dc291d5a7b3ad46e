"""Supervision by annotations: what there is to learn, targets of a record, heads that skip the absent."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from vemo.foundation import UserError
from vemo.pretrain.attributes import AttributeHeads, AttributesConfig, read_vocabulary


def record(label="awe", **attributes):
    return {"id": "x", "labels": {"mikels8": {"class": label}}, "attributes": attributes}


RECORDS = [
    record("awe", scene="beach", objects=["Tree", "Boat"], brightness=0.5),
    record("fear", scene="forest", objects=["Tree"], colorfulness=0.25),
    record("awe", scene="beach", objects=[], human_action="boxing"),
    {"id": "y"},
]


@pytest.fixture
def vocabulary():
    return read_vocabulary(RECORDS, AttributesConfig(at_least=1))


def test_the_vocabulary_is_what_the_records_have(vocabulary):
    assert vocabulary.spaces == ("mikels8",)
    assert vocabulary.words == {
        "scene": ("beach", "forest"),
        "objects": ("Boat", "Tree"),
    }  # one action: no choice
    assert vocabulary.numbers == ("brightness", "colorfulness")
    assert vocabulary.sizes == {
        "label_mikels8": 8,
        "scene": 2,
        "objects": 2,
        "brightness": 1,
        "colorfulness": 1,
    }


def test_rare_words_are_no_class():
    found = read_vocabulary(
        [*RECORDS, record("awe", scene="sea")], AttributesConfig(at_least=2, names=["objects"])
    )
    assert found.words == {"objects": ("Tree",)} and not found.spaces


def test_nothing_to_learn_is_refused():
    with pytest.raises(UserError, match="none of scene"):
        read_vocabulary(RECORDS, AttributesConfig(names=["scene"], at_least=9))


def test_targets(vocabulary):
    full, empty = vocabulary.targets(RECORDS[0]), vocabulary.targets(RECORDS[3])
    assert full["target_label_mikels8"] == 1 and full["target_scene"] == 0
    assert full["target_objects"].tolist() == [1, 1] and full["target_brightness"] == 0.5
    assert math.isnan(full["target_colorfulness"])
    assert empty["target_label_mikels8"] == empty["target_scene"] == -1
    assert empty["target_objects"].tolist() == [-1, -1]
    assert vocabulary.targets(record(scene="moon"))["target_scene"] == -1
    assert vocabulary.targets(RECORDS[2])["target_objects"].tolist() == [0, 0]  # known to show none
    assert pickle.loads(pickle.dumps(vocabulary)).targets(RECORDS[0])["target_scene"] == 0


def batch_of(vocabulary, records):
    targets = [vocabulary.targets(each) for each in records]
    return {key: torch.as_tensor(np.array([target[key] for target in targets])) for key in targets[0]}


def test_the_loss_is_a_mean_over_samples_and_heads(vocabulary):
    torch.manual_seed(0)
    heads = AttributeHeads(5, vocabulary)
    features = torch.randn(4, 5)
    batch = batch_of(vocabulary, RECORDS)
    whole = heads(features, batch)
    parts = [
        heads(features[rows], {key: value[rows] for key, value in batch.items()}) for rows in ([0, 1], [2, 3])
    ]
    assert torch.allclose(whole, (parts[0] + parts[1]) / 2)
    scenes = cross_entropy(heads.heads["scene"](features[:3]), torch.tensor([0, 1, 0]), reduction="sum") / 4
    brightness = (heads.heads["brightness"](features[0]).sigmoid() - 0.5).square().sum() / 4
    only = read_vocabulary(RECORDS, AttributesConfig(at_least=1, names=["scene", "brightness"]))
    alone = AttributeHeads(5, only)
    alone.load_state_dict(
        {key: value for key, value in heads.state_dict().items() if key in alone.state_dict()}
    )
    assert torch.allclose(alone(features, batch), (scenes + brightness) / 2)


def test_a_batch_without_any_target_costs_nothing_and_every_head_takes_part(vocabulary):
    heads = AttributeHeads(5, vocabulary)
    loss = heads(torch.randn(2, 5), batch_of(vocabulary, [RECORDS[3]] * 2))
    loss.backward()
    assert loss == 0
    assert all(
        parameter.grad is not None and parameter.grad.abs().max() == 0 for parameter in heads.parameters()
    )
