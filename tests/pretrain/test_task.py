"""UniEmoX as a task: components, the frozen teacher, fallbacks, and that it learns."""

import copy
import itertools

import pytest
import torch
from vemo.foundation import UserError
from vemo.pretrain.fusions import FusionConfig
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.task import UniEmoX


def make(small, teacher, seed=0, **objective):
    torch.manual_seed(seed)
    return UniEmoX(small, ObjectiveConfig(**objective), teacher)


LOSSES = ("reconstruction", "similarity", "contrastive")
SUBSETS = [set(chosen) for size in (1, 2, 3) for chosen in itertools.combinations(LOSSES, size)]


@pytest.mark.parametrize("chosen", SUBSETS, ids=lambda chosen: "+".join(sorted(chosen)))
def test_every_subset_sums_its_parts_and_reaches_every_trainable_parameter(small, teacher, batch, chosen):
    for fusion in ([], ["fusion"]) if chosen != {"reconstruction"} else ([],):
        task = make(small, teacher, components=[*chosen, *fusion])
        parts = task(batch)
        assert set(parts) == {"loss", *chosen}
        total = sum(parts[name] for name in chosen)
        assert torch.allclose(parts["loss"], total)
        parts["loss"].backward()
        for name, parameter in task.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
            else:
                assert parameter.grad is None, name


def test_weights_scale_the_parts(small, teacher, batch):
    task = make(small, teacher, weights={"reconstruction": 2, "contrastive": 0.5})
    parts = task(batch)
    total = 2 * parts["reconstruction"] + parts["similarity"] + 0.5 * parts["contrastive"]
    assert torch.allclose(parts["loss"], total)


def test_released_names_of_components_are_understood():
    objective = ObjectiveConfig(components=["mae_loss", "contrastive_similarity"])
    assert objective.components == ("reconstruction", "contrastive")


@pytest.mark.parametrize("components", [[], ["fusion"]])
def test_no_loss_at_all_is_refused(components):
    with pytest.raises(ValueError, match="no loss"):
        ObjectiveConfig(components=components)


def test_a_fusion_that_nothing_uses_is_refused():
    with pytest.raises(ValueError, match="fusion needs"):
        ObjectiveConfig(components=["reconstruction", "fusion"])


def test_distillation_without_a_teacher_is_refused(small):
    with pytest.raises(UserError, match="teacher"):
        make(small, None)


def test_reconstruction_alone_asks_for_nothing_else(small, batch):
    task = make(small, None, components=["reconstruction"])
    only = {"scene": batch["scene"], "seed": batch["seed"]}
    assert torch.isfinite(task(only)["loss"])


def test_without_fusion_the_person_is_not_looked_at(small, teacher, batch):
    task = make(small, teacher, components=LOSSES)
    del batch["person"]
    assert torch.isfinite(task(batch)["loss"])


def test_the_teacher_is_neither_saved_nor_trained_nor_copied(small, teacher_of, batch):
    teacher = teacher_of(width=24)
    task = make(small, teacher)
    before = {key: value.clone() for key, value in teacher.__dict__["towers"].state_dict().items()}
    assert not [name for name in task.state_dict() if "teacher" in name]
    assert not [name for name, _ in task.named_parameters() if "teacher" in name]
    assert copy.deepcopy(task).teacher is teacher
    optimizer = torch.optim.AdamW(task.parameters(), lr=0.1)
    task(batch)["loss"].backward()
    optimizer.step()
    after = teacher.__dict__["towers"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_projector_is_shared_where_the_widths_agree(small, teacher, teacher_of):
    assert make(small, teacher).projector is None
    assert make(small, teacher, projector="separate").projector is not None
    assert make(small, teacher_of(width=20)).projector.out_features == 20
    with pytest.raises(UserError, match="decoder_width 16"):
        make(small, teacher_of(width=20), projector="shared")


def test_the_teacher_sees_the_very_pixels_of_the_scene(small, teacher, batch, monkeypatch):
    seen = []
    encode = teacher.encode_image
    monkeypatch.setattr(teacher, "encode_image", lambda images: seen.append(images) or encode(images))
    make(small, teacher)(batch)
    assert len(seen) == 1 and seen[0] is batch["scene"] and seen[0].dtype == torch.uint8


def test_scene_alone_ignores_what_stands_in_for_a_missing_person(small, teacher, batch):
    task = make(small, teacher, without_person="scene_alone").eval()
    other = {**batch, "person": batch["person"].clone()}
    other["person"][~batch["has_person"]] = 0
    assert torch.equal(task(batch)["loss"], task(other)["loss"])
    other["person"][batch["has_person"]] = 0
    assert not torch.equal(task(batch)["loss"], task(other)["loss"])


def test_batch_size_one_works_for_every_fusion(small, teacher, batch_of):
    for name in ("easyfusion", "multihead_weighted", "dual_layer_attention", "mlp_attention_glu"):
        task = make(small, teacher, fusion=FusionConfig(name=name))
        assert torch.isfinite(task(batch_of(1))["loss"])


def test_samples_without_a_sentence_count_as_no_text(small, teacher, batch):
    task = make(small, teacher).eval()
    some = {**batch, "sentence": [*batch["sentence"][:-1], ""]}
    assert task(some)["contrastive"] != task(batch)["contrastive"]
    none = task({**batch, "sentence": [""] * 6})
    assert none["contrastive"] == 0 and none["loss"] > 0


def test_tokens_and_positions_are_not_decayed(small, teacher):
    from timm.optim import param_groups_weight_decay

    task = make(small, teacher)
    groups = param_groups_weight_decay(task, 0.05, no_weight_decay_list=task.no_weight_decay())
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    decayed = {names[id(p)] for group in groups if group["weight_decay"] for p in group["params"]}
    assert "model.trunk.blocks.0.mlp.fc1.weight" in decayed
    assert not {name for name in decayed if "token" in name or name.endswith("bias") or "norm" in name}


def test_every_part_falls_when_a_tiny_batch_is_learnt_by_heart(small, teacher, batch):
    task = make(small, teacher)
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    first = {name: value.item() for name, value in task(batch).items()}
    for _ in range(100):
        optimizer.zero_grad()
        loss = task(batch)["loss"]
        loss.backward()
        optimizer.step()
    last = {name: value.item() for name, value in task(batch).items()}
    assert last["loss"] < 0.5 * first["loss"]
    assert all(last[name] < 0.8 * first[name] for name in LOSSES), (first, last)
