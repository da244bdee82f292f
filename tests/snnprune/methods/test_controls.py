"""The controls: random draws follow the seed and are uniform; gradient and membrane rank by one criticality alone."""

from collections.abc import Callable

import pytest
import torch

from snnprune.methods import gradient, membrane, random
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

Kept = Callable[..., list[int]]
WEIGHTS = {"large": torch.ones(20, 12), "small": torch.ones(4, 9)}


def test_the_seed_alone_decides_a_random_mask(kept_of: Kept) -> None:
    zeros = {name: torch.zeros_like(layer) for name, layer in WEIGHTS.items()}
    drawn = kept_of(random, WEIGHTS, {}, 138, seed=1)
    assert kept_of(random, WEIGHTS, {}, 138, seed=1) == kept_of(random, zeros, {}, 138, seed=1) == drawn
    assert kept_of(random, WEIGHTS, {}, 138, seed=2) != drawn


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_random_is_uniform_over_synapses_and_so_over_layers(kept_of: Kept, scope: str) -> None:
    # Keep half of 276. Over 200 draws a synapse is kept with a standard deviation of 0.035, the small layer's share
    # with one of about 0.006.
    shares = torch.zeros(276, dtype=torch.float64)
    for seed in range(200):
        shares[kept_of(random, WEIGHTS, {}, 138, scope, seed)] += 1 / 200
    assert shares.mean().item() == pytest.approx(0.5)
    assert shares[240:].mean().item() == pytest.approx(0.5, abs=0.03)
    assert 0.3 < shares.min() < shares.max() < 0.7


@pytest.mark.parametrize(("kind", "expected"), [("sensitivity", [1, 2, 4]), ("taylor", [0, 3, 5])])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_gradient_by_hand_whatever_the_weights(kept_of: Kept, kind: str, scope: str, expected: list[int]) -> None:
    weights = {"a": torch.tensor([[9.0, 0.0], [9.0, 9.0]]), "b": torch.tensor([[0.0, 9.0]])}
    critical = {
        "sensitivity": {"a": torch.tensor([[0.1, 0.9], [0.3, 0.2]]), "b": torch.tensor([[0.8, 0.0]])},
        "taylor": {"a": torch.tensor([[0.7, 0.1], [0.1, 0.5]]), "b": torch.tensor([[0.1, 0.6]])},
    }
    assert kept_of(gradient, weights, critical, 3, scope, kind=kind) == expected


def test_membrane_by_hand(kept_of: Kept) -> None:
    weights = {"a": torch.tensor([[0.1, -0.9, 0.4], [5.0, 5.0, -6.0]]), "b": torch.tensor([[0.3, -0.3], [8.0, 7.0]])}
    neurons = {"a": torch.tensor([[0.6], [0.2]]), "b": torch.tensor([[0.6], [0.1]])}
    critical = {name: neurons[name].expand_as(weight) for name, weight in weights.items()}
    # Index 0 to 5 are a, 6 to 9 are b. Criticality 0.6: |w| = 0.9 (1), 0.4 (2), 0.3 (6 before 7), 0.1 (0);
    # 0.2: 6.0 (5), 5.0 (3 before 4); 0.1: 8.0 (8), 7.0 (9).
    order = [1, 2, 6, 7, 0, 5, 3, 4, 8, 9]
    for keep in range(11):
        assert kept_of(membrane, weights, {"membrane": critical}, keep) == sorted(order[:keep])
    assert kept_of(membrane, weights, {"membrane": critical}, 7, "layer") == [0, 1, 2, 5, 6, 7, 8]  # 4 and 3
    problem = Problem(weights, Mask.dense(weights), 7, "global", 0, lambda kind: critical)
    own_scope = membrane.prune(problem, membrane.Params(scope="layer"))
    assert [int(layer.sum()) for layer in own_scope.values()] == [4, 3]
