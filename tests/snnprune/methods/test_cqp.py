"""CQP: importance with alpha, protection above tau, and infeasible protection reported."""

import pytest
import torch

from snnprune.methods import cqp, magnitude
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import InfeasibleSelection

WEIGHTS = {"a": torch.tensor([[4.0, -3.0], [0.1, 0.2]]), "b": torch.tensor([1.0, -2.0])}
# Divided by the maximum 10: 0.01, 0.04, 1, 0.81, 0.25, 0.
CRITICAL = {"a": torch.tensor([[0.1, 0.4], [10.0, 8.1]]), "b": torch.tensor([2.5, 0.0])}


def kept(keep: int, params: cqp.Params, scope: str = "global") -> list[int]:
    problem = Problem(WEIGHTS, Mask.dense(WEIGHTS), keep, scope, seed=0, criticality=lambda kind=None: CRITICAL)
    return cqp.prune(problem, params).vector().nonzero().squeeze(1).tolist()


def test_by_hand() -> None:
    # alpha 0.5: |w| * sqrt(C) = 0.4, 0.6, 0.1, 0.18, 0.5, 0
    assert kept(3, cqp.Params(alpha=0.5)) == [0, 1, 4]
    # alpha 1: 0.04, 0.12, 0.1, 0.162, 0.25, 0
    assert kept(3, cqp.Params(alpha=1.0)) == [1, 3, 4]
    # alpha 0: magnitude
    assert kept(3, cqp.Params(alpha=0.0)) == [0, 1, 5]


def test_synapses_above_tau_are_kept_whatever_their_importance() -> None:
    assert kept(3, cqp.Params(alpha=0.5, tau=0.8)) == [1, 2, 3]
    assert kept(3, cqp.Params(alpha=0.5, tau=0.9)) == [1, 2, 4]
    assert kept(3, cqp.Params(alpha=0.5, tau=1.0)) == [0, 1, 4]  # nothing exceeds the maximum
    assert kept(2, cqp.Params(alpha=0.0, tau=0.8)) == [2, 3]


def test_alpha_zero_is_magnitude() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(9, 7, generator=generator), "b": torch.randn(5, 9, generator=generator).round()}
    critical = {name: torch.rand(layer.shape, generator=generator) for name, layer in weights.items()}
    for scope in ("global", "layer"):
        for granularity in ("synapse", "neuron"):
            for keep in (0, 1, 30, 77, 108):
                problem = Problem(weights, Mask.dense(weights), keep, scope, seed=0, criticality=lambda: critical)
                found = cqp.prune(problem, cqp.Params(alpha=0.0, granularity=granularity))
                assert torch.equal(found.vector(), magnitude.prune(problem, magnitude.Params()).vector())


def test_granularity_neuron_by_hand() -> None:
    # Means over the columns of a: (0.1 + 10) / 2 = 5.05 and (0.4 + 8.1) / 2 = 4.25; b has one presynaptic neuron.
    weights = {"a": WEIGHTS["a"], "b": WEIGHTS["b"].reshape(2, 1)}
    critical = {"a": CRITICAL["a"], "b": torch.tensor([[2.5], [0.0]])}  # mean 1.25
    problem = Problem(weights, Mask.dense(weights), 3, "global", seed=0, criticality=lambda: critical)

    def kept_by_neuron(**given: float) -> list[int]:
        params = cqp.Params(granularity="neuron", **given)
        return cqp.prune(problem, params).vector().nonzero().squeeze(1).tolist()

    # alpha 1: 4 * 5.05, 3 * 4.25, 0.1 * 5.05, 0.2 * 4.25, 1 * 1.25, 2 * 1.25
    assert kept_by_neuron(alpha=1.0) == [0, 1, 5]
    # Over the maximum 5.05: C = 1, 0.84 and 0.25; above 0.9 is column 0 of a, its entries 0 and 2.
    assert kept_by_neuron(alpha=1.0, tau=0.9) == [0, 1, 2]


def test_granularity_neuron_prunes_whole_columns_when_weights_are_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randint(0, 2, (6, 10), generator=generator) * 1.0 - 0.5}  # all |w| are 0.5
    critical = {"a": torch.rand(6, 10, generator=generator)}
    rising = critical["a"].mean(0).argsort().tolist()
    for keep in range(61):
        problem = Problem(weights, Mask.dense(weights), keep, "global", seed=0, criticality=lambda: critical)
        columns = cqp.prune(problem, cqp.Params(granularity="neuron"))["a"].sum(0)
        # The least critical columns are gone, the next one holds what is left of the budget, the others are whole.
        gone, left = divmod(60 - keep, 6)
        assert columns[rising].tolist() == [0] * gone + ([6 - left] if left else []) + [6] * (10 - gone - (left > 0))


def test_more_protected_than_kept_is_infeasible() -> None:
    with pytest.raises(InfeasibleSelection, match="cannot keep 1 synapses: 2 are protected"):
        kept(1, cqp.Params(tau=0.8))
    with pytest.raises(InfeasibleSelection, match="cannot keep 4 synapses: 5 are protected"):
        kept(4, cqp.Params(tau=0.0))


def test_protection_counts_per_layer_in_layer_scope() -> None:
    assert kept(3, cqp.Params(alpha=0.5, tau=0.8), "layer") == [2, 3, 4]
    with pytest.raises(InfeasibleSelection, match="cannot keep 1 synapses: 2 are protected"):
        kept(2, cqp.Params(alpha=0.5, tau=0.8), "layer")
