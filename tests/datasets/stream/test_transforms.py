"""Crops, resizes and flips: numerics, borders, determinism."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.datasets.stream import EvaluationView, ImageLoader
from vemo.datasets.stream.transforms import (
    box_region,
    crop_box,
    horizontal_flip,
    load_random_resized_crop,
    random_resized_crop,
    resize_center_crop,
    resize_region,
    sample_crop,
)
from vemo.foundation import UserError

SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def picture(height: int, width: int) -> torch.Tensor:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 9), np.cos(columns / 7), np.sin((rows + columns) / 11)]
    pixels = (np.stack(waves, -1) * 100 + 128).astype(np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Given:
    """A generator whose draws are given, to sit exactly on a threshold."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.mark.parametrize(("height", "width"), [(300, 400), (64, 1000), (1000, 64), (2, 2)])
def test_crops_lie_inside_and_have_the_stated_area_and_ratio(height, width):
    draws = generator()
    regions = [sample_crop(height, width, SCALE, RATIO, draws) for _ in range(500)]
    for top, left, crop_height, crop_width in regions:
        assert top >= 0 and left >= 0 and crop_height >= 1 and crop_width >= 1
        assert top + crop_height <= height and left + crop_width <= width
    if (height, width) == (300, 400):
        areas = [h * w / (height * width) for _, _, h, w in regions]
        ratios = [w / h for _, _, h, w in regions]
        assert 0.19 < min(areas) < 0.23 and 0.9 < max(areas) <= 1
        assert min(ratios) > 0.74 and max(ratios) < 1.35
        assert {0} < {top for top, *_ in regions} and len({left for _, left, *_ in regions}) > 50


def test_crops_are_distributed_as_torchvisions():
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    image, crop = picture(300, 400), RandomResizedCrop.get_params
    theirs = np.array([crop(image, SCALE, RATIO) for _ in range(3000)])
    draws = generator()
    ours = np.array([sample_crop(300, 400, SCALE, RATIO, draws) for _ in range(3000)])
    for column in range(4):
        spread = math.hypot(theirs[:, column].std(), ours[:, column].std()) / math.sqrt(3000)
        assert abs(theirs[:, column].mean() - ours[:, column].mean()) < 4 * spread


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 500), (500, 1), (3, 2000)])
@pytest.mark.parametrize("fast", [False, True])
def test_tiny_and_extreme_images_still_give_the_size(height, width, fast):
    image = picture(height, width)
    for seed in range(20):
        assert random_resized_crop(image, 32, SCALE, RATIO, generator(seed), fast=fast).shape == (3, 32, 32)
    assert resize_center_crop(image, 32, fast=fast).shape == (3, 32, 32)


def test_extreme_images_fall_back_to_the_widest_allowed_crop():
    top, left, height, width = sample_crop(10, 1000, (0.5, 1.0), RATIO, generator())
    assert (top, height) == (0, 10) and width == round(10 * RATIO[1]) and left == (1000 - width) // 2
    top, left, height, width = sample_crop(1000, 10, (0.5, 1.0), RATIO, generator())
    assert (left, width) == (0, 10) and height == round(10 / RATIO[0]) and top == (1000 - height) // 2


