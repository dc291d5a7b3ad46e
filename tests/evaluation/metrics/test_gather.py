"""One, two and three processes score what one computation over all samples scores."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from vemo.evaluation.metrics import Predictions, gather
from vemo.training import World

SCRIPT = Path(__file__).with_name("ranks.py")
ranks = runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("size", ranks["SIZES"])
def test_every_process_scores_what_one_scores(out: Path, size: int) -> None:
    expected = json.loads(json.dumps(ranks["scored"](ranks["everything"]())))
    dealt = 0
    for rank in range(size):
        found = json.loads((out / f"{size}-{rank}.json").read_text())
        dealt += found.pop("dealt")
        assert found == expected
    assert dealt == -(-ranks["SAMPLES"] // size) * size  # 2 and 3 processes were given duplicates


def row(
    *numbers: int, logits: float = 0.0, target: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    count = len(numbers)
    return (
        torch.tensor(numbers, dtype=torch.int64),
        torch.full((count, 2), logits),
        torch.full((count,), target),
    )


class Two(World):
    """Two processes in one: `gather` answers with what both would have sent."""

    def __init__(self, first: tuple, second: tuple) -> None:
        super().__init__(size=2)
        object.__setattr__(self, "sent", [first, second])

    def gather(self, value: tuple) -> list[tuple]:
        return self.sent


def gathered(first: tuple, second: tuple, samples: int | None = None) -> Predictions:
    return gather(Two(first, second), *first, samples=samples)


def test_of_duplicates_the_lowest_rank_stays() -> None:
    found = gathered(row(4, 0, logits=1.0), row(2, 0, logits=2.0))
    assert found.numbers.tolist() == [0, 2, 4]
    assert found.predictions[:, 0].tolist() == [1, 2, 1]
    assert gathered(row(0, 0, 1), row(1, 2)).numbers.tolist() == [0, 1, 2]


def test_alone_it_sorts_and_drops() -> None:
    found = gather(World(), *row(3, 1, 3))
    assert found.numbers.tolist() == [1, 3]
    assert len(gather(World(), *row(), samples=0).numbers) == 0


def test_two_targets_of_one_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="targets: sample 7 has two different ones"):
        gathered(row(3, 7, target=0), row(7, target=1))
    numbers, logits = torch.tensor([5]), torch.zeros(1, 2)
    unknown = (numbers, logits, torch.tensor([[0.5, torch.nan]]))
    assert len(gathered(unknown, unknown).numbers) == 1  # an unknown axis is equal to itself
    with pytest.raises(ValueError, match="sample 5"):
        gathered(unknown, (numbers, logits, torch.tensor([[0.5, 0.1]])))


def test_missing_and_unknown_samples_are_refused() -> None:
    assert len(gathered(row(0, 1), row(2, 0), samples=3).numbers) == 3
    with pytest.raises(ValueError, match="2 of 5 samples missing, the first is 2"):
        gathered(row(0, 1), row(4), samples=5)
    with pytest.raises(ValueError, match="there is no sample 3, they go from 0 to 2"):
        gathered(row(0, 1), row(2, 3), samples=3)
    with pytest.raises(ValueError, match="numbers 2, predictions 3"):
        gather(World(), torch.tensor([0, 1]), torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(ValueError, match=r"numbers: torch\.float32"):
        gather(World(), torch.zeros(2), torch.zeros(2, 2), torch.zeros(2))
