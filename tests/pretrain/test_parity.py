"""The masked autoencoder's loss and gradients against a plain one, written here from the paper's formulas.

He et al. 2022: every patch is embedded, the hidden ones are dropped, mask tokens are put back before the
decoder. Float64, so that only a mistake can differ.
"""

import pytest
import torch
from vemo.pretrain.masking import SCENE_SALT
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.task import UniEmoX

SIZE, PATCH, COUNT = 32, 8, 16  # of conftest's small model


def norm(tokens, weights, name):
    centred = tokens - tokens.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(tokens, weights, name):
    return tokens @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def block(tokens, weights, name, heads):
    batch, count, width = tokens.shape
    qkv = linear(norm(tokens, weights, f"{name}.norm1"), weights, f"{name}.attn.qkv")
    query, key, value = qkv.view(batch, count, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    attention = (query @ key.transpose(-1, -2) / (width // heads) ** 0.5).softmax(-1)
    mixed = (attention @ value).transpose(1, 2).reshape(batch, count, width)
    tokens = tokens + linear(mixed, weights, f"{name}.attn.proj")
    hidden = linear(norm(tokens, weights, f"{name}.norm2"), weights, f"{name}.mlp.fc1")
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    return tokens + linear(hidden, weights, f"{name}.mlp.fc2")


def reference(weights, positions, images, masked):
    """Patches one by one, a list of the visible ones per image, the mean over hidden patches written out."""
    losses, steps = [], range(0, SIZE, PATCH)
    for image, hidden in zip(images, masked.tolist()):
        patches = [image[:, y : y + PATCH, x : x + PATCH].flatten() for y in steps for x in steps]
        kernel = weights["trunk.patch_embed.proj.weight"].flatten(1)
        embedded = [patch @ kernel.T + weights["trunk.patch_embed.proj.bias"] for patch in patches]
        places = weights["trunk.pos_embed"][0]
        tokens = [weights["trunk.cls_token"][0, 0] + places[0]]
        tokens += [embedded[n] + places[1 + n] for n in range(COUNT) if not hidden[n]]
        tokens = torch.stack(tokens)[None]
        for number in range(2):
            tokens = block(tokens, weights, f"trunk.blocks.{number}", heads=2)
        tokens = linear(norm(tokens, weights, "trunk.norm"), weights, "decoder_embed")[0]
        visible = iter(tokens[1:])
        mask_token = weights["mask_token"][0, 0]
        tokens = [tokens[0], *(mask_token if hidden[n] else next(visible) for n in range(COUNT))]
        tokens = (torch.stack(tokens) + positions[0])[None]
        tokens = block(tokens, weights, "decoder_blocks.0", heads=2)
        predicted = linear(norm(tokens, weights, "decoder_norm"), weights, "decoder_head")[0, 1:]
        errors = [(predicted[n] - patches[n]).square().mean() for n in range(COUNT) if hidden[n]]
        losses.append(torch.stack(errors).mean())
    return torch.stack(losses).mean()  # every image hides as many


@pytest.fixture
def task(small):
    torch.manual_seed(3)
    return UniEmoX(small, ObjectiveConfig(components=["reconstruction"]), None).double()


def test_loss_and_every_gradient_equal_the_plain_reference(task, batch):
    images = task.normalise(batch["scene"])
    masked = task.model.encode(images, batch["seed"], SCENE_SALT).masked
    ours = task(batch)["loss"]
    ours.backward()
    weights = {
        name: value.detach().clone().requires_grad_() for name, value in task.model.state_dict().items()
    }
    plain = reference(weights, task.model.decoder_positions, images, masked)
    plain.backward()
    assert images.dtype == torch.float64 and abs(ours.item() - plain.item()) < 1e-9
    trained = {name: value for name, value in task.model.named_parameters() if value.requires_grad}
    assert len(trained) > 40
    for name, parameter in trained.items():
        assert (parameter.grad - weights[name].grad).abs().max() < 1e-9, name


def test_a_batch_learnt_by_heart_is_rebuilt(small, batch):
    torch.manual_seed(0)
    wide = small.model_copy(update={"width": 64, "decoder_width": 64, "mask_ratio": 0.5})
    task = UniEmoX(wide, ObjectiveConfig(components=["reconstruction"]), None)
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3, weight_decay=0)
    first = task(batch)["loss"].item()
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / 600)
        optimizer.zero_grad()
        task(batch)["loss"].backward()
        optimizer.step()
    assert task(batch)["loss"].item() < 1e-3 * first


def test_distillation_costs_nothing_where_the_student_is_the_teacher(small, teacher, batch, monkeypatch):
    task = UniEmoX(small, ObjectiveConfig(components=["similarity", "contrastive"]), teacher)
    monkeypatch.setattr(task, "embed", lambda batch, encoded: teacher.encode_image(batch["scene"]))
    parts = task(batch)
    assert parts["similarity"].abs() < 1e-6 and parts["contrastive"].abs() < 1e-6
