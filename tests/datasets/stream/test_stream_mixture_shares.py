"""Shares without weights: sizes, tempered and capped."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from pydantic import ValidationError
from vemo.datasets.stream import MixtureConfig, MixtureStream, open_mixture

SIZES = {"large": 25, "small": 9}


@pytest.fixture
def folders(tmp_path, write_shards):
    return {name: write_shards(tmp_path / name, {"train": size}) for name, size in SIZES.items()}


def sets(folders, **settings):
    return {name: {"shards": folder, **settings.get(name, {})} for name, folder in folders.items()}


def shares(folders, temperature=1.0, **settings):
    config = MixtureConfig(mixture=sets(folders, **settings), temperature=temperature)
    mixture = open_mixture(config)
    return {part.name: part.share for part in mixture.parts}, mixture


def test_a_temperature_of_2_is_the_square_root(folders):
    found, mixture = shares(folders, temperature=2.0)
    assert found == {"large": Fraction(5, 8), "small": Fraction(3, 8)}
    assert mixture.samples_per_epoch == 34
    assert shares(folders)[0] == {"large": Fraction(25, 34), "small": Fraction(9, 34)}


def test_a_cap_counts_before_the_temperature(folders):
    found, mixture = shares(folders, temperature=2.0, large={"cap": 4})
    assert found == {"large": Fraction(2, 5), "small": Fraction(3, 5)}
    assert mixture.samples_per_epoch == 13
    assert shares(folders, small={"cap": 100})[0] == shares(folders)[0]


def view(image_loader, record, seed):
    return {"n": record["n"]}


def test_of_a_capped_set_other_samples_come_in_the_next_epoch(folders):
    mixture = shares(folders, large={"cap": 12}, small={"cap": 4})[1]
    stream = MixtureStream(mixture, view, 16, seed=0)
    assert stream.samples_per_epoch == 16
    numbers = [each.indices for each in islice(stream.work(0), 2)]
    large = [set(part[part < SIZES["large"]].tolist()) for part in numbers]
    assert [len(part) for part in large] == [12, 12] and not large[0] & large[1]


def test_any_temperature(folders):
    found = shares(folders, temperature=3.0)[0]
    assert float(found["large"]) == pytest.approx(np.cbrt(25) / (np.cbrt(25) + np.cbrt(9)), abs=1e-10)


@pytest.mark.parametrize(
    "settings,temperature,message",
    [
        ({"large": {"weight": 1, "cap": 3}, "small": {"weight": 1}}, 1.0, "large: weight and cap both say"),
        ({"large": {"weight": 1}, "small": {"weight": 1}}, 2.0, "temperature does nothing beside weights"),
        ({}, 0.5, "greater than or equal to 1"),
        ({"large": {"cap": 0}}, 1.0, "greater than or equal to 1"),
    ],
)
def test_contradictions_are_refused(folders, settings, temperature, message):
    with pytest.raises(ValidationError, match=message):
        MixtureConfig(mixture=sets(folders, **settings), temperature=temperature)
