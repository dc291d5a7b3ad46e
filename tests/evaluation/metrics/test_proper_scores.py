"""NLL and Brier against scikit-learn and scipy, for classes and for votes."""

import math

import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import brier_score_loss, log_loss
from vemo.evaluation.metrics import brier, negative_log_likelihood


def random_case(samples: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Labels [N], votes as shares [N, 5] with zeros among them, logits [N, 5]."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (samples,), generator=generator)  # class 4 never occurs
    votes = torch.randint(4, (samples, 5), generator=generator).double()
    votes[:, 0] += 1
    logits = 3 * torch.randn(samples, 5, generator=generator, dtype=torch.float64)
    return labels, votes / votes.sum(1, keepdim=True), logits


@pytest.mark.parametrize("samples", [1, 2, 200])
def test_classes_agree_with_scikit_learn(samples: int) -> None:
    labels, _, logits = random_case(samples)
    probabilities = logits.softmax(1).numpy()
    nll = negative_log_likelihood(labels, logits)
    assert nll.shape == (samples,)
    assert float(nll.mean()) == pytest.approx(log_loss(labels, probabilities, labels=range(5)), abs=1e-9)
    expected = brier_score_loss(labels, probabilities, labels=range(5), scale_by_half=False)
    assert float(brier(labels, logits).mean()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("samples", [1, 200])
def test_votes_agree_with_scipy(samples: int) -> None:
    """The cross-entropy is the entropy of the votes plus the divergence from them."""
    _, votes, logits = random_case(samples)
    probabilities = logits.softmax(1).numpy()
    expected = entropy(votes.numpy(), axis=1) + entropy(votes.numpy(), probabilities, axis=1)
    assert negative_log_likelihood(votes, logits).tolist() == pytest.approx(expected.tolist(), abs=1e-9)
    squares = ((votes.numpy() - probabilities) ** 2).sum(1)
    assert brier(votes, logits).tolist() == pytest.approx(squares.tolist(), abs=1e-9)


def test_one_hot_votes_are_classes_and_log_probabilities_are_logits() -> None:
    labels, _, logits = random_case(50)
    one_hot = torch.nn.functional.one_hot(labels, 5)
    for score in (negative_log_likelihood, brier):
        assert torch.allclose(score(labels, logits), score(one_hot, logits), rtol=0, atol=1e-12)
        assert torch.allclose(score(labels, logits), score(labels, logits.log_softmax(1)), rtol=0, atol=1e-12)


def test_the_votes_themselves_score_best() -> None:
    _, votes, logits = random_case(50)
    for score in (negative_log_likelihood, brier):
        own = score(votes, votes.log())
        assert (own < score(votes, logits)).all()
    assert brier(votes, votes.log()).abs().max() < 1e-20


def test_what_was_ruled_out_and_happens_is_infinitely_bad() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 0.0]])
    assert negative_log_likelihood(torch.tensor([1]), logits).item() == math.inf
    assert negative_log_likelihood(torch.tensor([0]), logits).item() == pytest.approx(math.log(2))
    assert brier(torch.tensor([1]), logits).item() == pytest.approx(1.5)
    certain = negative_log_likelihood(torch.tensor([0]), torch.tensor([[0.0, -torch.inf, -torch.inf]])).item()
    assert math.copysign(1, certain) == 1
    assert certain == 0
