"""The control of osqp: its number of synapses, over the network and in each layer, chosen by importance alone."""

import pytest
import torch

from snnprune.methods import osqp, osqp_exact
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import importance


def problem(keep: int, scope: str) -> Problem:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(20, 15, generator=generator), "b": torch.randn(10, 20, generator=generator)}
    critical = {name: torch.rand(weight.shape, generator=generator) for name, weight in weights.items()}
    return Problem(weights, Mask.dense(weights), keep, scope, seed=0, criticality=lambda kind=None: critical)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("given", [{}, {"form": "energy", "tau": 0.9}, {"granularity": "neuron"}])
def test_as_many_as_osqp_keeps_and_the_most_important(given: dict[str, object], scope: str) -> None:
    params = osqp.Params(alpha=0.25, **given)
    rounded = osqp.prune(problem(100, scope), params)
    assert rounded.nnz != 100
    found = osqp_exact.prune(problem(100, scope), osqp_exact.Params(alpha=0.25, **given))
    parts = [["a", "b"]] if scope == "global" else [["a"], ["b"]]
    for names in parts:
        assert sum(int(found[n].sum()) for n in names) == sum(int(rounded[n].sum()) for n in names)
    if "granularity" in given:
        return
    scores = importance(problem(100, scope).weights, problem(100, scope).criticality(), 0.25)
    for names in parts:
        kept = torch.cat([scores[n][found[n]] for n in names])
        assert kept.min() >= torch.cat([scores[n][~found[n]] for n in names]).max()


@pytest.mark.parametrize("keep", [400, 100, 20])
def test_of_the_budget_its_masks_are_osqps(keep: int) -> None:
    # The relaxed mask rises with the importance, so its rounding is a sort, too.
    found = osqp_exact.prune(problem(keep, "global"), osqp_exact.Params())
    assert torch.equal(found.vector(), osqp.prune(problem(keep, "global"), osqp.Params()).vector())
