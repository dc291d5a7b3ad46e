"""Fine-tuning that looks at the person: what is shown, how two features become one, what is mixed, a run."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.sidecars import Description, Maker, write_sidecar
from vemo.finetune.augmentation import AugmentationConfig
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import ContextConfig, ContextFusion, build_head
from vemo.finetune.emotion.config import SingleConfig
from vemo.finetune.mixing import MixingConfig
from vemo.finetune.run import finetune
from vemo.finetune.task import FinetuneTask
from vemo.finetune.views import FinetuneEvaluationView, FinetuneView, count_without_person
from vemo.foundation import UserError
from vemo.training.optimizer import OptimizerConfig, build_optimizer
from vemo.zoo import load_encoder

SIZE = 32
BOX = (60, 20, 110, 70)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# What is shown


def person_picture():
    """Black; at BOX a green person, brighter towards the right."""
    image = torch.zeros(3, 90, 120, dtype=torch.uint8)
    image[1, 20:70, 60:110] = 100 + 3 * torch.arange(50, dtype=torch.uint8)
    return image


def record(*boxes):
    return {"id": "x", "persons": [{"box": box} for box in boxes], "width": 120, "height": 90}


def shown(seed, sample, look="crop", **options):
    config = AugmentationConfig(**{"policy": "none", "margin": 0, "flip": 0, **options})
    return FinetuneView(config, SIZE, look=look)(person_picture, sample, seed)


def test_crop_shows_parts_of_the_box_and_nothing_else():
    found = [shown(seed, record(BOX), scale=(0.3, 1)) for seed in range(12)]
    assert all(set(each) == {"image", "has_person"} and each["has_person"] is True for each in found)
    green = torch.stack([each["image"][1] for each in found])
    assert (green >= 98).all()  # of the black around there is nothing
    assert len({each["image"].numpy().tobytes() for each in found}) > 8  # cropped at random
    assert torch.stack([each["image"][::2] for each in found]).max() == 0


def test_crop_of_all_of_the_box_is_the_evaluations():
    found = shown(3, record(BOX), scale=(1, 1))["image"]
    config = AugmentationConfig(margin=0)
    view = FinetuneEvaluationView(config, SIZE, crop_fraction=0.5, look="crop")
    expected = view(person_picture, record(BOX), 3)
    assert torch.equal(found, expected["image"]) and expected["has_person"] is True
    assert found[1, 0, 0] < 110 and found[1, 0, -1] > 235  # from edge to edge


def test_crop_is_mirrored():
    lefts = {bool(shown(seed, record(BOX), flip=0.5)["image"][1, 5, 0] < 170) for seed in range(12)}
    assert lefts == {True, False}


@pytest.mark.parametrize("sample", [record(), record((0, 0, 9, 80))])
def test_crop_without_a_usable_box_is_the_image(sample):
    """As it would be seen without looking at persons, in training and in evaluation."""
    for seed in range(4):
        found = shown(seed, sample)
        assert found["has_person"] is False
        assert torch.equal(found["image"], shown(seed, sample, look="none")["image"])
    views = [FinetuneEvaluationView(AugmentationConfig(), SIZE, look=look) for look in ("crop", "none")]
    one, other = (view(person_picture, sample, 0) for view in views)
    assert torch.equal(one["image"], other["image"]) and one["has_person"] is False


def test_how_many_show_nobody():
    found = count_without_person([record(BOX), record(), record((0, 0, 9, 80))], AugmentationConfig())
    assert found == {"samples": 3, "without": 2}


# Two features become one


def make(release, fusion=True, train="all", mixing=None, width=None):
    torch.manual_seed(0)
    encoder = load_encoder(release)
    joined = ContextFusion(encoder.width, ContextConfig(width=width)) if fusion else None
    head = build_head("emotion", SingleConfig(space="mikels8"), joined.width if joined else encoder.width)
    torch.nn.init.normal_(head.linear.weight)
    return FinetuneTask(encoder, {"emotion": head}, mixing, train, joined)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 6, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    return {
        "image": images[0],
        "person": images[1],
        "has_person": torch.tensor([True, False, True, True, False, True]),
        "target_emotion": torch.tensor([0, 1, 2, 3, -1, 5]),
    }


def test_scene_and_person_go_through_one_encoder(release, batch):
    task = make(release, width=20).eval()
    features = task.features(batch)
    assert features.shape == (6, 20)
    scene, person = task.encoder(batch["image"]), task.encoder(batch["person"])
    assert torch.allclose(features, task.fusion(scene, person, batch["has_person"]), atol=1e-5)


def test_without_a_person_the_crop_says_nothing(release, batch):
    task = make(release).eval()
    before = task.outputs(batch)["emotion"]
    after = task.outputs({**batch, "person": batch["person"].flip(0)})["emotion"]
    same = (before - after).abs().amax(1) < 1e-5
    assert torch.equal(same, ~batch["has_person"])


@pytest.mark.parametrize("train", ["all", "heads", "last-1"])
def test_the_fusion_is_trained_with_the_heads(release, batch, train):
    task = make(release, train=train).train()
    task(batch)["loss"].backward()
    moved = {name for name, parameter in task.named_parameters() if parameter.grad is not None}
    assert {name for name, _ in task.named_parameters() if name.startswith("fusion.")} <= moved
    assert any(name.startswith("encoder.") for name in moved) == (train != "heads")


def test_the_fusion_has_the_rate_of_the_heads(release):
    task = make(release)
    optimizer = build_optimizer(task, OptimizerConfig(layer_decay=0.5))
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert {scale[name] for name in scale if name.startswith(("fusion.", "heads."))} == {1}
    assert scale["encoder.model.blocks.2.mlp.fc1.weight"] == 0.5


# Mixing


@pytest.mark.parametrize("options", [{"cutmix": 0}, {"mixup": 0}])
def test_both_views_are_mixed_alike(release, batch, options):
    """By one share or box and one permutation: where both show one picture they go on doing so."""
    task = make(release, mixing=MixingConfig(**options)).train()
    batch |= {"person": batch["image"].clone(), "target_emotion": torch.tensor([0, 1, 2, 3, 4, 5])}
    seen = {}
    task.features = lambda shown: seen.update(shown) or torch.zeros(6, task.fusion.width)
    mixed = 0
    for seed in range(8):
        torch.manual_seed(seed)
        task(batch)
        assert torch.equal(seen["image"], seen["person"])
        assert torch.equal(seen["has_person"], batch["has_person"])
        mixed += not torch.equal(seen["image"], batch["image"])
    assert mixed > 4


def test_partners_agree_in_whether_there_is_a_person(release, batch):
    """Pictures of one colour, by whether there is a person, stay of that colour."""
    task = make(release, mixing=MixingConfig()).train()
    colour = batch["has_person"].to(torch.uint8)[:, None, None, None] * 200
    batch |= {"person": colour.expand_as(batch["person"]).clone(), "target_emotion": torch.arange(6)}
    seen = {}
    task.features = lambda shown: seen.update(shown) or torch.zeros(6, task.fusion.width)
    for seed in range(20):
        torch.manual_seed(seed)
        task(batch)
        assert torch.equal(seen["person"], batch["person"])


# A whole run

CLASSES = ("anger", "fear", "peace", "sadness")


COLOURS = np.array([(200, 40, 40), (40, 40, 200), (40, 180, 40), (110, 110, 110)])


def figure(kind, generator):
    return (generator.integers(0, 50, (40, 40, 3)) + COLOURS[kind]).astype(np.uint8)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Images of two people side by side: what the image shows says nothing of which of the two is meant."""
    root, generator = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    lines = ["Image,x1,y1,x2,y2,Label,Split"]
    for split, count in (("train", 40), ("val", 12), ("test", 12)):
        for number in range(count):
            left, right = generator.permutation(4)[:2]
            name = f"{split}{number}.png"
            Image.fromarray(np.hstack([figure(left, generator), figure(right, generator)])).save(root / name)
            lines.append(f"{name},0,0,40,40,{CLASSES[left]},{split}")
            lines.append(f"{name},40,0,80,40,{CLASSES[right]},{split}")
    (root / "people.csv").write_text("\n".join(lines))
    columns = {
        "path": "Image",
        "split": "Split",
        "persons": {"box": ["x1", "y1", "x2", "y2"]},
        "labels": {"heco8": {"class": "Label"}},
    }
    reader = {"kind": "person_table", "table": "people.csv", "columns": columns}
    build(BuildConfig(root=root, out=root / "images", reader=reader, workers=0))
    build(BuildConfig(root=root / "images", out=root / "set", reader={"kind": "persons"}, workers=0))
    return root / "set"


