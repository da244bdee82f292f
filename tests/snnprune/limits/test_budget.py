"""Budgets: worked by hand, and held against integer programs and linear ones."""

from itertools import product

import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from snnprune.limits.budget import first_synapse, within_budget
from snnprune.limits.costs import total
from snnprune.limits.params import Limits
from snnprune.limits.structure import within_structure
from snnprune.pruning.mask import Mask, flatten
from tests.snnprune.limits.test_structure import groups, optimum


def drawn(seed: int, low: int = 1, high: int = 10) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand((3, 8), generator=generator, dtype=torch.float64)
    return {"w": scores}, {"w": torch.randint(low, high, (3, 8), generator=generator).double()}


def test_by_hand() -> None:
    """Scores 5.9, 5, 4 at costs 3, 2, 2 and a budget of 4: by score only the first fits (with the second it is 5),
    by ratio the second and third do, which is the optimum. The fractional optimum is 5 + 4 = 9 too."""
    scores, costs = {"w": torch.tensor([[5.9, 5.0, 4.0]])}, {"w": torch.tensor([[3.0, 2.0, 2.0]])}
    by_score, by_ratio = within_budget(scores, costs, 4), within_budget(scores, costs, 4, per_cost=True)
    assert by_score.mask["w"].tolist() == [[True, False, False]]
    assert by_ratio.mask["w"].tolist() == [[False, True, True]]
    assert (by_score.score, by_ratio.score) == (pytest.approx(5.9), 9)
    assert by_score.bound == by_ratio.bound == pytest.approx(9)


def test_greedy_is_not_exact_and_says_by_how_much() -> None:
    """Scores 3, 4 at costs 1, 2 and a budget of 2: the ratio takes the first, though 4 is possible; fractional 5."""
    found = within_budget({"w": torch.tensor([[3.0, 4.0]])}, {"w": torch.tensor([[1.0, 2.0]])}, 2, per_cost=True)
    assert (found.score, found.bound) == (3, pytest.approx(5))


def test_what_does_nothing_is_not_kept() -> None:
    """No cost: its input is never other than zero. No score, or pruned before: worth nothing."""
    scores, costs = torch.tensor([[9.0, 0.0, -torch.inf, 1.0]]), torch.tensor([[0.0, 1.0, 1.0, 1.0]])
    found = within_budget({"w": scores}, {"w": costs}, 10)
    assert found.mask["w"].tolist() == [[False, False, False, True]]
    assert found.score == found.bound == 1
    assert first_synapse({"w": scores}, {"w": costs})["w"].tolist() == [[False, False, False, True]]


@pytest.mark.parametrize("per_cost", [False, True])
@pytest.mark.parametrize("limit", [-1.0, 0.0, 10.0])
def test_without_a_score_nothing_is_kept(limit: float, per_cost: bool) -> None:
    scores, costs = {"w": torch.tensor([[0.0, -torch.inf]])}, {"w": torch.ones((1, 2))}
    found = within_budget(scores, costs, limit, per_cost=per_cost)
    assert (found.mask.nnz, found.score, found.bound) == (0, 0, 0)
    assert first_synapse(scores, costs, per_cost=per_cost).nnz == 0


def test_the_synapse_it_begins_with() -> None:
    """Scores 3, 5, 4 at costs 1, 9, 2: by score the second, by ratio the first."""
    given = {"w": torch.tensor([[3.0, 5.0, 4.0]])}, {"w": torch.tensor([[1.0, 9.0, 2.0]])}
    assert first_synapse(*given)["w"].tolist() == [[False, True, False]]
    assert first_synapse(*given, per_cost=True)["w"].tolist() == [[True, False, False]]


def test_a_budget_that_is_too_small_leaves_nothing() -> None:
    assert within_budget(*drawn(0), 0.5).mask.nnz == 0


