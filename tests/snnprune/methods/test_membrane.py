"""Membrane pruning: the neuron's criticality first, then |w|, then the index."""

import pytest
import torch
from torch import Tensor

from snnprune.methods import membrane
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

WEIGHTS = {"a": torch.tensor([[0.1, -0.9, 0.4], [5.0, 5.0, -6.0]]), "b": torch.tensor([[0.3, -0.3], [8.0, 7.0]])}
NEURONS = {"a": torch.tensor([0.6, 0.2]), "b": torch.tensor([0.6, 0.1])}


def by_kind(kind: str | None = None) -> dict[str, Tensor]:
    assert kind == "membrane"
    return {name: NEURONS[name][:, None].expand_as(weight) for name, weight in WEIGHTS.items()}


def kept(keep: int, scope: str = "global") -> list[int]:
    problem = Problem(WEIGHTS, Mask.dense(WEIGHTS), keep, scope, seed=0, criticality=by_kind)
    return membrane.prune(problem, membrane.Params()).vector().nonzero().squeeze(1).tolist()


def test_the_order_by_hand() -> None:
    # Index 0 to 5 are a, 6 to 9 are b. Criticality 0.6: |w| = 0.9 (1), 0.4 (2), 0.3 (6 before 7), 0.1 (0);
    # 0.2: 6.0 (5), 5.0 (3 before 4); 0.1: 8.0 (8), 7.0 (9).
    order = [1, 2, 6, 7, 0, 5, 3, 4, 8, 9]
    for keep in range(11):
        assert kept(keep) == sorted(order[:keep])


@pytest.mark.parametrize(("keep", "expected"), [(5, [0, 1, 2, 6, 7]), (7, [0, 1, 2, 5, 6, 7, 8])])
def test_layer_scope_by_hand(keep: int, expected: list[int]) -> None:
    # 5 of 10 are 3 and 2; 7 of 10 are 4 and 3.
    assert kept(keep, "layer") == expected
