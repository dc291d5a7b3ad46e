"""Five points brought to the template: exactly where a similarity does it, and upright pixels."""

import numpy as np
import pytest
import torch
from vemo.finetune.predict.alignment import TEMPLATE, align, similarity, turned


def turn(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("degrees", [0, 30, -75, 179])
@pytest.mark.parametrize("scale", [0.02, 1.0, 40.0])
def test_a_known_similarity_is_recovered(degrees, scale):
    wanted = np.column_stack([scale * turn(degrees), [310.5, -27.25]])
    points = np.random.default_rng(0).normal(size=(5, 2)) * 50
    found = similarity(points, points @ wanted[:, :2].T + wanted[:, 2])
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_nothing_nearby_is_closer():
    numbers = np.random.default_rng(1)
    source = TEMPLATE + numbers.normal(size=(5, 2)) * 6
    found = similarity(source, TEMPLATE)

    def error(matrix):
        return ((source @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE) ** 2).sum()

    scale = np.hypot(*found[:, 0])
    for change in ("scale", "turn", "across", "down"):
        for step in (1e-3, -1e-3):
            linear, shift = found[:, :2], found[:, 2].copy()
            linear = linear * (1 + step) if change == "scale" else linear
            linear = turn(step) @ linear if change == "turn" else linear
            shift = shift + scale * step * np.array([change == "across", change == "down"])
            assert error(np.column_stack([linear, shift])) > error(found)


def test_faces_are_never_mirrored():
    mirrored = TEMPLATE * (-1, 1)
    assert np.linalg.det(similarity(mirrored, TEMPLATE)[:, :2]) > 0


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_points_that_are_no_face(points):
    with pytest.raises(ValueError, match=r"the points coincide|a point is not finite"):
        similarity(points, TEMPLATE)


def dotted(places, size=(240, 320)):
    """A grey picture with a bright spot of a radius of 3 pixels at each place."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    pixels = np.full(size, 60.0)
    for place in places:
        pixels += 180 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 9)
    return torch.from_numpy(pixels.clip(0, 255).astype(np.uint8)).expand(3, *size)


@pytest.mark.parametrize(("degrees", "size", "margin"), [(0, 112, 0.0), (40, 112, 0.0), (-25, 64, 0.25)])
def test_the_points_come_to_lie_on_the_template(degrees, size, margin):
    places = (TEMPLATE - 56) @ turn(degrees).T * 1.3 + (160, 120)
    face = align(dotted(places), places, size, margin, "bilinear")[0].double()
    assert face.shape == (size, size)
    y, x = np.mgrid[:size, :size] + 0.5
    for wanted in ((TEMPLATE - 56) / (112 * (1 + 2 * margin)) + 0.5) * size:
        weight = (face.numpy() - 60).clip(min=0) * (np.hypot(x - wanted[0], y - wanted[1]) < size / 16)
        centre = ((weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum())
        np.testing.assert_allclose(centre, wanted, atol=0.3)


def test_at_the_edge_the_picture_is_mirrored_and_beyond_it_there_is_no_face():
    pixels = torch.full((3, 100, 100), 200, dtype=torch.uint8)
    assert align(pixels, TEMPLATE - 50, 32, 0.0, "bicubic").min() >= 199  # no black corner comes in
    with pytest.raises(ValueError, match="outside the image"):
        align(pixels, TEMPLATE + 200, 32, 0.0, "bicubic")


def test_how_far_a_face_is_turned():
    assert turned(TEMPLATE) < 0.01
    aside = TEMPLATE.copy()
    aside[2, 0] = aside[1, 0]  # the nose below the left eye
    assert turned(aside) == pytest.approx(0.5, abs=0.01)
    assert turned(aside @ turn(70).T) == pytest.approx(turned(aside))
    assert turned(np.zeros((5, 2))) == np.inf
