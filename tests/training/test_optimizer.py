"""Learning rates by step and by layer; optimizers by name."""

import math

import pytest
import torch
from timm.scheduler import CosineLRScheduler
from toy_runs import ToyTask, toy_config
from vemo.foundation import UserError
from vemo.training.optimizer import (
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)


def test_warm_up_is_linear_and_the_cosine_ends_at_the_minimum():
    config = ScheduleConfig(min_lr=0.1)
    rates = [learning_rate(step, 110, 10, 1.0, config) for step in range(110)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 0.99)))
    assert learning_rate(200, 110, 10, 1.0, config) == pytest.approx(0.1)
    assert learning_rate(60, 110, 10, 1.0, ScheduleConfig(kind="constant")) == 1.0


def test_the_cosine_is_timms():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = CosineLRScheduler(optimizer, t_initial=100, lr_min=0.1, t_in_epochs=False)
    for step in range(100):
        theirs.step_update(step)
        assert learning_rate(step, 100, 0, 1.0, ScheduleConfig(min_lr=0.1)) == pytest.approx(
            optimizer.param_groups[0]["lr"]
        )


def test_a_warm_up_longer_than_the_run_only_rises():
    assert [learning_rate(step, 4, 8, 1.0, ScheduleConfig()) for step in range(4)] == [
        0.125,
        0.25,
        0.375,
        0.5,
    ]


def test_biases_are_not_decayed():
    optimizer = build_optimizer(ToyTask(), OptimizerConfig(weight_decay=0.3))
    for group in optimizer.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] == 0.3}


class Layered(ToyTask):
    def group_matcher(self, coarse=False):
        return {"blocks": r"^blocks\.(\d+)", "head": r"^head"}


def test_layer_decay_scales_each_layers_rate():
    optimizer = build_optimizer(Layered(), OptimizerConfig(lr=1.0, layer_decay=0.5))
    set_learning_rate(optimizer, 0.8)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([0.2, 0.4, 0.8])


class Grouped(ToyTask):
    def parameter_groups(self, weight_decay):
        head = {"params": list(self.head.parameters()), "lr_scale": 0.1, "weight_decay": weight_decay}
        return [head, {"params": list(self.blocks.parameters()), "weight_decay": 0.0}]


def test_a_tasks_own_groups_are_taken():
    optimizer = build_optimizer(Grouped(), OptimizerConfig(lr=1.0, weight_decay=0.3, betas=(0.8, 0.9)))
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.5])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)


def test_an_unknown_optimizer_is_a_user_error_that_names_near_ones():
    with pytest.raises(UserError) as caught:
        toy_config("optimizer.name=adamww")
    message = str(caught.value)
    assert "optimizer.name: must be one of timm's " in message
    assert " optimizers, such as adamw, " in message
    assert message.endswith("got 'adamww'      from the command line")
