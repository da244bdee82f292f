"""CQP: importance with alpha, protection above tau, and infeasible protection reported."""

import pytest
import torch

from pipeline.methods import cqp
from pipeline.params import ParamsError, validate
from pipeline.pruning.mask import Mask
from pipeline.pruning.problem import Problem
from pipeline.pruning.select import InfeasibleSelection

WEIGHTS = {"a": torch.tensor([[4.0, -3.0], [0.1, 0.2]]), "b": torch.tensor([1.0, -2.0])}
# Divided by the maximum 10: 0.01, 0.04, 1, 0.81, 0.25, 0.
CRITICAL = {"a": torch.tensor([[0.1, 0.4], [10.0, 8.1]]), "b": torch.tensor([2.5, 0.0])}


def kept(keep: int, params: cqp.Params, scope: str = "global") -> list[int]:
    problem = Problem(WEIGHTS, Mask.dense(WEIGHTS), keep, scope, seed=0, criticality=lambda: CRITICAL)
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


def test_more_protected_than_kept_is_infeasible() -> None:
    with pytest.raises(InfeasibleSelection, match="cannot keep 1 synapses: 2 are protected"):
        kept(1, cqp.Params(tau=0.8))
    with pytest.raises(InfeasibleSelection, match="cannot keep 4 synapses: 5 are protected"):
        kept(4, cqp.Params(tau=0.0))


def test_protection_counts_per_layer_in_layer_scope() -> None:
    assert kept(3, cqp.Params(alpha=0.5, tau=0.8), "layer") == [2, 3, 4]
    with pytest.raises(InfeasibleSelection, match="cannot keep 1 synapses: 2 are protected"):
        kept(2, cqp.Params(alpha=0.5, tau=0.8), "layer")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": -0.1}, "cqp.alpha: .* greater than or equal to 0; found -0.1"),
        ({"tau": 1.5}, "cqp.tau: .* less than or equal to 1; found 1.5"),
        ({"alpha": "half"}, "cqp.alpha: .* valid number; found 'half'"),
    ],
)
def test_impossible_parameters_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        validate(cqp.Params, given, "cqp")
