"""The pruning problem: selection among the synapses still kept, over the whole network or per layer."""

import pytest
import torch

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

SCORES = {"a": torch.tensor([[9.0, 8.0], [7.0, 6.0]]), "b": torch.tensor([5.0, 4.0])}


def problem(keep: int, scope: str, mask: Mask | None = None) -> Problem:
    weights = {name: torch.ones_like(layer) for name, layer in SCORES.items()}
    return Problem(weights, mask or Mask.dense(weights), keep, scope, seed=0, criticality=dict)


def as_lists(mask: Mask) -> tuple[list[list[int]], list[int]]:
    return mask["a"].int().tolist(), mask["b"].int().tolist()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("global", ([[1, 1], [1, 0]], [0, 0])), ("layer", ([[1, 1], [0, 0]], [1, 0]))],  # over all, or the same share
)
def test_each_scope_by_hand(scope: str, expected: tuple[list[list[int]], list[int]]) -> None:
    assert as_lists(problem(3, scope).keep_top(SCORES)) == expected


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
