"""Blocks are found in models of all kinds; recomputing them saves memory and changes nothing else."""

import pytest
import timm
import torch
from torch import nn
from toy_runs import ToyTask, toy_config, toy_trainer
from vemo.foundation import UserError
from vemo.training.blocks import find_blocks, recompute_activations
from vemo.training.randomness import seed_everything


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("vit_tiny_patch16_224", "Block", 12),
        ("swin_tiny_patch4_window7_224", "SwinTransformerBlock", 12),  # in stages, which are not blocks
        ("convnext_atto", "ConvNeXtBlock", 12),
        ("resnet18", "BasicBlock", 8),
    ],
)
def test_blocks_of_known_models(name, kind, count):
    with torch.device("meta"):
        blocks = find_blocks(timm.create_model(name))
    assert [type(block).__name__ for block in blocks] == [kind] * count


def test_neither_single_layers_nor_containers_are_blocks():
    mlp = nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2))
    assert find_blocks(mlp) == []
    whole = nn.ModuleDict({"stages": nn.ModuleList([nn.ModuleList([mlp, mlp]), nn.Identity()])})
    assert find_blocks(whole) == [mlp]
    assert find_blocks(nn.Sequential(nn.Sequential(nn.ReLU()))) == []  # nothing to train in it


def one_step(task: ToyTask) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients, and how many numbers autograd kept for backward."""
    seed_everything(5)
    kept = 0

    def count(tensor):
        nonlocal kept
        kept += tensor.numel()
        return tensor

    batch = {"x": torch.randn(32, 8), "y": torch.randn(32)}
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = task(batch)["loss"]
    loss.backward()
    return {name: parameter.grad for name, parameter in task.named_parameters()}, kept


def test_recomputing_keeps_less_and_gives_the_same_gradients():
    seed_everything(0)
    plain = ToyTask()  # with dropout, which has to be drawn alike the second time
    recomputed = ToyTask()
    recomputed.load_state_dict(plain.state_dict())
    recompute_activations(recomputed)
    assert list(recomputed.state_dict()) == list(plain.state_dict())
    (expected, all_kept), (found, kept) = one_step(plain), one_step(recomputed)
    assert kept < 0.5 * all_kept
    for name, gradient in expected.items():
        assert gradient.equal(found[name]), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_recomputes_ends_with_the_same_weights(tmp_path, precision):
    settings = (f"precision={precision}", "ema=0.9", "accumulation=2")
    plain = toy_trainer(tmp_path / "plain", toy_config(*settings))
    recomputed = toy_trainer(tmp_path / "less", toy_config(*settings, "activation_checkpointing=true"))
    assert plain.fit()["metrics"]["loss"] == recomputed.fit()["metrics"]["loss"]
    for name, value in plain.learner.weights().items():
        assert value.equal(recomputed.learner.weights()[name]), name


def test_a_task_without_blocks_cannot_recompute():
    with pytest.raises(UserError, match="activation_checkpointing=true, but the task has no blocks"):
        recompute_activations(nn.Linear(2, 2))
