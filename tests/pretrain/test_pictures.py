"""Pictures of a batch: they show what they say, leave no trace on the model, and do not fall over."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.evaluation.reports.colours import DIVERGING, NOT_A_NUMBER, SEQUENTIAL, colour, extent
from vemo.pretrain.losses import profiles
from vemo.pretrain.masking import PERSON_SALT, SCENE_SALT, random_masks
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.pictures import observe, save_reconstructions, save_similarities, sheet
from vemo.pretrain.pictures.reconstructions import HIDDEN, normalised, reconstruct, seen
from vemo.pretrain.pictures.sheet import GAP, INNER, MARGIN, NUMBERS, PAPER, TILE, TITLE_SIZE, WIDTH
from vemo.pretrain.pictures.similarities import LINE, SECOND, SIDE
from vemo.pretrain.task import UniEmoX

TOP = MARGIN + TITLE_SIZE + MARGIN  # where the first band of a sheet begins


def task_of(small, teacher, *components, **changes):
    torch.manual_seed(0)
    objective = {"components": components} if components else {}
    return UniEmoX(small.model_copy(update=changes), ObjectiveConfig(**objective), teacher)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def names(paths):
    return {path.name for path in paths}


def test_three_pictures_of_one_width(small, teacher, batch, tmp_path):
    folder = tmp_path / "step-000123"
    written = observe(task_of(small, teacher), batch, folder)
    assert names(written) == {"attention.png", "reconstructions.png", "similarities.png"}
    assert {path.parent for path in written} == {folder} and len(list(folder.iterdir())) == 3
    for path in written:
        shown = pixels(path)
        assert shown.shape[1] == WIDTH
        margins = [shown[:, :MARGIN], shown[:, -MARGIN:], shown[:MARGIN], shown[-MARGIN:]]
        assert all((margin == PAPER).all() for margin in margins), path.name


def test_looking_leaves_no_trace(small, teacher, batch, tmp_path):
    task = task_of(small, teacher)
    task.train()
    task.model.decoder_blocks.eval()

    def state():
        hooks = [len(each._forward_pre_hooks) + len(each._forward_hooks) for each in task.modules()]
        generators = (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()))  # noqa: NPY002
        modes = [each.training for each in task.modules()]
        return modes, hooks, generators, [p.requires_grad for p in task.parameters()], torch.is_grad_enabled()

    before, weights = state(), {name: value.clone() for name, value in task.state_dict().items()}
    given = {name: value.clone() if torch.is_tensor(value) else list(value) for name, value in batch.items()}
    observe(task, batch, tmp_path)
    assert state() == before
    assert all(torch.equal(value, weights[name]) for name, value in task.state_dict().items())
    assert all(parameter.grad is None for parameter in task.parameters())
    assert all(
        torch.equal(batch[name], value) if torch.is_tensor(value) else batch[name] == value
        for name, value in given.items()
    )


def test_the_same_batch_gives_the_same_pictures_and_another_epoch_other_masks(
    small, teacher, batch, tmp_path
):
    task = task_of(small, teacher)
    first, again = (
        [path.read_bytes() for path in observe(task, batch, tmp_path / attempt / "step")] for attempt in "ab"
    )
    assert first == again
    later = observe(task, {**batch, "seed": batch["seed"] + 1}, tmp_path / "c" / "step")
    changed = {path.name: path.read_bytes() != old for path, old in zip(later, first)}
    assert changed == {"attention.png": False, "reconstructions.png": True, "similarities.png": True}


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        (("reconstruction",), {"reconstructions.png"}),
        (("similarity",), {"similarities.png"}),
        (("clip",), {"similarities.png"}),
        (("contrastive", "fusion"), {"similarities.png"}),
    ],
)
def test_only_what_a_loss_is_about(components, expected, small, teacher, batch, tmp_path):
    written = observe(task_of(small, teacher, *components), batch, tmp_path)
    assert names(written) == {"attention.png"} | expected


def test_a_view_without_a_person_has_no_row_of_it(small, teacher, batch, tmp_path):
    def height(task, batch, folder):
        observe(task, batch, tmp_path / folder)
        return len(pixels(tmp_path / folder / "reconstructions.png"))

    with_row = height(task_of(small, teacher), batch, "with")
    unused = height(task_of(small, teacher, "reconstruction", "similarity"), batch, "unused")
    assert with_row - unused > TILE
    batch.pop("person")
    batch["has_person"] = torch.zeros(6, dtype=torch.bool)
    alone = task_of(small, teacher, "reconstruction", "similarity")
    assert height(alone, batch, "absent") == unused


def test_half_precision_and_weights_that_are_no_numbers(small, teacher, batch, tmp_path):
    task = task_of(small, teacher)
    whole = names(observe(task, batch, tmp_path / "float"))
    assert names(observe(task.to(torch.bfloat16), batch, tmp_path / "half")) == whole
    with torch.no_grad():
        task.model.trunk.norm.weight.fill_(float("nan"))
        task.model.trunk.blocks[0].attn.qkv.weight.fill_(float("nan"))
    assert names(observe(task, batch, tmp_path / "nan")) == whole


def test_large_batches_are_cut_and_nested_columns_too(small, teacher, batch_of, tmp_path):
    task, batch = task_of(small, teacher), batch_of(10)
    batch = {
        name: torch.cat([value] * 4) if torch.is_tensor(value) else value * 4 for name, value in batch.items()
    }
    asked = []
    task.student = lambda few: asked.append(few) or torch.ones(len(few["scene"]), teacher.width)
    observe(task, {**batch, "attributes": {"emotion": torch.arange(40)}}, tmp_path)
    assert {len(asked[0][name]) for name in batch} == {32}
    assert torch.equal(asked[0]["attributes"]["emotion"], torch.arange(32))


# --- reconstructions


@pytest.mark.parametrize("normalise_pixels", [False, True])
def test_a_perfect_decoder_gives_the_scene_back(normalise_pixels, small, teacher, batch, monkeypatch):
    model = task_of(small, teacher, normalise_pixels=normalise_pixels).model
    target = model.target(normalised(model, batch["scene"]))
    monkeypatch.setattr(model, "decode", lambda encoded: target)
    _, filled, whole = reconstruct(model, batch["scene"], batch["seed"])
    assert torch.allclose(whole, batch["scene"] / 255, atol=1e-4)
    assert torch.allclose(filled, batch["scene"] / 255, atol=1e-4)


def test_gaps_are_filled_from_the_prediction_and_the_rest_is_the_scene(small, teacher, batch):
    model = task_of(small, teacher).model
    masked, filled, whole = reconstruct(model, batch["scene"], batch["seed"])
    assert torch.equal(masked, random_masks(batch["seed"], small.patches, small.kept, SCENE_SALT)[1])
    filled, whole, scene = (model.patchify(each) for each in (filled, whole, batch["scene"] / 255))
    assert torch.allclose(filled[~masked], scene[~masked], atol=1e-5)
    assert torch.equal(filled[masked], whole[masked])
    assert (whole - scene).abs().mean() > 0.05  # an untrained decoder knows nothing


def test_hidden_patches_are_grey(small, teacher, batch):
    model = task_of(small, teacher).model
    _, masked = random_masks(batch["seed"], small.patches, small.kept, PERSON_SALT)
    shown = model.patchify(seen(model, batch["person"], masked))
    assert (shown[masked] == HIDDEN).all()
    assert torch.equal(shown[~masked], model.patchify(batch["person"] / 255)[~masked])


def test_the_rows_of_the_picture(small, teacher, batch, tmp_path):
    """The first tile of each row, found by where rows of one height must lie."""
    model = task_of(small, teacher).model
    shown = pixels(save_reconstructions(model, batch, tmp_path / "picture.png", person=True))
    masked, filled, whole = reconstruct(model, batch["scene"], batch["seed"])
    _, of_person = random_masks(batch["seed"], small.patches, small.kept, PERSON_SALT)
    step = TILE + GAP + 20 + MARGIN  # captions of one line
    rows = [batch["scene"], seen(model, batch["scene"], masked), filled, whole]
    for number, expected in enumerate([*rows, seen(model, batch["person"], of_person)]):
        y = TOP + number * step
        band = np.asarray(sheet.tiles(expected)).astype(int)
        found = shown[y : y + TILE, MARGIN : MARGIN + TILE]  # sample 0 has a person
        assert np.array_equal(found, band[:TILE, :TILE]), number
    y, x = TOP + 4 * step, MARGIN + TILE + GAP  # sample 1 has none
    assert not np.array_equal(shown[y : y + TILE, x : x + TILE], band[:TILE, TILE + GAP : 2 * TILE + GAP])


def test_a_mark_dims_its_tile_only():
    images = torch.zeros(9, 3, 8, 8, dtype=torch.uint8)
    plain, marked = (np.asarray(sheet.tiles(images, marks)) for marks in ((), ["", "no person"]))
    assert plain.shape == (2 * TILE + GAP, INNER, 3)
    second = slice(TILE + GAP, 2 * TILE + GAP)
    assert (plain[:TILE, second] == 0).all() and (marked[: TILE // 2, second] > 120).all()
    others = (
        np.delete(marked, np.arange(INNER)[second], axis=1),
        np.delete(plain, np.arange(INNER)[second], axis=1),
    )
    assert np.array_equal(*others)
    assert (plain[TILE + GAP :, TILE:] == PAPER).all()  # the ninth, alone in a second line


# --- similarities


def rows_of(count, width=16, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def panels(path, count, top=TOP):
    """The two matrices of a row of panels, as pixels."""
    side = SIDE // count * count
    shown, y = pixels(path), top + LINE + NUMBERS
    return [shown[y : y + side, x : x + side] for x in (MARGIN + NUMBERS, MARGIN + SECOND + NUMBERS)]


def test_a_student_that_is_the_teacher_has_the_same_matrices(batch, tmp_path):
    images, texts, student = (rows_of(6, seed=seed) for seed in range(3))
    shared = (images, texts, batch["sentence"], batch["scene"])
    left, right = panels(save_similarities(tmp_path / "same.png", 3 * images, *shared), 6)
    assert np.array_equal(left, right)
    left, right = panels(save_similarities(tmp_path / "other.png", student, *shared), 6)
    assert not np.array_equal(left, right)


@pytest.mark.parametrize("center_rows", [True, False])
def test_cells_are_the_profiles_of_the_loss_in_the_order_of_the_sentences(center_rows, batch, tmp_path):
    student, images, texts = (rows_of(6, seed=seed) for seed in range(3))
    sentences = ["d", "b", "", "a", "c", "e"]
    texts[2] = 0
    path = tmp_path / "picture.png"
    save_similarities(path, student, images, texts, sentences, batch["scene"], center_rows)
    rows, columns = [3, 1, 4, 0, 5, 2], [3, 1, 4, 0, 5]  # without a sentence: last, and no column
    a, c = profiles(student[rows], images[rows], texts[columns], center_rows)
    if center_rows:
        assert a.mean(dim=1).abs().max() < 1e-6
        high = float(torch.stack([a, c]).abs().max())
        scale = (DIVERGING, -high, high)
    else:
        scale = (SEQUENTIAL, *extent(a, c))
    cell = SIDE // 6
    for panel, values in zip(panels(path, 6), (a, c)):
        middle = panel[cell // 2 :: cell, cell // 2 :: cell]
        assert np.array_equal(middle[:, :5], colour(values, *scale).numpy())
        assert (middle[:, 5] == PAPER).all()
        corners = panel[0::cell, 0::cell]  # outlined on the diagonal only
        framed = [[not np.array_equal(corners[i, j], middle[i, j]) for j in range(5)] for i in range(6)]
        assert framed == [[i == j for j in range(5)] for i in range(6)]


def test_what_is_missing_is_left_out(batch, tmp_path):
    rows, scenes, none = rows_of(6), batch["scene"], torch.zeros(6, 16)
    heights = {}
    for name, images, texts, sentences in (
        ("both", rows, rows, batch["sentence"]),
        ("no texts", rows, None, batch["sentence"]),
        ("silent", rows, none, [""] * 6),
        ("no images", None, rows, batch["sentence"]),
    ):
        path = save_similarities(tmp_path / f"{name}.png", rows, images, texts, sentences, scenes)
        heights[name] = len(pixels(path))
    assert heights["both"] - heights["no texts"] > SIDE
    assert heights["silent"] == heights["no texts"]
    right = pixels(tmp_path / "no images.png")[TOP : TOP + SIDE, MARGIN + SECOND : -MARGIN]
    assert (right == PAPER).all()


def test_one_sample_alone(batch, tmp_path):
    row = rows_of(1)
    path = save_similarities(tmp_path / "one.png", row, row, row, ["a"], batch["scene"][:1])
    assert pixels(path).shape[1] == WIDTH


# --- colours and words


def lightness(anchors):
    """OKLab's L of sRGB bytes (Ottosson 2020)."""
    srgb = np.array(anchors) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    return np.cbrt(linear @ to_cones.T) @ np.array([0.2104542553, 0.7936177850, -0.0040720468])


