"""SAM and ASAM: where the gradient is taken, that nothing else moves, that runs of it are like any run."""

import itertools

import pytest
import torch
from torch import nn
from toy_runs import ToyTask, assert_same_weights, curve, run_toy, toy_config, toy_trainer, what_it_said
from vemo.foundation import UserError
from vemo.training import Task
from vemo.training.distributed import World
from vemo.training.learner import Learner, LearnerConfig
from vemo.training.sharpness import ETA, SharpnessConfig, uphill

SAM = "sharpness.rho=0.05"


class Quadratic(Task):
    """L = ½ w'Aw, in float64."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        root = torch.randn(5, 5, dtype=torch.float64, generator=generator)
        self.matrix = root @ root.T
        self.weight = nn.Parameter(torch.randn(5, dtype=torch.float64, generator=generator))

    def forward(self, batch):
        return {"loss": self.weight @ self.matrix @ self.weight / 2}


def learner_of(task, **settings):
    optimizer = {"name": "sgd", "lr": 0.1, "weight_decay": 0}
    config = {"device": "cpu", "clip_norm": None, "optimizer": optimizer, **settings}
    return Learner(task, LearnerConfig.model_validate(config), World())


def step(learner, batch):
    learner.backward(batch, last=True)
    with learner.uphill():
        learner.backward(batch, last=True)
    learner.update(0.1, 0)


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_step_on_a_quadratic_is_the_formula(adaptive):
    task = Quadratic()
    w, a = task.weight.detach().clone(), task.matrix
    unit = w.abs() + ETA if adaptive else torch.ones_like(w)
    gradient = a @ w
    climb = 0.3 * unit.square() * gradient / ((unit * gradient).norm() + 1e-12)
    # nesterov, timm's sgd: the first step is 1 + momentum times the gradient's
    learner = learner_of(task, sharpness={"rho": 0.3, "adaptive": adaptive})
    factor = 1 + learner.optimizer.param_groups[0]["momentum"]
    step(learner, {})
    torch.testing.assert_close(task.weight.detach(), w - 0.1 * factor * a @ (w + climb), rtol=0, atol=1e-12)


def test_a_radius_of_0_is_the_optimizer_alone_bit_for_bit(tmp_path):
    run_toy(tmp_path / "plain", "ema=0.9", "accumulation=2")
    run_toy(tmp_path / "sam", "ema=0.9", "accumulation=2", "sharpness.rho=0")
    assert_same_weights(tmp_path / "plain", tmp_path / "sam")
    run_toy(tmp_path / "other", "ema=0.9", "accumulation=2", SAM)
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "plain", tmp_path / "other")


class Normed(Task):
    """Batch norm and dropout; remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 1))

    def forward(self, batch):
        return {"loss": (self.layers(batch["x"]).squeeze(1) - batch["y"]).square().mean()}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return {"x": torch.randn(8, 8, generator=generator), "y": torch.randn(8, generator=generator)}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_and_statistics_are_put_back_bit_for_bit(batch, precision):
    torch.manual_seed(0)
    learner = learner_of(Normed(), precision=precision, sharpness={"rho": 0.5})
    learner.backward(batch, last=True)
    before = {name: value.clone() for name, value in learner.task.state_dict().items()}
    first = [parameter.grad.clone() for parameter in learner.task.parameters()]
    with learner.uphill():
        moved = [(value - before[name]).norm() for name, value in learner.task.named_parameters()]
        assert torch.stack(moved).norm().item() == pytest.approx(0.5, rel=1e-4)
        learner.backward(batch, last=True)
    after = learner.task.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert before["layers.1.num_batches_tracked"] == 1
    assert not torch.equal(first[0], learner.task.layers[0].weight.grad)


def test_weights_are_put_back_where_the_second_pass_fails(batch):
    task = Normed()
    task(batch)["loss"].backward()
    before = task.layers[0].weight.detach().clone()
    with pytest.raises(KeyError), uphill(task, SharpnessConfig()):
        raise KeyError
    assert torch.equal(task.layers[0].weight, before)


def test_a_gradient_that_is_not_finite_moves_nothing(batch):
    task = Normed()
    task(batch)["loss"].backward()
    task.layers[0].weight.grad[0, 0] = torch.inf
    before = task.layers[3].weight.detach().clone()
    with uphill(task, SharpnessConfig()):
        assert torch.equal(task.layers[3].weight, before)


