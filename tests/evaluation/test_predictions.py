"""Predictions: kept whole, read back as they were; and the scores that are made of them."""

from pathlib import Path

import pytest
import torch
from sklearn import metrics
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.predictions import Kind, Predictions, load_predictions, save_predictions
from vemo.evaluation.scoring import (
    SCORES_OF,
    by_class,
    calibration,
    details,
    direction,
    flat_scores,
    statistic,
)
from vemo.foundation import UserError

COUNT, SPACE = 120, "mikels8"
NAMES = label_space(SPACE).names


def made(kind: Kind, seed: int = 0, count: int = COUNT, strength: float = 1.5) -> Predictions:
    """Predictions that lean to the truth; of axes a tenth is not known."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 8, generator=generator)
    labels = torch.randint(8, (count,), generator=generator)
    one = torch.nn.functional.one_hot(labels, 8).float()
    targets = {
        "single": one,
        "distribution": (one + torch.rand(count, 8, generator=generator)).softmax(1),
        "multilabel": (torch.rand(count, 8, generator=generator) < 0.3).float(),
        "vad": torch.rand(count, 3, generator=generator) * 2 - 1,
    }[kind]
    outputs = (noise + strength * (one if kind != "multilabel" else targets))[:, : targets.shape[1]]
    if kind == "vad":
        outputs = (targets + 0.3 * noise[:, :3]).clamp(-1, 1)
        targets = targets.masked_fill(torch.rand(count, 3, generator=generator) < 0.1, torch.nan)
    names = ("valence", "arousal", "dominance") if kind == "vad" else NAMES
    ids = tuple(f"sample/{number}" for number in range(count))
    groups = tuple(f"group {number // 2}" for number in range(count))
    return Predictions(kind, None if kind == "vad" else SPACE, names, ids, groups, outputs, targets)


@pytest.mark.parametrize("kind", SCORES_OF)
def test_written_and_read_back_they_are_the_same(kind: Kind, tmp_path: Path) -> None:
    first = made(kind)
    save_predictions(tmp_path / "below" / "said.safetensors", first)
    again = load_predictions(tmp_path / "below" / "said.safetensors")
    for name in ("kind", "space", "classes", "ids", "groups"):
        assert getattr(again, name) == getattr(first, name)
    assert torch.equal(again.outputs, first.outputs)
    assert torch.equal(again.targets.nan_to_num(7), first.targets.nan_to_num(7))


def test_what_is_no_file_of_predictions_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_predictions(tmp_path / "nothing")
    (tmp_path / "text").write_text("{}")
    with pytest.raises(UserError, match="not a file of predictions"):
        load_predictions(tmp_path / "text")
    whole = tmp_path / "whole"
    save_predictions(whole, made("single"))
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(UserError, match="damaged"):
        load_predictions(whole)


def test_shapes_that_do_not_fit_are_refused() -> None:
    good = made("single")
    with pytest.raises(ValueError, match="119 samples and 8 classes"):
        Predictions("single", SPACE, NAMES, good.ids[1:], good.groups, good.outputs, good.targets)


def test_scores_of_classes_are_scikit_learns() -> None:
    said = made("single")
    labels, guesses, p = said.labels.numpy(), said.outputs.argmax(1).numpy(), said.said.numpy()
    found = flat_scores(said)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, guesses), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, guesses, average="macro"), abs=1e-12)
    assert found["uar"] == pytest.approx(metrics.balanced_accuracy_score(labels, guesses), abs=1e-12)
    assert found["nll"] == pytest.approx(metrics.log_loss(labels, p, labels=range(8)), abs=1e-9)
    top3 = metrics.top_k_accuracy_score(labels, p, k=3, labels=range(8))
    assert found["top3_accuracy"] == pytest.approx(top3, abs=1e-12)


def test_scores_of_several_classes_are_scikit_learns() -> None:
    said = made("multilabel")
    precision = metrics.average_precision_score(said.targets.numpy(), said.said.numpy(), average="macro")
    assert flat_scores(said)["mean_average_precision"] == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("kind", SCORES_OF)
def test_a_score_of_some_rows_is_that_of_the_same_predictions_cut_out(kind: Kind) -> None:
    said = made(kind)
    rows = torch.cat([torch.arange(30, 90), torch.arange(30, 40)])  # with repeats, as a bootstrap draws
    places = rows.tolist()
    part = Predictions(
        kind,
        said.space,
        said.classes,
        tuple(f"{place}-{number}" for number, place in enumerate(places)),
        tuple(said.groups[place] for place in places),
        said.outputs[rows],
        said.targets[rows],
    )
    found = flat_scores(part)
    for name in SCORES_OF[kind]:
        assert statistic(said, name)(rows) == pytest.approx(found[name], abs=1e-12)
        better = statistic(made(kind, strength=6.0), name)(torch.arange(COUNT))
        worse = statistic(made(kind, strength=0.0), name)(torch.arange(COUNT))
        if kind in ("single", "multilabel"):
            assert (better > worse) is (direction(name) == "highest")


def test_a_score_that_a_kind_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="have no score 'kl'"):
        statistic(made("single"), "kl")


@pytest.mark.parametrize("kind", ["single", "distribution"])
@pytest.mark.parametrize("strength", [0.2, 1.5, 3.0])
def test_the_temperature_never_worsens_the_nll_it_was_chosen_on(kind: Kind, strength: float) -> None:
    validation = made(kind, seed=1, strength=strength)
    found = calibration(validation, validation)
    assert found is not None
    assert found["after"]["nll"] <= found["before"]["nll"]
    assert found["temperature"]["nll_after"] == pytest.approx(found["after"]["nll"], abs=1e-12)
    if kind == "single":  # always right: no temperature is best, and none is applied
        sure = calibration(validation, made(kind, strength=30.0))
        assert sure is not None and not sure["temperature"]["identified"] and "after" not in sure
    # The test split has no say in it.
    other = calibration(made(kind, seed=2), validation)
    assert other is not None and other["temperature"] == found["temperature"]
    alone = calibration(validation, None)
    assert alone is not None and "after" not in alone
    assert calibration(made("vad"), made("vad")) is None


def test_details_by_kind() -> None:
    single = details(made("single"))
    assert sum(map(sum, single["confusion"])) == COUNT
    assert single["by_class"].keys() == set(NAMES)
    assert 0 <= single["valence"]["within"] <= 1
    assert sum(row["true_share"] for row in by_class(made("distribution")).values()) == pytest.approx(1)
    assert by_class(made("vad"))["valence"]["ccc"] > 0.5
    supports = [row["support"] for row in by_class(made("multilabel")).values()]
    assert supports == made("multilabel").targets.sum(0).tolist()


def test_without_samples_there_are_no_scores() -> None:
    nothing = Predictions("single", SPACE, NAMES, (), (), torch.zeros(0, 8), torch.zeros(0, 8))
    assert flat_scores(nothing) == {} and by_class(nothing) == {} and calibration(nothing, nothing) is None
