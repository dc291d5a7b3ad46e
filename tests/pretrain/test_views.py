"""The two views: real crops, sound fallbacks, and nothing random but through the seed."""

import pickle

import pytest
import torch
from vemo.pretrain.sentences import SentenceBuilder, SentenceConfig
from vemo.pretrain.views import PretrainView, ViewConfig, person_region

HEIGHT, WIDTH = 120, 200
RED, GREEN = (255, 0, 0), (0, 255, 0)


def picture(box=None):
    """Red, with a green rectangle [x1, y1, x2, y2]."""
    image = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    image[0] = 255
    if box:
        x1, y1, x2, y2 = box
        image[:, y1:y2, x1:x2] = torch.tensor(GREEN, dtype=torch.uint8).view(3, 1, 1)
    return image


def record(*boxes):
    persons = [{"box": box, "score": score} for box, score in boxes]
    return {"id": "x", "labels": {"mikels8": {"class": "awe"}}, "persons": persons}


def make(image, sample, seed=7, **options):
    view = PretrainView(ViewConfig(**options), 64, SentenceBuilder(SentenceConfig()))
    return view(lambda: image, sample, seed)


def test_what_a_view_holds():
    found = make(picture(), record())
    assert found["scene"].shape == found["person"].shape == (3, 64, 64)
    assert found["scene"].dtype == found["person"].dtype == torch.uint8
    assert found["has_person"] is False
    assert found["sentence"] == "The overall emotion conveyed is awe."


def test_the_person_view_really_is_the_person():
    """The released code computed the box and transformed the whole image."""
    box = (100, 20, 180, 100)
    found = make(picture(box), record((box, 0.9)), margin=0)
    assert found["has_person"] is True
    assert (found["person"][1] == 255).all() and (found["person"][0] == 0).all()


def test_the_margin_shows_what_is_around():
    box = (100, 20, 180, 100)
    found = make(picture(box), record((box, 0.9)), margin=0.1)
    share = (found["person"][1] > 127).float().mean()
    assert share == pytest.approx((80 / 96) ** 2, abs=0.03)


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [((10.0, 10.0, 30.0, 100.0), 0.9)],  # 24 pixels wide with its margin
        [((500.0, 10.0, 600.0, 100.0), 0.9)],  # outside
    ],
)
def test_without_a_usable_box_the_whole_image_is_shown(boxes):
    image = picture((0, 0, 100, HEIGHT))  # the left half is green
    found = make(image, record(*boxes))
    assert found["has_person"] is False
    assert (found["person"][1] > 127).float().mean() == pytest.approx(0.5, abs=0.02)


def test_nobody_looked_for_persons():
    sample = record()
    del sample["persons"]
    assert make(picture(), sample)["has_person"] is False


@pytest.mark.parametrize("rule,chosen", [("score", 0), ("size", 1), ("score_and_size", 2)])
def test_which_person(rule, chosen):
    boxes = [
        ((0.0, 0.0, 40.0, 40.0), 0.9),  # √area 40 → 36
        ((60.0, 0.0, 160.0, 100.0), 0.3),  # √area 100 → 30
        ((100.0, 40.0, 180.0, 120.0), 0.8),  # √area 80 → 64
    ]
    top, left, height, width = person_region(record(*boxes), HEIGHT, WIDTH, ViewConfig(person=rule, margin=0))
    assert (left, top, left + width, top + height) == tuple(map(int, boxes[chosen][0]))


def test_a_slender_box_grows_towards_a_square_and_stays_in_the_image():
    tall = record(((0.0, 0.0, 40.0, 120.0), 1.0))
    assert person_region(tall, HEIGHT, WIDTH, ViewConfig(margin=0)) == (0, 0, 120, 120)


def test_boxes_beyond_the_edge_are_clipped():
    sample = record(((-50.0, -50.0, 90.0, 90.0), 1.0))
    top, left, height, width = person_region(sample, HEIGHT, WIDTH, ViewConfig())
    assert top >= 0 and left >= 0 and top + height <= HEIGHT and left + width <= WIDTH


def noise():
    return torch.randint(
        0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_the_seed_decides_everything():
    sample = record(((100.0, 20.0, 180.0, 100.0), 0.9))
    first, again = make(noise(), sample, 5), make(noise(), sample, 5)
    assert torch.equal(first["scene"], again["scene"]) and torch.equal(first["person"], again["person"])
    scenes = {make(noise(), sample, seed)["scene"].numpy().tobytes() for seed in range(-4, 4)}
    assert len(scenes) == 8


def test_the_scene_does_not_depend_on_the_person_branch():
    sample = record(((100.0, 20.0, 180.0, 100.0), 0.9))
    scenes = [make(noise(), sample, 5, person_view=kind)["scene"] for kind in ("crop", "second_view", "none")]
    assert torch.equal(scenes[0], scenes[1]) and torch.equal(scenes[0], scenes[2])


def test_second_view_is_another_crop_and_none_is_no_person():
    found = make(noise(), record(), person_view="second_view")
    assert not torch.equal(found["scene"], found["person"]) and found["has_person"] is False
    assert "person" not in make(noise(), record(), person_view="none")


def test_tied_flips_mirror_both_or_neither():
    box = (0.0, 0.0, 120.0, 120.0)
    ramp = torch.arange(WIDTH, dtype=torch.uint8).expand(3, HEIGHT, WIDTH)

    def mirrored(view):
        return bool(view[0, 0, 0] > view[0, 0, -1])

    pairs = [make(ramp, record((box, 1.0)), seed, tie_flip=True) for seed in range(24)]
    states = [(mirrored(pair["scene"]), mirrored(pair["person"])) for pair in pairs]
    assert all(scene == person for scene, person in states) and len(set(states)) == 2
    free = [make(ramp, record((box, 1.0)), seed) for seed in range(24)]
    assert len({(mirrored(pair["scene"]), mirrored(pair["person"])) for pair in free}) == 4


def test_the_image_is_decoded_once_and_the_view_can_be_sent_to_a_worker():
    calls = []
    view = PretrainView(ViewConfig(), 64, SentenceBuilder(SentenceConfig()))
    view = pickle.loads(pickle.dumps(view))
    view(lambda: calls.append(1) or noise(), record(), 0)
    assert len(calls) == 1


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 0.2), (0.5, 1.5)])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        ViewConfig(scale=scale)
