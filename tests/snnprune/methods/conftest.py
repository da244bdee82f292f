"""What a method keeps of weights and a criticality given by hand."""

from collections.abc import Callable, Mapping
from types import ModuleType

import pytest
from torch import Tensor

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

Layers = Mapping[str, Tensor]


@pytest.fixture
def kept_of() -> Callable[..., list[int]]:
    """Indices that `method` keeps, over all layers in a row. `critical` is by kind (None: the experiment's), so that a
    method which asks for another kind fails."""

    def kept(
        method: ModuleType,
        weights: Layers,
        critical: Mapping[str | None, Layers],
        keep: int,
        scope: str = "global",
        seed: int = 0,
        **params: object,
    ) -> list[int]:
        problem = Problem(weights, Mask.dense(weights), keep, scope, seed, lambda kind=None: critical[kind])
        return method.prune(problem, method.Params(**params)).vector().nonzero().squeeze(1).tolist()

    return kept
