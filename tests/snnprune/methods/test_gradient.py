"""Gradient pruning: the criticality of its kind alone decides, as CQP's does when all weights are equal."""

import pytest
import torch
from torch import Tensor

from snnprune.methods import cqp, gradient
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

CRITICAL = {
    "sensitivity": {"a": torch.tensor([[0.1, 0.9], [0.3, 0.2]]), "b": torch.tensor([[0.8, 0.0]])},
    "taylor": {"a": torch.tensor([[0.7, 0.1], [0.1, 0.5]]), "b": torch.tensor([[0.1, 0.6]])},
}


def by_kind(kind: str | None = None) -> dict[str, Tensor]:
    return CRITICAL[kind]  # None, the experiment's own kind, is not asked for


def problem(keep: int, weights: dict[str, Tensor], scope: str = "global") -> Problem:
    return Problem(weights, Mask.dense(weights), keep, scope, seed=0, criticality=by_kind)


WEIGHTS = {"a": torch.tensor([[9.0, 0.0], [9.0, 9.0]]), "b": torch.tensor([[0.0, 9.0]])}


@pytest.mark.parametrize(("kind", "kept"), [("sensitivity", [1, 2, 4]), ("taylor", [0, 3, 5])])
def test_by_hand_whatever_the_weights(kind: str, kept: list[int]) -> None:
    found = gradient.prune(problem(3, WEIGHTS), gradient.Params(kind=kind))
    assert found.vector().nonzero().squeeze(1).tolist() == kept


def test_layer_scope() -> None:
    found = gradient.prune(problem(3, WEIGHTS, "layer"), gradient.Params())
    assert found.vector().nonzero().squeeze(1).tolist() == [1, 2, 4]
    found = gradient.prune(problem(3, WEIGHTS, "layer"), gradient.Params(kind="taylor"))
    assert found.vector().nonzero().squeeze(1).tolist() == [0, 3, 5]


@pytest.mark.parametrize("kind", ["sensitivity", "taylor"])
def test_it_ranks_as_cqp_does_when_all_weights_are_equal(kind: str) -> None:
    equal = {name: torch.full_like(layer, -0.5) for name, layer in WEIGHTS.items()}
    for keep in range(7):
        given = Problem(
            equal, Mask.dense(equal), keep, "global", seed=0, criticality=lambda named=None: CRITICAL[named or kind]
        )
        expected = cqp.prune(given, cqp.Params(alpha=1.0)).vector()
        assert torch.equal(gradient.prune(given, gradient.Params(kind=kind)).vector(), expected)
