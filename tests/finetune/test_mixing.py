"""Mixup and cutmix: timm's λ and boxes, one mixture for all heads, and nothing known lost."""

import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup, cutmix_bbox_and_lam, mixup_target, rand_bbox
from vemo.finetune.mixing import Mixing, MixingConfig, cutmix_box, draw_mixing, draw_partners, mix

CPU = torch.device("cpu")
FLIPPED = torch.arange(7, -1, -1)  # timm's pairs in a batch of 8


@pytest.fixture
def images():
    return torch.rand(8, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def soft(classes, count=5):
    values = torch.nn.functional.one_hot(torch.tensor(classes).clamp(min=0), count).float()
    known = torch.tensor(classes) >= 0
    return values.masked_fill(~known[:, None], torch.nan), known


def drawn(config, images, count, seed=0):
    torch.manual_seed(seed)
    return [draw_mixing(config, images, []) for _ in range(count)]


def test_mixup_is_timms_for_a_given_share(images, monkeypatch):
    theirs = Mixup(mixup_alpha=0.8, label_smoothing=0.1, num_classes=5)
    monkeypatch.setattr(theirs, "_params_per_batch", lambda: (0.3, False))
    classes = [0, 1, 2, 3, 4, 0, 1, 2]
    expected, labels = theirs(images.clone(), torch.tensor(classes))
    mixing = Mixing(0.3, None, FLIPPED)
    values, known = mixing.target(soft(classes))
    assert torch.allclose(mixing.images(images), expected, atol=1e-6)
    assert known.all()
    # Smoothed by the heads after mixing, by timm before.
    assert torch.allclose(0.9 * values + 0.1 / 5, labels, atol=1e-6)


def test_cutmix_is_timms_for_a_given_box(images, monkeypatch):
    box = (3, 5, 14, 30)
    share = 1 - 11 * 25 / 600
    theirs = Mixup(cutmix_alpha=1.0, mixup_alpha=0.0, label_smoothing=0.0, num_classes=5)
    monkeypatch.setattr(theirs, "_params_per_batch", lambda: (0.5, True))
    monkeypatch.setattr(
        "timm.data.mixup.cutmix_bbox_and_lam", lambda *_, **__: ((box[0], box[2], box[1], box[3]), share)
    )
    classes = [0, 1, 2, 3, 4, 0, 1, 2]
    expected, labels = theirs(images.clone(), torch.tensor(classes))
    mixing = Mixing(share, box, FLIPPED)
    assert torch.equal(mixing.images(images), expected)
    assert torch.allclose(mixing.target(soft(classes))[0], labels, atol=1e-6)
    assert torch.equal(mixup_target(torch.tensor(classes), 5, share), labels)


@pytest.mark.parametrize("height,width", [(224, 224), (37, 64)])
def test_boxes_are_timms(height, width):
    for seed, share in enumerate(np.linspace(0, 1, 60)):
        np.random.seed(seed)  # noqa: NPY002 - what timm draws from
        top, bottom, left, right = map(int, rand_bbox((8, 3, height, width), share))
        np.random.seed(seed)  # noqa: NPY002
        row, column = np.random.randint(height), np.random.randint(width)  # noqa: NPY002
        assert cutmix_box(height, width, float(share), row, column) == (top, left, bottom, right)


@pytest.mark.parametrize("mixup,cutmix", [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_shares_are_distributed_as_timms(images, mixup, cutmix):
    count = 3000
    theirs = Mixup(mixup_alpha=mixup, cutmix_alpha=cutmix, num_classes=5)
    np.random.seed(0)  # noqa: NPY002
    expected, cut = [], 0
    for _ in range(count):
        share, use_cutmix = theirs._params_per_batch()
        cut += bool(use_cutmix)
        expected.append(cutmix_bbox_and_lam(images.shape, share)[1] if use_cutmix else share)
    found = drawn(MixingConfig(mixup=mixup, cutmix=cutmix), images, count)
    shares = np.array([mixing.share for mixing in found])
    # Standard errors of the mean and of the quantiles are below 0.007 and 0.012.
    assert shares.mean() == pytest.approx(np.mean(expected), abs=0.025)
    quantiles = (0.1, 0.25, 0.5, 0.75, 0.9)
    assert np.quantile(shares, quantiles) == pytest.approx(np.quantile(expected, quantiles), abs=0.05)
    assert sum(mixing.box is not None for mixing in found) / count == pytest.approx(cut / count, abs=0.03)


def test_the_share_is_what_is_left_of_a_picture(images):
    """Also where the image's edge cuts the box."""
    clipped = 0
    black_and_white = torch.zeros(2, 3, 20, 30)
    black_and_white[1] = 1
    for mixing in drawn(MixingConfig(mixup=0), black_and_white, 200):
        mixed = mixing.images(black_and_white)
        assert mixed[1].mean() == pytest.approx(mixing.share, abs=1e-6)
        assert mixed[0].mean() == pytest.approx(1 - mixing.share, abs=1e-6)
        clipped += 0 in mixing.box
    assert clipped > 20


def test_all_heads_are_mixed_like_the_images():
    """Images that show their own targets go on showing them."""
    classes = [0, 1, 2, 3, 4, 0, 1, 2]
    values, known = soft(classes)
    other = values.flip(1) * 0.5
    images = values[:, None, None, :].expand(8, 3, 5, 5).contiguous()
    torch.manual_seed(3)
    mixed, [(first, _), (second, _)] = mix(
        images, [(values, known), (other, known)], MixingConfig(cutmix=0), training=True
    )
    assert not torch.equal(first, values)
    assert torch.allclose(mixed[:, 0, 0], first) and torch.allclose(second, first.flip(1) * 0.5)
    assert torch.allclose(first.sum(1), torch.ones(8))


def test_datasets_that_alternate_lose_no_target(images):
    """Each head knows every other sample: timm's pairs would leave none of either."""
    emotions = soft([0, -1, 1, -1, 2, -1, 3, -1])
    valence = torch.tensor([[torch.nan], [0.1]] * 4)
    for seed in range(20):
        torch.manual_seed(seed)
        _, [(values, known), (axes, there)] = mix(
            images, [emotions, (valence, valence.isfinite())], MixingConfig(), training=True
        )
        assert torch.equal(known, emotions[1]) and torch.equal(there, valence.isfinite())
        assert torch.equal(values.isfinite().all(1), known) and torch.equal(axes.isfinite(), there)


def test_a_half_known_pair_is_absent():
    values = torch.tensor([[0.5, torch.nan], [0.1, 0.3]])
    mixing = Mixing(0.25, None, torch.tensor([1, 0]))
    mixed, known = mixing.target((values, values.isfinite()))
    assert known.tolist() == [[True, False], [True, False]]
    assert mixed[:, 0].tolist() == pytest.approx([0.2, 0.4]) and mixed[:, 1].isnan().all()
    # Also where what is absent was written as zeros.
    zeros = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    mixed, known = mixing.target((zeros, torch.tensor([True, False])))
    assert not known.any() and mixed.isnan().all()


def test_partners_are_of_their_kind_and_nobody_elses():
    known = torch.tensor([True, True, False, True, False, False, True, False, True])
    axes = torch.tensor([[True, False]] * 4 + [[False, False]] * 5)
    kinds = [(bool(a), bool(b.any())) for a, b in zip(known, axes)]
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        partners = draw_partners(9, [known, axes], CPU).tolist()
        assert sorted(partners) == list(range(9))
        assert all(kinds[i] == kinds[j] for i, j in enumerate(partners))
        assert [i for i, j in enumerate(partners) if i == j] == [2]  # the only one of its kind
        seen.add(tuple(partners))
    assert len(seen) == 4  # two cycles of {0, 1, 3}, two of {4, 5, 7}, one of {6, 8}


def test_every_partner_is_as_likely():
    torch.manual_seed(0)
    counts = torch.zeros(6, 6)
    for _ in range(3000):
        counts[torch.arange(6), draw_partners(6, [], CPU)] += 1
    assert (counts.diagonal() == 0).all()
    others = counts[~torch.eye(6, dtype=torch.bool)]
    assert (others - 600).abs().max() < 100  # over four standard deviations


def test_the_global_generator_decides_everything(images):
    targets = [soft([0, 1, 2, 3, 4, 0, 1, 2])]

    def mixed(seed):
        torch.manual_seed(seed)
        np.random.seed(np.random.randint(1000))  # noqa: NPY002 - must not matter
        found, [(values, _)] = mix(images, targets, MixingConfig(), training=True)
        return found, values

    assert all(torch.equal(one, two) for one, two in zip(mixed(4), mixed(4)))
    assert len({mixed(seed)[0].numpy().tobytes() for seed in range(12)}) == 12


@pytest.mark.parametrize("config", [MixingConfig(mixup=0), MixingConfig(cutmix=0)])
def test_inputs_are_not_changed(images, config):
    values, known = soft([0, 1, 2, 3, 4, 0, 1, 2])
    before = images.clone(), values.clone()
    mix(images, [(values, known)], config, training=True)
    assert torch.equal(images, before[0]) and torch.equal(values, before[1])


@pytest.mark.parametrize("options", [{"probability": 0}, {"mixup": 0, "cutmix": 0}])
def test_what_is_off_is_off(images, options):
    targets = [soft([0, 1, 2, 3, 4, 0, 1, 2])]
    found, [(values, _)] = mix(images, targets, MixingConfig(**options), training=True)
    assert torch.equal(found, images) and torch.equal(values, targets[0][0])


def test_evaluation_is_not_mixed_and_draws_nothing(images):
    before = torch.get_rng_state()
    found, _ = mix(images, [], MixingConfig(), training=False)
    assert found is images and torch.equal(torch.get_rng_state(), before)


def test_how_often(images):
    found = drawn(MixingConfig(probability=0.7), images, 1000)
    assert sum(mixing is not None for mixing in found) / 1000 == pytest.approx(0.7, abs=0.05)
    found = drawn(MixingConfig(switch=0.2), images, 1000)
    assert sum(mixing.box is not None for mixing in found) / 1000 == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16])
@pytest.mark.parametrize("box", [None, (2, 3, 9, 11)])
def test_dtypes(images, dtype, box):
    given = (images * 255).to(dtype)
    mixing = Mixing(0.37, box, FLIPPED)
    found, expected = mixing.images(given), mixing.images(given.float())
    assert found.dtype == dtype
    assert (found.float() - expected).abs().max() <= (0.5 if dtype == torch.uint8 else 1.0)


def test_an_odd_batch_and_a_single_sample(images):
    for count in (1, 3):
        torch.manual_seed(0)
        found, [(values, known)] = mix(
            images[:count], [soft([0, 1, 2][:count])], MixingConfig(), training=True
        )
        assert found.shape == images[:count].shape and known.all()
        assert torch.allclose(values.sum(1), torch.ones(count))
    assert torch.allclose(mix(images[:1], [], MixingConfig(), training=True)[0], images[:1])


@pytest.mark.parametrize("config", [MixingConfig(mixup=0), MixingConfig(cutmix=0)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_nothing_waits_for_the_device(config, dtype):
    """A meta tensor has no values that could be asked for, and does not meet tensors of another device."""
    images = torch.empty(8, 3, 20, 30, dtype=dtype, device="meta")
    values = torch.empty(8, 5, device="meta")
    known = torch.empty(8, dtype=torch.bool, device="meta")
    found, [(mixed, there)] = mix(images, [(values, known)], config, training=True)
    assert found.shape == images.shape and found.dtype == dtype and found.device.type == "meta"
    assert mixed.shape == values.shape and there.shape == known.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_what_the_cpu_gives(images):
    targets = [soft([0, -1, 2, 3, 4, 0, -1, 2])]
    for seed in range(4):
        torch.manual_seed(seed)
        expected, [(values, _)] = mix(images, targets, MixingConfig(), training=True)
        torch.manual_seed(seed)
        there = [(targets[0][0].cuda(), targets[0][1].cuda())]
        found, [(mixed, _)] = mix(images.cuda(), there, MixingConfig(), training=True)
        assert torch.allclose(found.cpu(), expected, atol=1e-6)
        assert torch.allclose(mixed.cpu(), values, atol=1e-6, equal_nan=True)