def test_both_passes_draw_the_same_random_numbers(tmp_path):
    seen = []

    class Noting(ToyTask):
        def forward(self, batch):
            seen.append((batch["index"].tolist(), torch.rand(3).tolist()))
            return super().forward(batch)

    toy_trainer(tmp_path / "run", toy_config("epochs=1", "accumulation=2", SAM), task=Noting).fit()
    counted = 1  # the forward that counts operations, after the first step
    passes = seen[:4] + seen[4 + counted :]
    assert len(passes) == 8 * 4
    for place in range(0, len(passes), 4):
        assert passes[place : place + 2] == passes[place + 2 : place + 4]
    assert passes[0] != passes[1]


@pytest.mark.parametrize(
    "settings", [("accumulation=4",), ("accumulation=4", "activation_checkpointing=true")]
)
def test_a_batch_cut_into_micro_batches_trains_the_same(tmp_path, settings):
    run_toy(tmp_path / "whole", SAM, TOY_DROPOUT="0")
    run_toy(tmp_path / "cut", SAM, *settings, TOY_DROPOUT="0")
    assert_same_weights(tmp_path / "whole", tmp_path / "cut", tolerance=1e-6)


def test_stopped_and_resumed_equals_never_stopped(tmp_path):
    settings = (SAM, "ema=0.9", "accumulation=2", "log_every=3", "schedule.kind=constant")
    run_toy(tmp_path / "whole", *settings, "epochs=4")
    run_toy(tmp_path / "parts", *settings, "epochs=2")
    run_toy(tmp_path / "parts", *settings, "epochs=4")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    logged = [line for line in curve(tmp_path / "whole") if "loss" in line]
    assert logged and all(line["sharpness"] > 0 for line in logged)
    with pytest.raises(UserError, match=r"training\.sharpness\.rho: was 0\.05, now 0\.1"):
        toy_trainer(tmp_path / "parts", toy_config(*settings, "epochs=4", "sharpness.rho=0.1")).fit()


def test_a_step_that_is_skipped_leaves_the_weights(tmp_path):
    trainer = toy_trainer(tmp_path / "run", toy_config("epochs=1", SAM), poisoned=(5,))
    weights = [{name: value.clone() for name, value in trainer.learner.task.state_dict().items()}]
    original = trainer._train_step

    def noting(*arguments, **named):
        found = original(*arguments, **named)
        weights.append({name: value.clone() for name, value in trainer.learner.task.state_dict().items()})
        return found

    trainer._train_step = noting
    assert trainer.fit()["skipped_steps"] == 1
    said = (tmp_path / "run" / "log.txt").read_text()
    at = int(said.split("loss not finite, step skipped (1 so far): step ")[1].split(" ")[0])
    for place, (one, two) in enumerate(itertools.pairwise(weights)):
        same = all(torch.equal(one[name], two[name]) for name in one)
        assert same == (place == at), place
    assert all(value.isfinite().all() for value in weights[-1].values())


def test_two_processes_climb_each_by_its_own_part(tmp_path, monkeypatch):
    """m-SAM: not what one process does with the whole batch, but what the formula gives for the parts."""
    monkeypatch.setenv("TOY_DROPOUT", "0")
    run_toy(tmp_path / "two", SAM, "epochs=1", processes=2, TOY_DROPOUT="0")
    run_toy(tmp_path / "one", SAM, "epochs=1", TOY_DROPOUT="0")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "one", tmp_path / "two", tolerance=1e-6)
    assert_same_weights(tmp_path / "two", by_hand(tmp_path), tolerance=1e-6)


def by_hand(folder):
    """The same run with each half's second gradient worked out in this process and averaged."""
    trainer = toy_trainer(folder / "hand", toy_config("epochs=1", SAM, "accumulation=2"))
    learner, batches = trainer.learner, trainer.source.batches(0)
    for number in range(trainer.total_steps):
        halves = []
        for _ in range(2):
            batch = next(batches)
            learner.backward(batch, last=True)
            with learner.uphill():
                learner.backward(batch, last=True)
            halves.append([parameter.grad for parameter in learner.task.parameters()])
            learner.discard()
        for parameter, one, two in zip(learner.task.parameters(), *halves):
            parameter.grad = one + two  # each is half of its mean already: accumulation=2
        learner.clip()
        learner.update(trainer._learning_rate(number), number)
    (folder / "hand").mkdir()
    torch.save(learner.weights(), folder / "hand" / "weights.pt")
    return folder / "hand"


def test_sharded_gradients_are_refused(tmp_path):
    run = tmp_path / "run"
    run_toy(run, SAM, "distributed=fsdp2", processes=2, expected_exit=1)
    assert "sharpness needs each process's own gradient" in what_it_said(run)
