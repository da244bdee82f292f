"""The solver baseline: what rounding a relaxed program keeps, in both forms, and what is reported as not solved."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnprune.methods import osqp
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.relaxations import NotSolved, Solver, budget_closed_form
from snnprune.pruning.rounding import rounded

SIZE = 300
SOLVER = Solver()
INSTANCES = [(0, 150), (1, 60), (2, 30), (3, 10)]


def importances(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).lognormal(0, 1, SIZE)


@pytest.mark.parametrize(("seed", "keep"), INSTANCES)
def test_budget_keeps_the_importances_above_lambda_not_the_budget(seed: int, keep: int) -> None:
    values = importances(seed)
    expected = budget_closed_form(values, keep)
    assert abs(expected - 0.5).min() > 1e-4  # none so near the border that tolerance decides
    kept = rounded(torch.from_numpy(values), keep, SOLVER)
    assert kept.tolist() == (expected > 0.5).tolist()
    assert int(kept.sum()) != keep


@pytest.mark.parametrize("keep", [5, 6, 100])
def test_fewer_left_than_asked_are_all_kept(keep: int) -> None:
    values = torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0])
    assert rounded(values, keep, SOLVER).tolist() == [True] * 5
    assert rounded(values, keep, SOLVER, torch.zeros(5, dtype=torch.bool)).tolist() == [True] * 5


def test_no_importance_at_all_still_gives_a_mask() -> None:
    found = rounded(torch.zeros(10), 4, SOLVER)
    assert (found.shape, found.dtype) == ((10,), torch.bool)


def problem(keep: int, scope: str = "global", mask: Mask | None = None) -> Problem:
    """Two layers of 300 and 200 synapses whose criticality is 0, 1/300, 2/300, ... and 0, 1/200, ..."""
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(20, 15, generator=generator), "b": torch.randn(10, 20, generator=generator)}
    critical = {"a": torch.arange(300).reshape(20, 15) / 299, "b": torch.arange(200).reshape(10, 20) / 199}
    given = mask or Mask.dense(weights)
    return Problem(weights, given, keep, scope, seed=0, criticality=lambda kind=None: critical)


def energy(given: Problem, tau: float, **more: object) -> Tensor:
    return osqp.prune(given, osqp.Params(form="energy", tau=tau, **more)).vector()


@pytest.mark.parametrize("target", [0.5, 0.7, 0.9])
def test_energy_keeps_the_protected_whatever_the_target(target: float) -> None:
    keep = round((1 - target) * 500)
    found = energy(problem(keep), tau=0.9)
    protected = torch.cat([torch.arange(300) / 299 > 0.9, torch.arange(200) / 199 > 0.9])
    assert int(protected.sum()) == 50  # 30 of a and 20 of b
    assert torch.equal(found, protected)
    assert 1 - found.double().mean().item() == pytest.approx(1 - 50 / 500)


def test_energy_counts_what_is_left_of_an_earlier_level() -> None:
    # At tau 0.5 the upper halves, 150 and 100, are protected; the first row of a half is pruned already.
    vector = torch.ones(500, dtype=torch.bool)
    vector[285:300] = False
    before = problem(450).mask.with_vector(vector)
    found = energy(problem(450, mask=before), tau=0.5)
    protected = torch.cat([torch.arange(300) / 299 > 0.5, torch.arange(200) / 199 > 0.5])
    assert torch.equal(found, protected & vector)


def test_energy_protects_columns_with_granularity_neuron() -> None:
    weights = {"a": torch.full((2, 3), 0.5)}
    critical = {"a": torch.tensor([[1.0, 0.0, 0.2], [0.0, 0.1, 0.9]])}  # column means 0.5, 0.05, 0.55
    given = Problem(weights, Mask.dense(weights), 5, "global", seed=0, criticality=lambda kind=None: critical)
    found = osqp.prune(given, osqp.Params(form="energy", tau=0.8, granularity="neuron"))
    assert found["a"].tolist() == [[True, False, True], [True, False, True]]
    assert osqp.prune(given, osqp.Params(form="energy", tau=0.8))["a"].int().tolist() == [[1, 0, 0], [0, 0, 1]]


def test_layer_scope_solves_each_layer_by_itself() -> None:
    given = problem(250, "layer")
    found = osqp.prune(given, osqp.Params(alpha=0.0))
    for name, share in (("a", 150), ("b", 100)):
        expected = rounded(given.weights[name].abs().flatten(), share, SOLVER)
        assert found[name].flatten().tolist() == expected.tolist()
    found = osqp.prune(given, osqp.Params(form="energy", tau=0.8))
    assert [int(found[name].sum()) for name in ("a", "b")] == [60, 40]


def test_energy_that_protects_too_many_is_reported() -> None:
    # 0.85 * 250 = 212.5 protected at tau 0.5.
    assert int(energy(problem(213), tau=0.5).sum()) == 250
    with pytest.raises(NotSolved, match="500 synapses with a budget of 212: status 'primal infeasible' after "):
        energy(problem(212), tau=0.5)


@pytest.mark.parametrize("form", ["budget", "energy"])
def test_parameters_reach_the_solver(form: str) -> None:
    with pytest.raises(NotSolved, match="'maximum iterations reached' after 3 iterations"):
        osqp.prune(problem(60), osqp.Params(form=form, tau=0.95, tolerance=1e-9, max_iter=3))