def test_anchors_lie_at_even_steps_of_lightness():
    steps = np.diff(lightness(SEQUENTIAL))
    assert (steps > 0).all() and steps.max() - steps.min() < 0.02
    signed = lightness(DIVERGING)
    assert np.allclose(signed, signed[::-1], atol=0.02)
    assert np.ptp(np.diff(signed[: len(signed) // 2 + 1])) < 0.03


def test_values_become_colours():
    values = torch.tensor([[-5.0, 0.0], [1.0, float("nan")]])
    found = colour(values, SEQUENTIAL, 0, 1)
    assert found.shape == (2, 2, 3) and found.dtype == torch.uint8
    assert found.reshape(4, 3).tolist() == [list(SEQUENTIAL[0])] * 2 + [
        list(SEQUENTIAL[-1]),
        list(NOT_A_NUMBER),
    ]
    assert colour(torch.zeros(1), DIVERGING, -2, 2).tolist() == [list(DIVERGING[5])]
    assert colour(torch.ones(1), DIVERGING, 1, 1).tolist() == [
        list(DIVERGING[0])
    ]  # no range: no division by 0
    assert extent(torch.tensor([1.0, float("inf")]), torch.tensor([-2.0])) == (-2, 1)
    assert extent(torch.tensor([float("nan")])) == (0, 1)


def test_words_fit_the_page_and_the_font():
    assert sheet.printable("Café\n« ému »  猫") == "Cafe ? emu ? ?"
    line = sheet.caption("short").height
    long = sheet.caption("word " * 100)
    assert long.width == INNER and long.height > 2 * line
    ink = np.asarray(long).min(axis=(0, 2))
    assert ink[-2:].min() > 200  # nothing is cut off at the right
