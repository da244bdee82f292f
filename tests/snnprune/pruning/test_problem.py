"""The pruning problem: selection among the synapses still kept, over the whole network or per layer."""

import pytest
import torch
from torch import Tensor

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import InfeasibleSelection

SCORES = {"a": torch.tensor([[9.0, 8.0], [7.0, 6.0]]), "b": torch.tensor([5.0, 4.0])}


def problem(keep: int, scope: str, mask: Mask | None = None) -> Problem:
    weights = {name: torch.ones_like(layer) for name, layer in SCORES.items()}
    return Problem(weights, mask or Mask.dense(weights), keep, scope, seed=0, criticality=dict)


def as_lists(mask: Mask) -> tuple[list[list[int]], list[int]]:
    return mask["a"].int().tolist(), mask["b"].int().tolist()


def test_global_scope_ranks_over_all_layers() -> None:
    assert as_lists(problem(3, "global").keep_top(SCORES)) == ([[1, 1], [1, 0]], [0, 0])


def test_layer_scope_keeps_the_same_share_of_every_layer() -> None:
    assert as_lists(problem(3, "layer").keep_top(SCORES)) == ([[1, 1], [0, 0]], [1, 0])


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_what_was_pruned_stays_pruned_whatever_its_score(scope: str) -> None:
    before = Mask({"a": torch.tensor([[False, True], [True, True]]), "b": torch.tensor([False, True])})
    after = problem(3, scope, before).keep_top(SCORES)
    assert after.inside(before)
    # global: 8, 7, 6; layer: two of a (8, 7) and one of b (4).
    assert as_lists(after) == (([[0, 1], [1, 1]], [0, 0]) if scope == "global" else ([[0, 1], [1, 0]], [0, 1]))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_protected_synapses_are_kept(scope: str) -> None:
    protected = {"a": torch.tensor([[False, False], [False, True]]), "b": torch.tensor([False, True])}
    after = problem(3, scope).keep_top(SCORES, protected)
    assert as_lists(after) == ([[1, 0], [0, 1]], [0, 1])


def test_a_protected_synapse_that_is_pruned_already_needs_no_place() -> None:
    before = Mask({"a": torch.tensor([[True, True], [True, False]]), "b": torch.tensor([True, True])})
    protected = {"a": torch.tensor([[False, False], [False, True]]), "b": torch.tensor([False, False])}
    assert as_lists(problem(1, "global", before).keep_top(SCORES, protected)) == ([[1, 0], [0, 0]], [0, 0])


def test_too_few_left_is_infeasible() -> None:
    before = Mask({"a": torch.zeros((2, 2), dtype=torch.bool), "b": torch.tensor([True, True])})
    with pytest.raises(InfeasibleSelection, match="cannot keep 3 synapses: 2 are left"):
        problem(3, "global", before).keep_top(SCORES)


@pytest.mark.parametrize(("scope", "parts"), [("global", [3]), ("layer", [2, 1])])
def test_a_rule_sees_each_part_once_with_its_share(scope: str, parts: list[int]) -> None:
    shares = []

    def first_ones(pick: object, keep: int) -> Tensor:
        shares.append(keep)
        return torch.arange(len(pick(SCORES))) < keep

    assert problem(3, scope).choose(first_ones).nnz == 3
    assert shares == parts


def test_layer_scope_is_nested_through_every_budget() -> None:
    weights = {
        "a": torch.ones(6),
        "b": torch.ones(6),
        "c": torch.ones(2),
    }  # largest remainders would fail from 11 to 10
    mask = Mask.dense(weights)
    for keep in range(13, -1, -1):
        mask = Problem(weights, mask, keep, "layer", seed=0, criticality=dict).keep_top(weights)
        assert mask.nnz == keep
