"""The policies: RandAugment as released, emotion-safe with no change of colours; the seed decides it all."""

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.auto_augment import LEVEL_TO_ARG, AugmentOp, rand_augment_transform
from timm.data.random_erasing import RandomErasing
from vemo.datasets.stream.order import generator
from vemo.datasets.stream.transforms import resize_region
from vemo.evaluation.audit.scan import light
from vemo.finetune.augmentation import (
    RAND_AUGMENT,
    AugmentationConfig,
    drawn_operations,
    rand_augment,
    random_erasing,
    warp_matrix,
    warp_region,
)
from vemo.finetune.views import FinetuneEvaluationView, FinetuneView
from vemo.foundation.config import load_config
from vemo.foundation.errors import UserError

SIZE = 64
POLICIES = ("none", "emotion-safe", "randaugment")
RECIPE = "rand-m9-mstd0.5-inc1"


class Loader:
    """What a stream hands to views."""

    def __init__(self, image, fast=False):
        self.image, self.fast, self.calls = image, fast, 0

    def __call__(self):
        self.calls += 1
        return self.image


def interleaved(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def texture(height=128, width=160):
    """Soft patches of many colours: every part of it is as bright and as colourful as the whole."""
    patches = np.random.default_rng(0).integers(30, 226, (height // 8, width // 8, 3), np.uint8)
    return interleaved(np.array(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)))


def plain(colour, height=90, width=120):
    return interleaved(np.tile(np.array(colour, np.uint8), (height, width, 1)))


def record(*boxes):
    return {"id": "x", "persons": [{"box": box, "score": 0.9} for box in boxes]}


def make(image, seed=7, sample=None, fast=False, extras=(), look=None, **options):
    look = look or ("crop_and_scene" if "person" in options else "none")
    view = FinetuneView(AugmentationConfig(**options), SIZE, extras, look)
    return view(Loader(image, fast), sample or record(), seed)


def shown(image, seed=7, **options):
    return make(image, seed, **options)["image"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fast", [False, True])
def test_what_a_view_holds(policy, fast):
    for seed in range(-4, 8):
        found = make(texture(), seed, fast=fast, policy=policy, extras=[lambda record: {"id": record["id"]}])
        assert found["image"].shape == (3, SIZE, SIZE) and found["image"].dtype == torch.uint8
        assert found["id"] == "x" and "person" not in found


@pytest.mark.parametrize("policy", POLICIES)
def test_the_seed_decides_everything_and_global_generators_nothing(policy):
    options = {"policy": policy, "erasing": 0.5, "person": "score", "sample": record((20, 20, 80, 100))}
    first = [make(texture(), seed, **options) for seed in range(10)]
    random.seed(1)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    again = [make(texture(), seed, **options) for seed in range(10)]
    for one, two in zip(first, again):
        assert torch.equal(one["image"], two["image"]) and torch.equal(one["person"], two["person"])
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    assert np.random.get_state()[1].tolist() == before[2]  # noqa: NPY002
    assert len({found["image"].numpy().tobytes() for found in first}) == 10


# What the policies are for


def shifts(image, seeds, **options):
    """How far brightness and colourfulness of views are from the image's: [seeds, 2]."""
    before = np.array(light(image))
    return np.abs([np.array(light(shown(image, seed, **options))) - before for seed in range(seeds)])


@pytest.mark.parametrize("fast", [False, True])
def test_emotion_safe_keeps_brightness_and_colour(fast):
    found = shifts(texture(), 60, policy="emotion-safe", fast=fast, magnitude=10, probability=1)
    assert found.max(0)[0] < 0.02 and found.max(0)[1] < 0.05
    cropping = shifts(texture(), 60, policy="none", fast=fast)
    assert (found.mean(0) < cropping.mean(0) + 0.006).all()  # next to what cropping does alone


def test_randaugment_does_not():
    """The same pictures, with crops as large as those of emotion-safe and without erasing."""
    found = shifts(texture(), 60, policy="randaugment", scale=(0.5, 1), erasing=0)
    assert found.max(0)[0] > 0.25 and found.max(0)[1] > 0.25
    assert found.mean(0)[0] > 0.05 and found.mean(0)[1] > 0.1


@pytest.mark.parametrize("colour", [(255, 255, 255), (200, 40, 90)])
@pytest.mark.parametrize("fast", [False, True])
def test_a_plain_picture_stays_what_it_is(colour, fast):
    """No corner of another colour, and no operation on colours."""
    image, expected = plain(colour), plain(colour, SIZE, SIZE)
    options = {"operations": 4, "probability": 1, "fast": fast}
    assert all(torch.equal(shown(image, seed, **options), expected) for seed in range(30))
    changed = [shown(image, seed, policy="randaugment", erasing=0) for seed in range(30)]
    assert not all(torch.equal(each, expected) for each in changed)


@pytest.mark.parametrize("fast", [False, True])
def test_emotion_safe_keeps_sharpness(fast):
    def strength(image):
        inside = image[:, 12:-12, 12:-12].float()
        return float(inside.diff(dim=1).abs().mean() + inside.diff(dim=2).abs().mean())

    image = texture(96, 96)
    # Interpolation between patches is hardest on the finest structure: halve them.
    image = image[:, ::2, ::2].permute(1, 2, 0).contiguous().permute(2, 0, 1)
    options = {"flip": 0, "scale": (1, 1), "fast": fast}
    before = strength(shown(image, policy="none", **options))
    after = [strength(shown(image, seed, probability=1, **options)) for seed in range(20)]
    assert np.mean(after) / before == pytest.approx(1, abs=0.08)


# The warp


def half_red():
    image = plain((0, 0, 0), 100, 100)
    image[0, :, :50] = 255
    return image


WHOLE = (0, 0, 100, 100)


@pytest.mark.parametrize("fast", [False, True])
def test_no_warp_is_a_resize(fast):
    for region in (WHOLE, (10, 30, 50, 60)):
        warped = warp_region(texture(100, 100), region, np.eye(3), SIZE, "bicubic", fast).float()
        difference = (warped - resize_region(texture(100, 100), region, SIZE, "bicubic", fast)).abs()
        assert difference.mean() < 1.5 and difference.max() < 16


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "name,amount,left_top,right_bottom",
    [
        # where the edge between red and black is in the first and the last row, as a share of the width
        ("translate_x", 0.1, 0.4, 0.4),
        ("translate_y", 0.1, 0.5, 0.5),
        ("shear_x", 0.2, 0.6, 0.4),
        ("shear_y", 0.2, 0.5, 0.5),
        ("rotate", float(np.arctan(0.2)), 0.6, 0.4),
        ("perspective_x", 0.2, 0.5, 0.5),
    ],
)
def test_where_a_warp_moves_things(fast, name, amount, left_top, right_bottom):
    warped = warp_region(half_red(), WHOLE, warp_matrix(name, amount), SIZE, "bilinear", fast)
    red = (warped[0].float() / 255).mean(dim=1)
    half_row = 0.5 / SIZE * abs(left_top - right_bottom)
    assert red[0] == pytest.approx(left_top - half_row * np.sign(left_top - right_bottom), abs=0.012)
    assert red[-1] == pytest.approx(right_bottom + half_row * np.sign(left_top - right_bottom), abs=0.012)


@pytest.mark.parametrize("fast", [False, True])
def test_perspective_shrinks_one_side(fast):
    """A stripe of constant height, drawn by x = ½ · x' / (1 + 0.2 x')."""
    image = plain((0, 0, 0), 100, 100)
    image[:, 40:60] = 255
    warped = warp_region(image, WHOLE, warp_matrix("perspective_x", 0.2), SIZE, "bilinear", fast)
    heights = (warped[0].float() / 255).mean(dim=0)
    assert heights[0] == pytest.approx(0.2 * 0.9, abs=0.01)
    assert heights[-1] == pytest.approx(0.2 * 1.1, abs=0.01)


@pytest.mark.parametrize("fast", [False, True])
def test_what_comes_in_is_the_image_around_the_crop_and_its_mirror_image_beyond(fast):
    ramp = torch.arange(100, dtype=torch.uint8).expand(3, 100, 100).permute(1, 2, 0).contiguous()
    ramp = ramp.permute(2, 0, 1)
    matrix = warp_matrix("translate_x", 0.5)
    inner = warp_region(ramp, (0, 20, 40, 40), matrix, 40, "bilinear", fast)[0, 20].float()
    assert (inner - torch.arange(40, 80)).abs().max() < 1.1
    outer = warp_region(ramp, (0, 60, 40, 40), matrix, 40, "bilinear", fast)[0, 20].float()
    expected = torch.cat([torch.arange(80, 100), torch.arange(99, 79, -1)])
    assert (outer - expected).abs().max() < 1.6


def test_the_fast_warp_is_the_default_one():
    matrix = warp_matrix("rotate", 0.2) @ warp_matrix("perspective_y", 0.2) @ warp_matrix("translate_x", 0.1)
    default, fast = (
        warp_region(texture(), (10, 20, 100, 110), matrix, SIZE, "bilinear", f).float() for f in (False, True)
    )
    assert (default - fast).abs().mean() < 3
    others = warp_region(texture(), (14, 20, 100, 110), matrix, SIZE, "bilinear", True).float()
    assert (default - others).abs().mean() > 6  # what four pixels of disagreement would be


@pytest.mark.parametrize("height,width", [(1, 1), (2, 3), (1, 200), (300, 2)])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_small_and_slender_images(height, width, fast, policy):
    image = plain((9, 99, 199), height, width)
    for seed in range(4):
        found = shown(image, seed, fast=fast, policy=policy, operations=5, probability=1, erasing=0)
        assert found.shape == (3, SIZE, SIZE)
        if policy != "randaugment":
            assert torch.equal(found, plain((9, 99, 199), SIZE, SIZE))


# RandAugment as released


def test_randaugment_is_timms_recipe():
    theirs = rand_augment_transform(RECIPE, {"img_mean": (124, 116, 104)})
    config = AugmentationConfig(policy="randaugment")
    assert [op.name for op in theirs.ops] == list(RAND_AUGMENT)
    assert theirs.num_layers == config.operations and theirs.choice_weights is None
    for op in theirs.ops:
        ours = (config.probability, config.magnitude, config.magnitude_std)
        assert (op.prob, op.magnitude, op.magnitude_std) == ours and op.magnitude_max is None
    assert config.scale == (0.08, 1.0) and config.erasing == 0.25


@pytest.mark.parametrize("name", RAND_AUGMENT)
@pytest.mark.parametrize("level", [0.0, 3.3, 8.7, 9.0, 9.9])
def test_arguments_of_a_magnitude_are_timms(name, level):
    random.seed(0)
    theirs = {LEVEL_TO_ARG[name](level, {}) if LEVEL_TO_ARG[name] else () for _ in range(30)}
    ours = {RAND_AUGMENT[name](level / 10, sign) for sign in (-1, 1)}
    assert len(ours) == len(theirs)
    assert np.array(sorted(ours)) == pytest.approx(np.array(sorted(theirs)))


def test_full_strength_leaves_a_bit():
    """timm's recipe asks Pillow for 0 bits once in some 660 pictures; Pillow 13 raises."""
    assert LEVEL_TO_ARG["PosterizeIncreasing"](10.0, {}) == (0,)
    options = {"policy": "randaugment", "magnitude": 10, "magnitude_std": 0, "probability": 1, "erasing": 0}
    for seed in range(80):
        shown(texture(), seed, **options)
    assert RAND_AUGMENT["PosterizeIncreasing"](1.0, 1) == (1,)


def test_how_operations_are_drawn():
    config = AugmentationConfig(operations=3, probability=0.4, magnitude=6, magnitude_std=1)
    numbers = generator(0)
    drawn = [list(drawn_operations(config, "abcd", numbers)) for _ in range(1500)]
    names, strengths, signs = zip(*(operation for operations in drawn for operation in operations))
    assert len(names) / 1500 == pytest.approx(3 * 0.4, abs=0.07)
    assert {name: names.count(name) / len(names) for name in "abcd"} == pytest.approx(
        dict.fromkeys("abcd", 0.25), abs=0.05
    )
    assert np.mean(strengths) == pytest.approx(0.6, abs=0.01)
    assert np.std(strengths) == pytest.approx(0.1, abs=0.01)
    assert np.mean(signs) == pytest.approx(0, abs=0.08)
    numbers = generator(0)
    strong = AugmentationConfig(magnitude=10, magnitude_std=3, probability=1)
    levels = [level for _ in range(200) for _, level, _ in drawn_operations(strong, "abcd", numbers)]
    assert max(levels) == 1 and min(levels) >= 0


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_timms(interpolation):
    """Of one operation at magnitude 9: each is one that timm makes, and all that it makes come up."""
    image = texture(SIZE, SIZE)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    resampling = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[interpolation]
    hparams = {"img_mean": (124, 116, 104), "interpolation": resampling}
    random.seed(0)
    theirs = {
        np.array(AugmentOp(name, 1.0, 9, hparams)(picture)).tobytes()
        for name in RAND_AUGMENT
        for _ in range(12)
    }
    config = AugmentationConfig(
        operations=1, probability=1, magnitude_std=0, interpolation=interpolation, policy="randaugment"
    )
    numbers = generator(0)
    ours = {rand_augment(image, config, numbers).permute(1, 2, 0).numpy().tobytes() for _ in range(300)}
    assert ours == theirs and len(ours) == 24  # of 15 operations, 9 have a sign


# Erasing


def erased(image):
    return (image != 7).any(0)


def test_erasing_is_distributed_as_timms():
    count, image = 1500, torch.full((3, 32, 40), 7, dtype=torch.uint8)
    theirs, numbers = RandomErasing(probability=0.25, mode="pixel", device="cpu"), generator(0)
    random.seed(0)
    expected = [
        float((theirs(torch.full((3, 32, 40), 7.0)) != 7).any(0).float().mean()) for _ in range(count)
    ]
    found = [float(erased(random_erasing(image, 0.25, numbers)).float().mean()) for _ in range(count)]
    assert np.mean(np.array(found) > 0) == pytest.approx(np.mean(np.array(expected) > 0), abs=0.05)
    done, theirs_done = [each for each in found if each], [each for each in expected if each]
    assert np.mean(done) == pytest.approx(np.mean(theirs_done), abs=0.02)
    assert np.quantile(done, (0.1, 0.9)) == pytest.approx(np.quantile(theirs_done, (0.1, 0.9)), abs=0.04)


def test_what_is_erased_is_one_rectangle_of_noise():
    image = torch.full((3, 100, 100), 7, dtype=torch.uint8)
    colours = []
    for seed in range(20):
        found = random_erasing(image, 1, generator(seed))
        rows, columns = erased(found).any(1).nonzero()[:, 0], erased(found).any(0).nonzero()[:, 0]
        box = found[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert erased(box).float().mean() > 0.99
        colours.append(box.float().flatten(1))
        assert (image == 7).all()  # not in place
    colours = torch.cat(colours, 1)
    # Cutting to 0 … 255 takes a little of the spread.
    assert colours.mean(1).tolist() == pytest.approx([123.7, 116.3, 103.5], abs=2)
    assert colours.std(1).tolist() == pytest.approx([58.4, 57.1, 57.4], abs=4)


def test_erasing_leaves_the_decoded_image_alone():
    """A crop of the size asked for is the decoder's own memory."""
    image = texture(SIZE, SIZE)
    before = image.clone()
    for seed in range(8):
        shown(image, seed, policy="none", scale=(1, 1), flip=0, erasing=1)
    assert torch.equal(image, before)


# Persons


def person_picture():
    """Black with a green person at [60, 20, 110, 70], the left half of which is bright."""
    image = plain((0, 0, 0))
    image[1, 20:70, 60:110] = 100
    image[1, 20:70, 60:85] = 250
    return image


BOX = (60, 20, 110, 70)


def test_the_person_is_the_box():
    found = make(person_picture(), sample=record(BOX), person="score", margin=0, policy="none", flip=0)
    assert found["has_person"] is True and found["person"].shape == (3, SIZE, SIZE)
    assert (found["person"][1] >= 95).all()
    wide = make(person_picture(), sample=record(BOX), person="score", margin=0.2, policy="none", flip=0)
    assert (wide["person"][1] > 50).float().mean() == pytest.approx((50 / 70) ** 2, abs=0.03)


def test_which_person():
    """The rule of pretraining."""
    sample = {"id": "x", "persons": [{"box": (0, 0, 40, 40), "score": 0.9}, {"box": BOX, "score": 0.5}]}
    options = {"sample": sample, "margin": 0, "policy": "none"}
    assert (make(person_picture(), person="size", **options)["person"][1] >= 95).all()
    assert (make(person_picture(), person="score", **options)["person"] == 0).all()


@pytest.mark.parametrize("sample", [{"id": "x"}, record(), record((0, 0, 9, 90))])
def test_without_a_usable_box_the_whole_image_is_shown(sample):
    found = make(person_picture(), sample=sample, person="score", policy="none", flip=0)
    assert found["has_person"] is False
    assert (found["person"][1] > 50).float().mean() == pytest.approx(50 * 50 / (90 * 120), abs=0.02)


def test_the_person_is_mirrored_with_the_image():
    image = person_picture()
    image[0] = torch.arange(120, dtype=torch.uint8)
    states = set()
    for seed in range(16):
        found = make(image, seed, sample=record(BOX), person="score", margin=0)
        whole = found["image"][0, SIZE // 2].float()
        mirrored = bool(whole[: SIZE // 4].mean() > whole[-SIZE // 4 :].mean())
        assert mirrored == bool(
            found["person"][1, :, 8].float().mean() < found["person"][1, :, -8].float().mean()
        )
        states.add(mirrored)
    assert len(states) == 2


@pytest.mark.parametrize("policy", POLICIES)
def test_the_image_does_not_depend_on_the_person(policy):
    for seed in range(8):
        alone = shown(texture(), seed, policy=policy)
        for sample in (record(), record((20, 20, 80, 100))):
            assert torch.equal(make(texture(), seed, sample, person="size", policy=policy)["image"], alone)


def test_persons_are_augmented_too():
    options = {"sample": record((20, 20, 80, 100)), "person": "size", "flip": 0}
    still = [make(texture(), seed, policy="none", **options)["person"] for seed in range(8)]
    assert all(torch.equal(each, still[0]) for each in still)
    moved = {make(texture(), seed, **options)["person"].numpy().tobytes() for seed in range(8)}
    assert len(moved) > 4


# Evaluation, workers, config


def test_evaluation_has_the_same_keys_and_nothing_random():
    def extra(record):
        return {"id": record["id"]}

    config = AugmentationConfig(policy="randaugment", person="score", margin=0)
    loader = Loader(person_picture())
    view = FinetuneEvaluationView(config, SIZE, [extra], look="crop_and_scene")
    found = view(loader, record(BOX), 1)
    assert set(found) == set(make(person_picture(), sample=record(BOX), person="score", extras=[extra]))
    assert found["image"].shape == found["person"].shape == (3, SIZE, SIZE) and loader.calls == 1
    assert found["has_person"] is True and (found["person"][1] >= 95).all()
    other = view(loader, record(BOX), 2)
    assert torch.equal(found["image"], other["image"]) and torch.equal(found["person"], other["person"])
    assert "person" not in FinetuneEvaluationView(AugmentationConfig(), SIZE)(loader, record(BOX), 1)


def test_the_image_is_decoded_once_and_the_views_can_be_sent_to_workers():
    config = AugmentationConfig(person="score")
    views = (FinetuneView, FinetuneEvaluationView)
    for view in (make_view(config, SIZE, look="crop_and_scene") for make_view in views):
        loader = Loader(texture())
        found = pickle.loads(pickle.dumps(view))(loader, record((20, 20, 80, 100)), 3)
        assert torch.equal(found["image"], view(Loader(texture()), record((20, 20, 80, 100)), 3)["image"])
        assert loader.calls == 1


def test_what_goes_with_randaugment_can_be_changed():
    config = load_config(AugmentationConfig, None, ["policy=randaugment", "erasing=0"])
    assert (config.scale, config.erasing) == ((0.08, 1.0), 0)
    assert AugmentationConfig(policy="emotion-safe") == AugmentationConfig()


@pytest.mark.parametrize(
    "setting,message", [("scale=[0.5, 0.2]", "0 < low ≤ high ≤ 1"), ("policy=gentle", "'emotion-safe'")]
)
def test_mistakes_are_one_line(setting, message):
    with pytest.raises(UserError, match=message) as error:
        load_config(AugmentationConfig, None, [setting])
    assert "1 problem" in str(error.value)
