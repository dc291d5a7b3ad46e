"""Masks depend on the sample's seed and nothing else, and are fair."""

import torch
from vemo.pretrain.masking import PERSON_SALT, SCENE_SALT, random_masks


def seeds(count, start=0):
    return torch.arange(start, start + count, dtype=torch.int64) * 6364136223846793005


def test_a_mask_does_not_depend_on_the_rest_of_the_batch():
    kept, masked = random_masks(seeds(8), 196, 49)
    alone, alone_masked = random_masks(seeds(8)[3:4], 196, 49)
    assert torch.equal(kept[3], alone[0]) and torch.equal(masked[3], alone_masked[0])


def test_a_mask_hides_what_it_does_not_keep():
    kept, masked = random_masks(seeds(16), 196, 49)
    assert kept.shape == (16, 49) and masked.shape == (16, 196)
    assert (masked.sum(1) == 147).all()
    assert not masked.gather(1, kept).any()
    assert all(len(set(row.tolist())) == 49 for row in kept)


def test_masks_are_pinned():
    """A changed hash would change every run that is resumed under it."""
    kept, _ = random_masks(torch.tensor([1, -1, 2**62]), 16, 4)
    assert kept.tolist() == PINNED


PINNED = [[2, 10, 12, 13], [1, 11, 12, 14], [2, 6, 8, 15]]


def test_the_two_views_and_neighbouring_seeds_have_unrelated_masks():
    _, scene = random_masks(seeds(2000), 64, 16, SCENE_SALT)
    _, person = random_masks(seeds(2000), 64, 16, PERSON_SALT)
    both_kept = (~scene & ~person).sum(1).double()
    assert abs(both_kept.mean() - 4) < 0.15  # 64 · (1/4)², standard error 0.03
    low_bits = torch.arange(2000)
    _, masks = random_masks(low_bits, 64, 16)
    overlap = (~masks[:-1] & ~masks[1:]).sum(1).double()
    assert abs(overlap.mean() - 4) < 0.15


def test_every_patch_is_kept_equally_often():
    _, masked = random_masks(seeds(20_000), 64, 16)
    rate = (~masked).double().mean(0)  # 0.25 ± 0.003
    assert rate.min() > 0.235 and rate.max() < 0.265