def run(shards, release, out, **changes):
    values = {
        "out": out,
        "encoder": str(release),
        "heads": {"emotion": {"kind": "single", "space": "heco8"}},
        "data": {"shards": shards},
        "view": {"policy": "none", "margin": 0},
        "training": {"epochs": 14, "batch_size": 16, "device": "cpu", "optimizer": {"lr": 3e-3}},
    }
    folder = finetune(FinetuneConfig.model_validate({**values, **changes}))
    return folder, json.loads((folder / "model.json").read_text())


@pytest.mark.parametrize("person", ["crop", "crop_and_scene"])
def test_a_run_that_looks_at_the_person(people, release, tmp_path, person):
    folder, about = run(people, release, tmp_path / "run", person=person)
    assert about["scores"]["emotion"]["accuracy"] > 0.65  # whole images allow 0.5 at most
    assert about["scores"]["emotion"]["samples"] == 24
    assert about["person"] == person
    nobody = {"samples": 24, "without": 0}
    assert about["without_person"] == {"train": {"samples": 80, "without": 0}, "val": nobody, "test": nobody}
    fused = any(name.startswith("fusion.") for name in load_file(folder / "model.safetensors"))
    assert fused == (person == "crop_and_scene") == (about["context"] is not None)


def test_stopped_and_resumed_equals_never_stopped(people, release, tmp_path, monkeypatch):
    from vemo.training import Trainer

    training = {"epochs": 2, "batch_size": 16, "device": "cpu", "optimizer": {"lr": 2e-3}}
    options = {"person": "crop_and_scene", "mixing": {}, "training": training, "context": {"dropout": 0.1}}
    whole, _ = run(people, release, tmp_path / "whole", **options)
    original = Trainer._train_step

    def dies(self, *arguments, **named):
        if self.step == 7:
            raise KeyError("stopped")
        return original(self, *arguments, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyError, match="stopped"):
        patched.setattr(Trainer, "_train_step", dies)
        run(people, release, tmp_path / "parts", **options)
    parts, _ = run(people, release, tmp_path / "parts", **options)
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_boxes_of_a_sidecar_are_looked_at_in_evaluation_too(shards, release, tmp_path):
    out = tmp_path / "shards"
    out.mkdir()
    for path in shards.iterdir():
        if path.is_file():
            (out / path.name).write_bytes(path.read_bytes())
    described = Description(
        name="persons",
        kind="records",
        columns=["persons"],
        made_by=Maker(name="a-detector"),
        command="vemo shards persons DIR",
    )
    everybody = {"persons": [{"box": [0, 0, 36, 40], "score": 0.9, "by": "a-detector"}]}
    write_sidecar(out, described, lambda part: (everybody for _ in part.places), workers=0)
    options = {
        "heads": {"emotion": {"kind": "single", "space": "polarity2"}},
        "training": {"epochs": 1, "batch_size": 20, "device": "cpu"},
        "person": "crop",
    }
    data = {"shards": out, "sidecars": ["persons"], "spaces": {"mikels8": "polarity2"}}
    _, about = run(out, release, tmp_path / "run", data=data, **options)
    assert {split: found["without"] for split, found in about["without_person"].items()} == {
        "train": 0,
        "val": 0,
        "test": 0,
    }
    assert about["scores"]["emotion"]["samples"] == 20
    with pytest.raises(UserError, match="person=crop: none of the 40 records to train on has a box"):
        run(out, release, tmp_path / "without", data={**data, "sidecars": []}, **options)


def test_what_has_no_use_is_refused(shards, release, tmp_path):
    with pytest.raises(ValueError, match="context does nothing where person=crop"):
        run(shards, release, tmp_path, person="crop", context={"hidden": 8})
