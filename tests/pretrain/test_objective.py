"""The objectives beside UniEmoX, its other forms, and the released code's defects: each does what it says."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize
from vemo.foundation import UserError
from vemo.pretrain.attributes import AttributesConfig, read_vocabulary
from vemo.pretrain.losses import contrastive_similarity_loss, image_text_loss
from vemo.pretrain.masking import SCENE_SALT
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.task import UniEmoX

CLASSES = ("amusement", "awe", "contentment", "excitement", "anger", "disgust")


def make(model, teacher=None, vocabulary=None, **objective):
    torch.manual_seed(0)
    return UniEmoX(model, ObjectiveConfig(**objective), teacher, vocabulary)


@pytest.fixture
def supervised(batch):
    records = [
        {"labels": {"mikels8": {"class": name}}, "attributes": {"brightness": 0.5}} for name in CLASSES
    ]
    vocabulary = read_vocabulary(records, AttributesConfig())
    targets = [vocabulary.targets(record) for record in records]
    return vocabulary, {**batch, **{key: torch.tensor([t[key] for t in targets]) for key in targets[0]}}


def learns(task, batch, steps=60):
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    first = task(batch)["loss"].item()
    for _ in range(steps):
        optimizer.zero_grad()
        task(batch)["loss"].backward()
        optimizer.step()
    return task(batch)["loss"].item() / first


@pytest.mark.parametrize("mask_ratio", [0.0, 0.75])
@pytest.mark.parametrize(
    "components", [["reconstruction"], ["similarity"], ["clip"], ["clip", "fusion"], ["attributes"]]
)
def test_every_objective_learns_under_one_task(small, teacher, supervised, components, mask_ratio):
    vocabulary, batch = supervised
    task = make(
        small.model_copy(update={"mask_ratio": mask_ratio}), teacher, vocabulary, components=components
    )
    parts = task(batch)
    assert set(parts) == {"loss", *(name for name in components if name != "fusion")}
    parts["loss"].backward()
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert learns(task, batch) < 0.85


def test_heads_read_the_feature_that_is_released(small, supervised):
    vocabulary, batch = supervised
    for pooling, width in (("token", 32), ("mean", 32), ("token+mean", 64)):
        model = small.model_copy(update={"pooling": pooling})
        task = make(model, None, vocabulary, components=["attributes"])
        assert task.heads.heads["label_mikels8"].in_features == width
        encoded = task.model.encode(task.normalise(batch["scene"]), batch["seed"], SCENE_SALT)
        assert task.model.pool(encoded).shape == (6, width)


def test_attributes_need_a_vocabulary(small):
    with pytest.raises(UserError, match="vocabulary"):
        make(small, components=["attributes"])


def test_the_image_text_loss_is_clips():
    generator = torch.Generator().manual_seed(1)
    student, texts = torch.randn(5, 8, generator=generator), torch.randn(5, 8, generator=generator)
    logits = 7.0 * normalize(student) @ normalize(texts).T
    places = torch.arange(5)
    by_hand = (cross_entropy(logits, places) + cross_entropy(logits.T, places)) / 2
    assert torch.allclose(image_text_loss(student, texts, torch.tensor([7.0])), by_hand, atol=1e-6)


def test_clip_leaves_out_what_says_nothing(small, teacher, batch):
    task = make(small, teacher, components=["clip"]).eval()
    some = {**batch, "sentence": [*batch["sentence"][:4], "", ""]}
    first = {key: value[:4] for key, value in batch.items()}
    assert torch.allclose(task(some)["loss"], task(first)["loss"], atol=1e-6)
    assert task({**batch, "sentence": [""] * 6})["loss"] == 0
    assert math.isclose(task.logit_scale.item(), math.log(1 / 0.07), rel_tol=1e-6)


def test_the_kl_form(small, teacher, batch):
    generator = torch.Generator().manual_seed(1)
    student, other, texts = (torch.randn(4, 8, generator=generator) for _ in range(3))
    a, c = (normalize(rows) @ normalize(texts).T / 0.2 for rows in (student, other))
    by_hand = (c.softmax(1) * (c.log_softmax(1) - a.log_softmax(1))).sum(1).mean()
    for center in (True, False):  # a softmax does not see the mean
        ours = contrastive_similarity_loss(student, other, texts, center, "kl", 0.2)
        assert torch.allclose(ours, by_hand, atol=1e-6)
    assert contrastive_similarity_loss(3 * other, other, texts, form="kl").abs() < 1e-6
    assert learns(make(small, teacher, contrastive_form="kl", components=["contrastive"]), batch) < 0.8


def test_the_released_decoder_says_one_thing_of_every_patch(small, batch):
    """So its loss cannot fall below what the patches of an image differ by; ours can."""
    released = make(small.model_copy(update={"predicts": "token"}), components=["reconstruction"])
    scene = released.normalise(batch["scene"])
    encoded = released.model.encode(scene, batch["seed"], SCENE_SALT)
    predicted = released.model.decode(encoded)
    assert predicted.shape == (6, 16, 192)
    assert torch.equal(predicted[:, 0], predicted[:, 9])
    masked = released.model.target(scene)[encoded.masked].view(6, 12, -1)
    floor = masked.var(dim=1, unbiased=False).mean()
    assert released(batch)["loss"] > floor


def test_the_released_person_is_normalised_twice(small, teacher, batch):
    once, twice = make(small, teacher), make(small, teacher, person_normalised_twice=True)
    assert once(batch)["similarity"] != twice(batch)["similarity"]
    without = ["similarity"]
    assert torch.equal(
        make(small, teacher, components=without)(batch)["loss"],
        make(small, teacher, components=without, person_normalised_twice=True)(batch)["loss"],
    )


def test_what_the_pictures_ask_for(small, teacher, batch):
    task = make(small, teacher).eval()
    some = {**batch, "sentence": ["", *batch["sentence"][1:]]}
    assert task.student(some).shape == task.teacher_images(some).shape == (6, 16)
    texts = task.teacher_texts(some)
    assert not texts[0].any() and torch.allclose(texts[1:].norm(dim=1), torch.ones(5))