@pytest.mark.parametrize("per_cost", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_equal_costs_are_a_sort_and_exact(seed: int, per_cost: bool) -> None:
    """Also when the budget is no multiple of the cost, and within limits of structure."""
    scores, costs = drawn(seed, 3, 4)
    every, limits = Mask.dense(scores), Limits(fan_in=3, pattern=[2, 4])
    for best_of, constraints in (
        (Mask.dense, []),
        (lambda worth: within_structure(worth, every, limits), groups(scores["w"], 3, 2, 4)),
    ):
        found = within_budget(scores, costs, 17, best_of, per_cost=per_cost)
        assert found.mask.nnz == 5
        assert found.score == found.bound == pytest.approx(optimum(scores["w"], [*constraints, (costs["w"], 17.0)]))


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_is_the_fractional_optimum_and_the_gap_is_within_one_synapse(seed: int) -> None:
    scores, costs = drawn(seed)
    for limit in (5.0, 20.0, 50.0):
        found = within_budget(scores, costs, limit, per_cost=True)
        relaxed = linprog(
            -scores["w"].flatten().numpy(), A_ub=costs["w"].flatten().numpy()[None], b_ub=limit, bounds=(0, 1)
        )
        best = optimum(scores["w"], [(costs["w"], limit)])
        assert costs["w"][found.mask["w"]].sum() <= limit
        assert found.bound == pytest.approx(-relaxed.fun)
        assert found.score <= best + 1e-9 <= found.bound + 2e-9
        assert found.bound - found.score <= scores["w"].max()
        assert within_budget(scores, costs, limit).score <= best + 1e-9


@pytest.mark.parametrize("per_cost", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_structure_and_a_budget_keep_to_both_and_below_the_bound(seed: int, per_cost: bool) -> None:
    scores, costs = drawn(seed)
    every, limits = Mask.dense(scores), Limits(fan_in=3, pattern=[2, 4])
    for limit in (10.0, 20.0, 30.0):
        found = within_budget(
            scores, costs, limit, lambda worth: within_structure(worth, every, limits), per_cost=per_cost
        )
        assert costs["w"][found.mask["w"]].sum() <= limit
        for chosen, most in (constraints := groups(scores["w"], 3, 2, 4)):
            assert (found.mask["w"] * chosen).sum() <= most
        best = optimum(scores["w"], [*constraints, (costs["w"], limit)])
        assert found.score <= best + 1e-9 <= found.bound + 2e-9
        assert not per_cost or found.score > 0.8 * best


def test_neurons_that_cost_by_hand() -> None:
    """2-2-1, scores 8, 6, 7, 1 (two neurons, two inputs each) and 5, 4 (their outputs), a synapse 1, a neuron that has
    both inputs and an output 10. In the order 8, 7, 6, 5, 4, 1 they come to 1, 2, 3, 14, 25, 26."""
    scores = {"a": torch.tensor([[8.0, 6.0], [7.0, 1.0]]), "b": torch.tensor([[5.0, 4.0]])}
    costs = {name: torch.ones_like(layer) for name, layer in scores.items()}

    def of_neurons(mask: Mask) -> float:
        return 10.0 * int((mask["a"].any(1) & mask["b"].any(0)).sum())

    for limit, kept in ((0.5, 0), (13.0, 3), (14.0, 4), (24.0, 4), (25.0, 5), (26.0, 6)):
        found = within_budget(scores, costs, limit, of_neurons=of_neurons)
        assert found.mask.nnz == kept
    assert within_budget(scores, costs, 26.0, of_neurons=of_neurons).bound == 31
    assert within_budget(scores, costs, 3.5, of_neurons=of_neurons).bound >= 21  # 8 + 7 + 6, here the optimum


@pytest.mark.parametrize("per_cost", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_with_neurons_the_bound_holds_and_by_score_as_many_as_fit_are_kept(seed: int, per_cost: bool) -> None:
    """Against every mask of a 2-3-1 net, and every beginning of the ranking."""
    generator = torch.Generator().manual_seed(seed)
    scores = {name: torch.rand(shape, generator=generator) for name, shape in (("a", (3, 2)), ("b", (1, 3)))}
    costs = {name: torch.randint(1, 5, layer.shape, generator=generator).double() for name, layer in scores.items()}
    each = torch.rand(3, generator=generator) * 6

    def of_neurons(mask: Mask) -> float:
        return float(each[mask["a"].any(1) & mask["b"].any(0)].sum())

    masks = [Mask.dense(scores).with_vector(torch.tensor(bits)) for bits in product((False, True), repeat=9)]
    spent = [total(costs, mask) + of_neurons(mask) for mask in masks]
    rank = flatten(scores).sort(descending=True).indices
    beginnings = [torch.zeros(9, dtype=torch.bool).index_fill(0, rank[:count], True) for count in range(10)]
    for limit in (4.0, 9.0, 18.0, 30.0):
        found = within_budget(scores, costs, limit, per_cost=per_cost, of_neurons=of_neurons)
        best = max(total(scores, mask) for mask, cost in zip(masks, spent, strict=True) if cost <= limit)
        assert total(costs, found.mask) + of_neurons(found.mask) <= limit
        assert found.score <= best + 1e-6 <= found.bound + 2e-6
        if not per_cost:
            fitting = [
                kept
                for kept in beginnings
                if total(costs, mask := Mask.dense(scores).with_vector(kept)) + of_neurons(mask) <= limit
            ]
            assert torch.equal(found.mask.vector(), fitting[-1])
