"""Linear probes: learn what is linear, choose without the test set, and train many as if alone."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot
from vemo.evaluation.linear import LinearConfig, linear_probe, train_members

QUICK = LinearConfig(learning_rates=(1e-3, 1e-2, 1e-1), weight_decays=(0.0, 1e-2), steps=60)


def clusters(count: int, seed: int, noise: float = 0.5, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Three linearly separable clusters, far from zero and on very different scales."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    features = torch.randn(count, width, generator=generator) * noise
    features[torch.arange(count), labels] += 2
    return features * torch.logspace(-3, 3, width) + 100, labels


def test_the_default_grid_has_at_least_nine_learning_rates() -> None:
    config = LinearConfig()
    assert len(config.learning_rates) >= 9
    assert len(config.members) == len(config.learning_rates) * len(config.weight_decays)


def test_separable_data_is_learnt() -> None:
    features, labels = clusters(150, 0, noise=0.3)
    queries, expected = clusters(90, 1, noise=0.3)
    found = linear_probe(features, one_hot(labels, 3), torch.arange(150), queries, QUICK)
    assert (found.predictions == expected).float().mean() > 0.98
    held, held_labels = clusters(60, 2, noise=0.3)
    with_validation = linear_probe(
        features,
        one_hot(labels, 3),
        torch.arange(150),
        queries,
        QUICK,
        validation=(held, one_hot(held_labels, 3)),
    )
    assert (with_validation.predictions == expected).float().mean() > 0.98


def test_chance_on_labels_without_relation() -> None:
    generator = torch.Generator().manual_seed(3)
    features, queries = torch.randn(200, 20, generator=generator), torch.randn(400, 20, generator=generator)
    labels, expected = torch.randint(2, (600,), generator=generator).split([200, 400])
    found = linear_probe(features, one_hot(labels, 2), torch.arange(200), queries, QUICK)
    assert 0.4 < (found.predictions == expected).float().mean() < 0.6


def test_members_do_not_influence_each_other() -> None:
    features, labels = clusters(80, 4)
    together = train_members(features, one_hot(labels, 3), QUICK)
    for index, member in enumerate(QUICK.members):
        alone = train_members(features, one_hot(labels, 3), QUICK, [member])
        torch.testing.assert_close(together.weight[index], alone.weight[0], rtol=1e-3, atol=1e-5)


def test_update_is_that_of_torch_adam_with_cosine_schedule() -> None:
    features, labels = clusters(50, 5)
    ours = train_members(features, one_hot(labels, 3), QUICK, [(1e-2, 1e-2)])
    head = torch.nn.Linear(6, 3)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, QUICK.steps)
    standardised = (features - features.mean(0)) / features.std(0, correction=0)
    for _ in range(QUICK.steps):
        optimizer.zero_grad()
        loss = cross_entropy(head(standardised), labels) + 1e-2 / 2 * head.weight.square().sum()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(ours.weight[0].T, head.weight.detach(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours.bias[0, 0], head.bias.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("criterion", ["accuracy", "loss"])
def test_selection_prefers_what_generalises(criterion: str) -> None:
    """50 noisy samples in 200 dimensions: a strong penalty wins on held-out data, and is what gets chosen."""
    generator = torch.Generator().manual_seed(6)
    labels = torch.arange(50) % 2
    features = torch.randn(50, 200, generator=generator)
    features[:, :20] += (labels[:, None] * 2 - 1) * 0.5
    config = LinearConfig(learning_rates=(1e-2,), weight_decays=(0.0, 1.0), steps=100, select_by=criterion)
    held_labels = torch.arange(1000) % 2
    held = torch.randn(1000, 200, generator=generator)
    held[:, :20] += (held_labels[:, None] * 2 - 1) * 0.5
    trained = train_members(features, one_hot(labels, 2), config)
    logits = trained.logits(held)
    if criterion == "accuracy":
        reached = (logits.argmax(-1) == held_labels).float().mean(-1)
    else:
        reached = -torch.stack([cross_entropy(each, held_labels) for each in logits])
    chosen = linear_probe(
        features, one_hot(labels, 2), torch.arange(50), held[:1], config, (held, one_hot(held_labels, 2))
    )
    assert config.members[int(reached.argmax())] == (chosen.learning_rate, chosen.weight_decay)
    assert chosen.selection_score == pytest.approx(abs(float(reached.max())))


def test_balanced_weights_lift_the_rare_class() -> None:
    generator = torch.Generator().manual_seed(7)
    labels = (torch.arange(400) % 10 == 0).long()
    features = torch.randn(400, 3, generator=generator) + labels[:, None] * 0.8
    rare = {}
    for weighting in ("none", "balanced"):
        config = QUICK.model_copy(update={"class_weights": weighting})
        trained = train_members(features, one_hot(labels, 2), config, [(1e-1, 0.0)])
        rare[weighting] = int(trained.logits(features)[0].argmax(-1).sum())
    assert rare["none"] < 40 < rare["balanced"]


def test_minibatches_and_seeds_are_deterministic() -> None:
    features, labels = clusters(100, 8)
    config = QUICK.model_copy(update={"batch_size": 32})
    first, again, other = (
        train_members(features, one_hot(labels, 3), config, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_a_constant_feature_is_harmless() -> None:
    features, labels = clusters(60, 9)
    features[:, 3] = 7.0
    assert train_members(features, one_hot(labels, 3), QUICK).weight.isfinite().all()


def test_shares_are_learnt_as_shares() -> None:
    """Of a constant feature the best one can say is the mean distribution."""
    generator = torch.Generator().manual_seed(10)
    shares = torch.rand(200, 4, generator=generator)
    shares /= shares.sum(1, keepdim=True)
    config = QUICK.model_copy(update={"steps": 300, "learning_rates": (1e-1,)})
    found = linear_probe(
        torch.ones(200, 2), shares, torch.arange(200), torch.ones(1, 2), config, kind="distribution"
    )
    torch.testing.assert_close(found.outputs.softmax(1)[0], shares.mean(0), atol=1e-3, rtol=0)


def test_several_classes_at_once_are_learnt_one_by_one() -> None:
    features = torch.randn(300, 5, generator=torch.Generator().manual_seed(11))
    truth = (features[:, :3] > torch.tensor([0.0, 0.5, -0.5])).float()
    held = (features[200:], truth[200:])
    found = linear_probe(
        features[:200], truth[:200], torch.arange(200), features[200:], QUICK, held, kind="multilabel"
    )
    assert found.validation is not None
    assert torch.equal(found.validation, found.outputs)
    assert ((found.outputs > 0) == truth[200:].bool()).float().mean() > 0.9


def test_axes_are_least_squares_and_what_is_not_known_counts_nothing() -> None:
    generator = torch.Generator().manual_seed(12)
    features = torch.randn(400, 3, generator=generator)
    truth = features @ torch.tensor([[0.3, 0.0], [0.0, -0.2], [0.1, 0.1]]) + 0.05
    known = torch.where(torch.rand(400, 2, generator=generator) < 0.3, torch.nan, truth)
    config = QUICK.model_copy(update={"steps": 200, "weight_decays": (0.0,)})
    found = linear_probe(features, known, torch.arange(400), features, config, (features, known), kind="vad")
    torch.testing.assert_close(found.outputs, truth, atol=5e-3, rtol=0)
