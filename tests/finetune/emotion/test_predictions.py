"""Predictions of heads: what `evaluation` scores is what a head says, also of a process without samples."""

import pytest
import torch
from emotion_heads import CONFIGS, RECORDS, WIDTH, batch_for, head_of
from vemo.evaluation.predictions import Predictions
from vemo.finetune.scores import _joined, as_outputs, kind_of


@pytest.mark.parametrize("name", CONFIGS)
def test_outputs_say_what_the_head_predicts(name: str) -> None:
    head = head_of(name)
    outputs = head(torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0)))
    columns = len(head.classes)
    said = Predictions(
        kind_of(head.config),
        None,
        head.classes,
        tuple("abcde"),
        tuple("abcde"),
        as_outputs(head, outputs),
        torch.zeros(5, columns),
    ).said
    torch.testing.assert_close(said, head.predict(outputs).double()[:, :columns], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_process_without_samples_gives_columns_of_the_same_widths(name: str) -> None:
    head = head_of(name)
    batch = batch_for(head, RECORDS)
    outputs = head(torch.zeros(len(RECORDS), WIDTH))
    targets = head.soft_targets(batch)[0].float()
    numbers, empty, nothing = _joined([], head)
    assert numbers.dtype == torch.int64 and len(numbers) == len(empty) == len(nothing) == 0
    assert (empty.shape[1], nothing.shape[1]) == (outputs.shape[1], targets.shape[1])
