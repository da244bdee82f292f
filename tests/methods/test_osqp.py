"""The relaxed program: OSQP against the closed form and a second solver, and what rounding it keeps."""

import cvxpy
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

from pipeline.methods import osqp
from pipeline.methods.osqp import NotSolved, round_relaxed, solve_budget
from pipeline.pruning.mask import Mask
from pipeline.pruning.problem import Problem

SIZE = 300
TOLERANCE, MAX_ITER = 1e-5, 20_000
INSTANCES = [(0, 150), (1, 60), (2, 30), (3, 10)]


def importances(seed: int) -> NDArray[np.float64]:
    """Heavy-tailed, as products of weights and gradients are, and a third of them zero."""
    rng = np.random.default_rng(seed)
    return rng.lognormal(0, 1, SIZE) * (rng.random(SIZE) > 1 / 3)


def closed_form(values: NDArray[np.float64], keep: int) -> tuple[NDArray[np.float64], float]:
    """The optimum m_i = max(0, 1 - lambda / (2 I_i)) (0 where I_i is 0), and its lambda, at which sum m = keep."""

    def mask(price: float) -> NDArray[np.float64]:
        return np.maximum(0, 1 - price / (2 * np.where(values > 0, values, 1e-300)))

    price = brentq(lambda price: mask(price).sum() - keep, 1e-12, 2 * values.max(), xtol=1e-14)
    return mask(price), price


def by_second_solver(values: NDArray[np.float64], keep: int) -> NDArray[np.float64]:
    mask = cvxpy.Variable(len(values))
    objective = cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(values, cvxpy.square(1 - mask))))
    problem = cvxpy.Problem(objective, [cvxpy.sum(mask) == keep, mask >= 0, mask <= 1])
    problem.solve(solver=cvxpy.CLARABEL)
    assert problem.status == cvxpy.OPTIMAL
    return mask.value


@pytest.mark.parametrize(("seed", "keep"), INSTANCES)
def test_against_the_closed_form(seed: int, keep: int) -> None:
    values = importances(seed)
    expected, _ = closed_form(values, keep)
    found = solve_budget(values, keep, TOLERANCE, MAX_ITER)
    assert found.sum() == pytest.approx(keep, abs=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("seed", "keep"), INSTANCES)
def test_against_a_second_solver(seed: int, keep: int) -> None:
    values = importances(seed)
    np.testing.assert_allclose(
        solve_budget(values, keep, TOLERANCE, MAX_ITER), by_second_solver(values, keep), atol=1e-4
    )


@pytest.mark.parametrize(("seed", "keep"), INSTANCES)
def test_rounding_keeps_the_importances_above_lambda_not_the_budget(seed: int, keep: int) -> None:
    values = importances(seed)
    _, price = closed_form(values, keep)
    assert abs(values / price - 1).min() > 1e-3  # none so near the border that tolerance decides
    kept = round_relaxed(torch.from_numpy(values), keep, osqp.Params())
    assert kept.tolist() == (values > price).tolist()
    assert int(kept.sum()) != keep


def test_high_sparsity_overshoots() -> None:
    assert int(round_relaxed(torch.from_numpy(importances(3)), 10, osqp.Params()).sum()) < 10


def test_by_hand() -> None:
    # I = (4, 1, 1), k = 2: 1 - l/8 + 2 * (1 - l/2) = 2 gives l = 8/9, so m = (8/9, 5/9, 5/9): rounding keeps all three.
    found = solve_budget(np.array([4.0, 1.0, 1.0]), 2, TOLERANCE, MAX_ITER)
    np.testing.assert_allclose(found, [8 / 9, 5 / 9, 5 / 9], atol=1e-4)
    # k = 1: with all three positive l = 16/9 and m = (7/9, 1/9, 1/9): rounding keeps one.
    found = solve_budget(np.array([4.0, 1.0, 1.0]), 1, TOLERANCE, MAX_ITER)
    np.testing.assert_allclose(found, [7 / 9, 1 / 9, 1 / 9], atol=1e-4)


def test_two_calls_give_the_same_bits() -> None:
    values = importances(5)
    first, again = (solve_budget(values, 40, TOLERANCE, MAX_ITER) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_scaling_the_importances_leaves_the_mask() -> None:
    values = torch.from_numpy(importances(6))
    small, large = (round_relaxed(values * factor, 50, osqp.Params()) for factor in (1e-8, 1e3))
    assert torch.equal(small, large)


def test_not_solved_is_an_error_with_status_iterations_and_residuals() -> None:
    with pytest.raises(NotSolved) as caught:
        solve_budget(importances(0), 50, 1e-9, max_iter=1)
    message = str(caught.value)
    assert "300 synapses, keep 50: status 'maximum iterations reached' after 1 iterations" in message
    assert "primal residual " in message
    assert "dual residual " in message
    assert "nan" not in message


@pytest.mark.parametrize("keep", [5, 6, 100])
def test_fewer_left_than_asked_are_all_kept(keep: int) -> None:
    assert round_relaxed(torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0]), keep, osqp.Params()).tolist() == [True] * 5


def test_layer_scope_solves_each_layer_by_itself() -> None:
    weights = {"a": torch.from_numpy(importances(7)), "b": 1000 * torch.from_numpy(importances(8))}
    critical = {name: torch.ones_like(layer) for name, layer in weights.items()}
    problem = Problem(weights, Mask.dense(weights), 120, "layer", seed=0, criticality=lambda: critical)
    found = osqp.prune(problem, osqp.Params())
    for name, layer in weights.items():
        assert torch.equal(found[name], round_relaxed(layer, 60, osqp.Params()))


def test_no_importance_at_all_still_gives_a_mask() -> None:
    assert round_relaxed(torch.zeros(10), 4, osqp.Params()).shape == (10,)
