"""The page of one run, for every kind of task."""

from dataclasses import replace

import pytest
import torch
from vemo.datasets.stream import ShardSet
from vemo.evaluation.predictions import Predictions
from vemo.evaluation.reports import write_run_page
from vemo.evaluation.reports.examples import best_and_worst, errors, find_pictures
from vemo.evaluation.scoring import flat_scores

KINDS = [("single", "mikels8"), ("distribution", "ekman7"), ("multilabel", "emotic26"), ("vad", None)]


def written(tmp_path, test, **changes):
    arguments = {
        "title": "A <run>",
        "facts": {"encoder": "x & y"},
        "test": test,
        "validation": None,
        "shards": None,
        "split": "test",
    }
    write_run_page(tmp_path / "run.html", **arguments | changes)
    return tmp_path / "run.html"


@pytest.mark.parametrize(("kind", "space"), KINDS)
def test_every_kind_has_its_scores_classes_and_examples(kind, space, made, tmp_path, read):
    test, validation = made.make_predictions(kind, space), made.make_predictions(kind, space, seed=5)
    page = read(written(tmp_path, test, validation=validation))
    assert "A <run>" in page.text and "x & y" in page.text and "400 test samples in 320 groups" in page.text
    for value in flat_scores(test).values():
        assert f"{value:.3f}".replace("-", "−") in page.text
    for name in test.classes:
        assert name in page.text
    assert ("What is taken for what" in page.text) == (kind == "single")
    assert ("keep the valence" in page.text) == (kind == "single")
    assert ("after temperature" in page.text) == (kind in ("single", "distribution"))
    assert not page.all("img")
    chosen = best_and_worst(test, 12)
    assert len(chosen) == 2
    for heading, rows in chosen.items():
        assert heading in page.text and len(rows) == 12
        assert all(test.ids[row] in page.text for row in rows)


def test_without_validation_nothing_is_scaled(made, tmp_path, read):
    page = read(written(tmp_path, made.make_predictions("single", "mikels8")))
    assert "No validation samples" in page.text and "after temperature" not in page.text


def test_a_space_without_polarity_and_one_without_samples(made, tmp_path, read):
    few = made.make_predictions("single", "fer7", count=3)
    nothing = Predictions("single", "fer7", few.classes, (), (), few.outputs[:0], few.targets[:0])
    assert "No sample of the test split has a target" in read(written(tmp_path, nothing)).text
    unknown = replace(few, space=None)
    page = read(written(tmp_path, unknown))
    assert "What is taken for what" in page.text and "valence" not in page.text


def test_what_is_shown_is_best_and_worst_and_one_of_a_group():
    targets = torch.eye(2)[[0, 0, 0, 0, 1]]
    outputs = torch.tensor([[9.0, 0.0], [8.0, 0.0], [0.0, 5.0], [0.0, 7.0], [0.0, 1.0]])
    test = Predictions("single", None, ("a", "b"), tuple("vwxyz"), tuple("ggxyz"), outputs, targets)
    assert best_and_worst(test, 5) == {"Surest and right": [0, 4], "Surest and wrong": [3, 2]}


def test_errors_order_the_other_kinds(made):
    for kind, space in KINDS[1:]:
        test = made.make_predictions(kind, space)
        (_, best), (_, worst) = best_and_worst(test, 5).items()
        found = errors(test)
        assert found.isfinite().all() and set(best).isdisjoint(worst)
        assert found[best].max() < found.median() < found[worst].min()
        assert found[best].tolist() == sorted(found[best].tolist())
        assert found[worst].tolist() == sorted(found[worst].tolist(), reverse=True)


def test_pictures_are_found_by_id_and_looked_at(shards, made, tmp_path, read):
    sets = ShardSet(shards)
    ids = [record["id"] for record in sets.records("test")][:8]
    test = made.make_predictions("single", "polarity3", count=8)
    test = replace(test, ids=(*ids[:7], "gone<"), groups=tuple("abcdefgh"))
    pictures = find_pictures(sets, "test", {ids[3], "gone<"})
    assert list(pictures) == [ids[3]] and pictures[ids[3]].shape == (3, 32, 32)
    page = read(written(tmp_path, test, shards=sets))
    assert sorted(each["alt"] for each in page.all("img")) == sorted(ids[:7])
    assert "gone<" in page.text and "1 of these samples are not in the shards" in page.text
    looked = []
    page = read(
        written(tmp_path, test, shards=sets, overlays=lambda image: looked.append(image) or image // 2)
    )
    assert len(looked) == 7 and len(page.all("img")) == 14
    assert looked[0].dtype == torch.uint8 and looked[0].shape == (3, 32, 32)
