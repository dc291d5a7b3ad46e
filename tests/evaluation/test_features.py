"""Features of every labelled sample, once, alike at any batch size, kept on disk."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from vemo.datasets.stream import ShardSet
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.baselines import ColourStatistics, majority
from vemo.evaluation.features import extract, fingerprint
from vemo.evaluation.targets import ClassTarget
from vemo.foundation.errors import UserError

SPACE = label_space("polarity3")
TARGET = ClassTarget("label", "polarity3")


class Counting(nn.Module):
    """Flattened pixels through a fixed projection; counts the images it sees."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3 * 32 * 32, 5, generator=generator))
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        assert images.dtype == torch.uint8
        self.seen += len(images)
        return images.flatten(1).float() / 255 @ self.weight


def test_every_labelled_sample_once_whatever_the_batch(shards: Path) -> None:
    opened = ShardSet(shards)
    expected = {
        record["id"]: record["labels"]["polarity3"]["class"]
        for record in opened.records("train")
        if "polarity3" in record.get("labels", {})
    }
    assert 0 < len(expected) < opened.count("train")
    encoder = Counting()
    first = extract({"a": encoder}, opened, "train", TARGET, 32, batch_size=7)["a"]
    second = extract({"a": Counting()}, opened, "train", TARGET, 32, batch_size=64)["a"]
    assert len(set(first.ids)) == len(first.ids) == encoder.seen
    assert {name: SPACE.names[label] for name, label in zip(first.ids, first.labels)} == expected
    assert (first.ids, first.groups) == (second.ids, second.groups)
    torch.testing.assert_close(first.features, second.features)
    assert not first.features.requires_grad


def test_copies_share_a_group(shards: Path) -> None:
    opened = ShardSet(shards)
    groups = [
        group
        for split in opened.splits
        for group in extract({"a": Counting()}, opened, split, TARGET, 32)["a"].groups
    ]
    assert (len(groups), len(set(groups))) == (75, 65)


def test_several_encoders_share_the_decoding(shards: Path) -> None:
    found = extract({"a": Counting(0), "b": ColourStatistics()}, ShardSet(shards), "test", TARGET, 32)
    assert found["a"].ids == found["b"].ids
    assert found["b"].features.shape == (len(found["b"].ids), 6 + 64)


def test_cache_is_found_by_content(shards: Path, tmp_path: Path) -> None:
    opened = ShardSet(shards)
    first, same, other = Counting(0), Counting(0), Counting(1)
    kept = extract({"a": first}, opened, "test", TARGET, 32, cache=tmp_path)["a"]
    again = extract({"renamed": same}, opened, "test", TARGET, 32, cache=tmp_path)["renamed"]
    assert same.seen == 0
    assert torch.equal(kept.features, again.features)
    assert (kept.ids, kept.groups, kept.labels.tolist()) == (again.ids, again.groups, again.labels.tolist())
    extract({"a": other}, opened, "test", TARGET, 32, cache=tmp_path)
    extract({"a": same}, opened, "test", TARGET, 32, crop_fraction=0.5, cache=tmp_path)
    assert other.seen == same.seen == first.seen
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)


def test_a_feature_that_is_not_finite_names_encoder_and_sample(shards: Path) -> None:
    broken = Counting()
    nn.init.constant_(broken.weight, float("nan"))
    with pytest.raises(UserError, match=r"mine: the feature of tweets/\d+ is not finite"):
        extract({"mine": broken}, ShardSet(shards), "test", TARGET, 32)


def test_a_space_without_labels_is_a_clear_error(shards: Path) -> None:
    with pytest.raises(UserError, match="no sample with a label of mikels8"):
        extract({"a": Counting()}, ShardSet(shards), "test", ClassTarget("label", "mikels8"), 32)


def test_colour_statistics_do_not_see_where() -> None:
    image = torch.randint(256, (1, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shuffled = image.flatten(2)[:, :, torch.randperm(64, generator=torch.Generator().manual_seed(1))]
    statistics = ColourStatistics()
    torch.testing.assert_close(statistics(image), statistics(shuffled.view_as(image)))
    found = statistics(image)[0]
    torch.testing.assert_close(found[:3], image[0].float().div(255).mean((1, 2)))
    assert float(found[6:].square().sum()) == pytest.approx(1)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert statistics(red)[0, 6 + 3 * 16] == 1  # the cell of strong red, no green, no blue


def test_majority() -> None:
    assert majority(torch.tensor([2, 1, 2, 0]), 3).tolist() == [2, 2, 2]
