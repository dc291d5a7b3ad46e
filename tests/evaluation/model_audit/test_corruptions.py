"""Corruptions: pure, of the same shape, stronger with severity, the same for the same sample."""

import numpy as np
import pytest
import torch
from vemo.evaluation.model_audit.corruptions import CORRUPTIONS, PARAMETERS, CorruptedView, corrupt


@pytest.fixture(scope="module")
def image():
    """Colourful stripes with an edge in every direction, 3 × 48 × 40."""
    rows, columns = np.mgrid[:48, :40]
    planes = [(rows // 6 % 2) * 200 + 20, (columns // 5 % 2) * 160 + 40, (rows + columns) * 2]
    return torch.from_numpy(np.stack(planes).astype(np.uint8))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_severity_grows_and_nothing_else_changes(kind, image):
    before = image.clone()
    made = [corrupt(image, kind, severity, "a") for severity in range(1, 6)]
    assert torch.equal(image, before)
    assert all(each.dtype == torch.uint8 and each.shape == image.shape for each in made)
    away = [float((each.float() - image.float()).abs().mean()) for each in made]
    assert away[0] > 0 and away == sorted(away) and away[-1] > 1.3 * away[0]
    assert torch.equal(corrupt(image, kind, 3, "a"), made[2])
    assert len(PARAMETERS[kind][1]) == 5


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_shape_is_taken(kind):
    for height, width in ((1, 1), (2, 30), (33, 7)):
        made = corrupt(torch.full((3, height, width), 100, dtype=torch.uint8), kind, 5, "a")
        assert made.shape == (3, height, width) and made.dtype == torch.uint8


def test_chance_is_the_sample_s_own(image):
    noises = [corrupt(image, "noise", 3, name) for name in "ab"]
    assert not torch.equal(*noises)
    for kind in ("blur", "jpeg", "low_light", "small_size", "grey"):
        assert torch.equal(corrupt(image, kind, 3, "a"), corrupt(image, kind, 3, "b"))


def test_each_does_what_its_parameter_says(image):
    assert torch.equal(corrupt(image, "low_light", 5, "a"), (image * 0.1).round().to(torch.uint8))
    grey = corrupt(image, "grey", 5, "a")
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[1], grey[2])
    white = torch.full((3, 100, 80), 255, dtype=torch.uint8)
    covered = (corrupt(white, "occlusion", 2, "a") == 0).all(0).all(1)
    assert int(covered.sum()) in (14, 15)  # 0.18 of the shorter side, 80
    strong = (corrupt(white, "occlusion", 5, "a") == 0).all(0).all(1)
    assert bool((strong | ~covered).all())  # a taller bar covers what a lower one does
    noise = corrupt(torch.full((3, 200, 200), 128, dtype=torch.uint8), "noise", 2, "a").float()
    assert float(noise.std()) == pytest.approx(0.08 * 255, rel=0.03)
    assert float(noise.mean()) == pytest.approx(128, abs=0.5)


def test_a_view_corrupts_its_images_and_nothing_else(image):
    def view(loader, record, seed):
        return {"image": loader(), "person": loader(), "mask": torch.ones(3, dtype=torch.uint8), "n": seed}

    found = CorruptedView(view, "grey", 5)(lambda: image, {"id": "a"}, 7)
    assert torch.equal(found["image"], corrupt(image, "grey", 5, "a"))
    assert torch.equal(found["person"], found["image"])
    assert found["n"] == 7 and torch.equal(found["mask"], torch.ones(3, dtype=torch.uint8))


def test_unknown_ones_are_refused(image):
    for kind, severity in (("fog", 1), ("blur", 0), ("blur", 6)):
        with pytest.raises(ValueError, match="kinds are blur"):
            corrupt(image, kind, severity, "a")
