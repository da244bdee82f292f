"""The pruning problem: selection among the synapses still kept, over the whole network or per layer."""

from typing import Any

import pytest
import torch

from snnprune.core.errors import NotFiniteError
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import BrokenMethod, Problem

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


@pytest.mark.parametrize(
    ("scores", "error", "message"),
    [
        (
            {**SCORES, "a": SCORES["a"][:, :1]},
            BrokenMethod,
            r"scores of a: .* \[2, 2\]; found a tensor \[2, 1\]",
        ),
        ({**SCORES, "a": SCORES["a"].reshape(1, 4)}, BrokenMethod, r"scores of a: .*; found a tensor \[1, 4\]"),
        ({"a": SCORES["a"]}, BrokenMethod, r"scores of b: expected a tensor \[2\]; found NoneType"),
        ({**SCORES, "b": SCORES["b"].tolist()}, BrokenMethod, r"scores of b: expected a tensor \[2\]; found list"),
        ({**SCORES, "b": SCORES["b"] * torch.nan}, NotFiniteError, "scores of b: 2 of 2 are NaN or infinite"),
    ],
)
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_what_is_no_score_of_every_synapse_is_refused(
    scope: str, scores: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        problem(3, scope).keep_top(scores)


def test_a_score_of_a_pruned_synapse_may_be_anything() -> None:
    before = Mask({"a": torch.tensor([[False, True], [True, True]]), "b": torch.tensor([True, True])})
    scores = {**SCORES, "a": torch.tensor([[torch.inf, 8.0], [7.0, 6.0]])}
    assert as_lists(problem(2, "global", before).keep_top(scores)) == ([[0, 1], [1, 0]], [0, 0])
