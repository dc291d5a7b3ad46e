"""What a learner does to the task it is given, whatever is trained."""

import copy

import torch
from torch import nn
from vemo.training import Task
from vemo.training.distributed import World
from vemo.training.learner import Learner, LearnerConfig


class Convolutions(Task):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))

    def forward(self, batch):
        return {"loss": self.layers(batch["image"]).square().mean()}


def test_channels_last_changes_the_layout_and_nothing_else():
    task, batch = Convolutions(), {"image": torch.rand(2, 3, 9, 9)}
    weights = []
    for channels_last in (False, True):
        config = {"device": "cpu", "ema": 0.5, "channels_last": channels_last}
        learner = Learner(copy.deepcopy(task), LearnerConfig.model_validate(config), World())
        for number in range(3):
            learner.backward(batch, last=True)
            learner.update(0.01, number)
        assert learner.average is not None
        for module in (learner.task, learner.average.module):
            first = module.get_parameter("layers.2.weight")
            assert first.is_contiguous(memory_format=torch.channels_last) == channels_last
            assert first.is_contiguous() != channels_last
        weights.append(learner.weights())
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-7)
