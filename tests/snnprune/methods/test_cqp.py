"""CQP: importance with alpha, protection above tau, and infeasible protection reported."""

from collections.abc import Callable

import pytest
import torch

from snnprune.methods import cqp
from snnprune.pruning.select import InfeasibleSelection

WEIGHTS = {"a": torch.tensor([[4.0, -3.0], [0.1, 0.2]]), "b": torch.tensor([[1.0], [-2.0]])}
# Divided by the maximum 10: 0.01, 0.04, 1, 0.81, 0.25, 0. Means over the columns of a are 5.05 and 4.25; b is the one
# column 1.25.
CRITICAL = {"a": torch.tensor([[0.1, 0.4], [10.0, 8.1]]), "b": torch.tensor([[2.5], [0.0]])}
NEURON = {"granularity": "neuron"}


@pytest.mark.parametrize(
    ("keep", "scope", "params", "expected"),
    [
        (3, "global", {"alpha": 0.5}, [0, 1, 4]),  # |w| * sqrt(C) = 0.4, 0.6, 0.1, 0.18, 0.5, 0
        (3, "global", {"alpha": 1.0}, [1, 3, 4]),  # 0.04, 0.12, 0.1, 0.162, 0.25, 0
        (3, "global", {"alpha": 0.0}, [0, 1, 5]),  # magnitude
        # Synapses above tau are kept whatever their importance.
        (3, "global", {"alpha": 0.5, "tau": 0.8}, [1, 2, 3]),
        (3, "global", {"alpha": 0.5, "tau": 0.9}, [1, 2, 4]),
        (3, "global", {"alpha": 0.5, "tau": 1.0}, [0, 1, 4]),  # nothing exceeds the maximum
        (2, "global", {"alpha": 0.0, "tau": 0.8}, [2, 3]),
        (3, "layer", {"alpha": 0.5, "tau": 0.8}, [2, 3, 4]),
        # 4 * 5.05, 3 * 4.25, 0.1 * 5.05, 0.2 * 4.25, 1 * 1.25, 2 * 1.25
        (3, "global", NEURON | {"alpha": 1.0}, [0, 1, 5]),
        # Over the maximum 5.05: C = 1, 0.84 and 0.25; above 0.9 is column 0 of a, its entries 0 and 2.
        (3, "global", NEURON | {"alpha": 1.0, "tau": 0.9}, [0, 1, 2]),
    ],
)
def test_by_hand(
    kept_of: Callable[..., list[int]], keep: int, scope: str, params: dict[str, object], expected: list[int]
) -> None:
    assert kept_of(cqp, WEIGHTS, {None: CRITICAL}, keep, scope, **params) == expected


@pytest.mark.parametrize(
    ("keep", "scope", "tau", "found"),
    [
        (1, "global", 0.8, "keep 1 synapses: 2"),
        (4, "global", 0.0, "keep 4 synapses: 5"),
        (2, "layer", 0.8, "keep 1 synapses: 2"),  # of the first layer
    ],
)
def test_more_protected_than_kept_is_infeasible(
    kept_of: Callable[..., list[int]], keep: int, scope: str, tau: float, found: str
) -> None:
    with pytest.raises(InfeasibleSelection, match=f"cannot {found} are protected"):
        kept_of(cqp, WEIGHTS, {None: CRITICAL}, keep, scope, tau=tau)