def test_the_generator_decides_everything():
    image = picture(120, 160)
    one, two, other = (random_resized_crop(image, 64, SCALE, RATIO, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 (global state must not matter)
    assert torch.equal(one, random_resized_crop(image, 64, SCALE, RATIO, generator(1)))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("region", [(10, 20, 100, 120), (0, 0, 40, 30), (5, 5, 190, 250)])
def test_resizing_agrees_with_pillow(interpolation, fast, region):
    image = picture(200, 260)
    top, left, height, width = region
    resized = resize_region(image, region, 64, interpolation, fast)
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
    crop = image[:, top : top + height, left : left + width].permute(1, 2, 0).numpy()
    expected = np.asarray(Image.fromarray(crop).resize((64, 64), method)).astype(int)
    assert resized.dtype == torch.uint8 and resized.permute(1, 2, 0).is_contiguous()
    gap = np.abs(resized.permute(1, 2, 0).numpy().astype(int) - expected)
    assert gap.max() <= (12 if fast else 2) and gap.mean() < (2 if fast else 0.6)


@pytest.mark.parametrize("fast", [False, True])
def test_strong_reductions_are_antialiased(fast):
    """A one-pixel checkerboard is grey from afar; picking pixels would leave black and white."""
    board = torch.from_numpy(np.indices((256, 256)).sum(0) % 2 * 255).to(torch.uint8).expand(3, -1, -1)
    small = resize_region(board, (0, 0, 256, 256), 32, fast=fast)
    assert int(small.min()) > 110 and int(small.max()) < 145


def test_resizing_does_not_depend_on_the_memory_layout():
    image = picture(90, 110)
    planes = image.contiguous()
    assert planes.stride() != image.stride()
    for fast in (False, True):
        same = [resize_region(each, (3, 4, 80, 70), 48, fast=fast) for each in (image, planes)]
        assert torch.equal(*same)


def test_an_unscaled_region_is_copied():
    image = picture(64, 64)
    crop = resize_region(image, (0, 0, 64, 64), 64)
    assert torch.equal(crop, image)
    crop[:] = 0
    assert resize_region(image, (10, 12, 32, 32), 32).sum() == image[:, 10:42, 12:44].sum()


def test_center_crop_is_the_middle():
    image = torch.zeros(3, 100, 200, dtype=torch.uint8)
    image[:, :, 100:] = 200
    crop = resize_center_crop(image, 20)
    assert crop[:, :, :9].max() == 0 and crop[:, :, 11:].min() == 200
    assert torch.equal(resize_center_crop(picture(64, 64), 64, crop_fraction=1.0), picture(64, 64))


@pytest.mark.parametrize(
    ("draw", "probability", "flipped"), [(0.5, 0.5, False), (0.49999, 0.5, True), (0.0, 0.0, False)]
)
def test_flip_ties(draw, probability, flipped):
    image = picture(5, 7)
    result = horizontal_flip(image, Given(draw), probability)
    assert torch.equal(result, image.flip(-1) if flipped else image)


def test_flips_always_never_and_half_of_the_time():
    image, draws = picture(5, 7), generator()
    assert all(torch.equal(horizontal_flip(image, draws, 1.0), image.flip(-1)) for _ in range(50))
    assert all(torch.equal(horizontal_flip(image, draws, 0.0), image) for _ in range(50))
    flips = sum(torch.equal(horizontal_flip(image, draws), image.flip(-1)) for _ in range(400))
    assert 150 < flips < 250


@pytest.mark.parametrize(
    ("box", "margin", "minimum", "expected"),
    [
        ((10, 20, 30, 60), 0.0, 1, (20, 10, 40, 20)),  # as it is: top, left, height, width
        ((10.4, 20.6, 30.2, 59.5), 0.0, 1, (20, 10, 40, 21)),  # whole pixels that contain it
        ((10, 20, 30, 60), 0.5, 1, (0, 0, 80, 40)),  # widened by half its size on every side
        ((-50, -50, 20, 20), 0.0, 1, (0, 0, 20, 20)),  # clipped at the top left
        ((80, 80, 500, 500), 0.0, 1, (80, 80, 20, 40)),  # clipped at the bottom right
        ((-9, -9, 999, 999), 0.3, 1, (0, 0, 100, 120)),  # larger than the image
        ((50, 50, 52, 52), 0.0, 10, (46, 46, 10, 10)),  # grown about its centre
        ((0, 0, 2, 2), 0.0, 10, (0, 0, 10, 10)),  # grown, shifted inside
        ((118, 98, 120, 100), 0.0, 10, (90, 110, 10, 10)),
        ((50, 50, 50, 50), 0.0, 1, (50, 50, 1, 1)),  # without extent
        ((50, 50, 52, 52), 0.0, 300, (0, 0, 100, 120)),  # an image smaller than the minimum is taken whole
    ],
)
def test_boxes_are_clipped_and_kept_large_enough(box, margin, minimum, expected):
    image = picture(100, 120)
    assert box_region(box, 100, 120, margin, minimum) == expected
    top, left, height, width = expected
    assert torch.equal(
        crop_box(image, box, margin, minimum), image[:, top : top + height, left : left + width]
    )


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((-30, 0, -10, 50), "outside the 120×100 image"),
        ((120, 0, 140, 50), "outside"),
        ((0, 100, 10, 140), "outside"),
        ((30, 0, 10, 50), "is not x1 ≤ x2"),
        ((0, float("nan"), 10, 50), "finite"),
        ((0, 0, float("inf"), 50), "finite"),
    ],
)
def test_boxes_that_show_nothing_are_refused(box, message):
    with pytest.raises(UserError, match=message):
        crop_box(picture(100, 120), box)


def jpeg(image: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.mark.parametrize(("height", "width"), [(100, 130), (400, 500), (1201, 901), (40, 2000)])
def test_loading_and_cropping_shows_the_same_on_either_path(height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / height * 5), np.cos(columns / width * 5), np.sin(rows / height + columns / width)]
    data = jpeg(torch.from_numpy((np.stack(waves) * 100 + 128).astype(np.uint8)))
    for seed in range(8):
        exact = load_random_resized_crop(ImageLoader(data), 48, SCALE, RATIO, generator(seed))
        quick = load_random_resized_crop(ImageLoader(data, fast=True), 48, SCALE, RATIO, generator(seed))
        assert torch.equal(exact, random_resized_crop(ImageLoader(data)(), 48, SCALE, RATIO, generator(seed)))
        assert (exact.float() - quick.float()).abs().mean() < 5


def test_the_fast_path_decodes_no_more_than_the_crop_needs(monkeypatch):
    scales = []
    whole = ImageLoader.__call__

    def spy(self, scale=1):
        scales.append(scale)
        return whole(self, scale)

    monkeypatch.setattr(ImageLoader, "__call__", spy)
    data = jpeg(picture(512, 512))
    for size, expected in ((512, 1), (300, 1), (256, 2), (128, 4), (64, 8), (16, 8)):
        load_random_resized_crop(ImageLoader(data, fast=True), size, (1.0, 1.0), (1.0, 1.0), generator())
        assert scales.pop() == expected


def test_a_plain_function_may_stand_in_for_the_loader():
    image = picture(60, 60)
    crop = load_random_resized_crop(lambda: image, 16, SCALE, RATIO, generator(1))
    assert torch.equal(crop, random_resized_crop(image, 16, SCALE, RATIO, generator(1)))


def test_the_evaluation_view_is_deterministic():
    view = EvaluationView(32)
    outputs = [view(lambda: picture(50, 70), {}, seed)["image"] for seed in (0, 1)]
    assert torch.equal(*outputs) and outputs[0].shape == (3, 32, 32)
