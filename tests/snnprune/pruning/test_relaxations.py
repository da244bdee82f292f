"""The relaxed programs: OSQP against the closed forms and second solvers, and what is reported as not solved."""

import cvxpy
import numpy as np
import pytest
from numpy.typing import NDArray

from snnprune.pruning.relaxations import (
    FLOOR,
    NotSolved,
    Solver,
    budget_closed_form,
    energy_closed_form,
    is_energy_feasible,
    solve_budget,
    solve_energy,
    solve_energy_if_feasible,
)

Vector = NDArray[np.float64]
SIZE = 300
SOLVER = Solver()
INSTANCES = [(0, 150), (1, 60), (2, 30), (3, 10), (4, 299)]


def importances(seed: int) -> Vector:
    """Heavy-tailed, as products of weights and gradients are."""
    return np.random.default_rng(seed).lognormal(0, 1, SIZE)


def budget_by_second_solver(values: Vector, keep: int) -> Vector:
    mask = cvxpy.Variable(len(values))
    objective = cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(values, cvxpy.square(1 - mask))))
    problem = cvxpy.Problem(objective, [cvxpy.sum(mask) == keep, mask >= 0, mask <= 1])
    problem.solve(solver=cvxpy.CLARABEL)
    assert problem.status == cvxpy.OPTIMAL
    return mask.value


def energy_by_second_solver(weights: Vector, protected: NDArray[np.bool_], drop: int) -> cvxpy.Problem:
    mask = cvxpy.Variable(len(weights))
    constraints = [mask >= 0, mask <= 1, cvxpy.sum(1 - mask) >= drop, mask[protected] >= 0.85]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(cvxpy.multiply(weights, mask))), constraints)
    problem.solve(solver=cvxpy.CLARABEL)
    return problem


# budget


@pytest.mark.parametrize(
    ("values", "keep", "expected"),
    [
        # 1 - l/8 + 2 * (1 - l/2) = 2 gives l = 8/9.
        ([4.0, 1.0, 1.0], 2, [8 / 9, 5 / 9, 5 / 9]),
        # 1 - l/8 + 2 * (1 - l/2) = 1 gives l = 16/9.
        ([4.0, 1.0, 1.0], 1, [7 / 9, 1 / 9, 1 / 9]),
        # With two at work 2 - l * (1/16 + 1/2) = 1 gives l = 16/9; then the third would be 1 - 16/9 < 0.
        ([8.0, 1.0, 0.5], 1, [8 / 9, 1 / 9, 0.0]),
        ([1.0, 1.0, 1.0, 1.0], 1, [0.25] * 4),
        ([3.0, 2.0, 1.0], 3, [1.0] * 3),
    ],
)
def test_budget_by_hand(values: list[float], keep: int, expected: list[float]) -> None:
    np.testing.assert_allclose(budget_closed_form(np.array(values), keep), expected, atol=1e-12)
    np.testing.assert_allclose(solve_budget(np.array(values), keep, SOLVER).mask, expected, atol=1e-4)


@pytest.mark.parametrize("seed", range(40))
def test_budget_closed_form_meets_the_kkt_conditions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 40))
    keep = int(rng.integers(1, size + 1))
    values = rng.integers(1, 5, size).astype(float) if seed % 2 else rng.lognormal(0, 2, size)
    mask = budget_closed_form(values, keep)
    assert mask.sum() == pytest.approx(keep)
    assert mask.min() >= 0
    assert mask.max() <= 1
    # Some price l >= 0 is -d/dm_i of the objective, 2 I_i (1 - m_i), where m_i > 0, and at least that where m_i = 0.
    pull = 2 * values * (1 - mask)
    at_work = mask > 0
    price = pull[at_work].max()
    assert price >= 0
    np.testing.assert_allclose(pull[at_work], price, rtol=1e-9, atol=1e-9)
    assert (pull[~at_work] <= price * (1 + 1e-9)).all()


@pytest.mark.parametrize(("values", "keep"), [([1.0, 0.0], 1), ([1.0, -1.0], 1), ([1.0, 2.0], 0), ([1.0, 2.0], 3)])
def test_budget_closed_form_refuses_what_it_does_not_hold_for(values: list[float], keep: int) -> None:
    with pytest.raises(ValueError, match="importances > 0 and 1 <= keep <= n"):
        budget_closed_form(np.array(values), keep)


@pytest.mark.parametrize(("seed", "keep"), INSTANCES)
def test_budget_against_closed_form_and_second_solver(seed: int, keep: int) -> None:
    values = importances(seed)
    found = solve_budget(values, keep, SOLVER)
    assert found.iterations > 0
    assert found.mask.sum() == pytest.approx(keep, abs=1e-3)
    np.testing.assert_allclose(found.mask, budget_closed_form(values, keep), atol=1e-4)
    np.testing.assert_allclose(found.mask, budget_by_second_solver(values, keep), atol=1e-3)


def test_budget_with_importances_that_are_zero() -> None:
    values = importances(5) * (np.random.default_rng(5).random(SIZE) > 1 / 3)
    found = solve_budget(values, 60, SOLVER).mask
    np.testing.assert_allclose(found[values > 0], budget_closed_form(values[values > 0], 60), atol=1e-4)
    np.testing.assert_allclose(found[values == 0], 0, atol=1e-4)


@pytest.mark.parametrize("factor", [1e-12, 1e6])
def test_budget_does_not_depend_on_the_scale(factor: float) -> None:
    values = importances(6)
    np.testing.assert_allclose(
        solve_budget(factor * values, 50, SOLVER).mask, solve_budget(values, 50, SOLVER).mask, atol=1e-6
    )


@pytest.mark.parametrize(("level", "least"), [(0.9, 0.8), (0.99, 0.5)])
def test_budget_of_the_reference_network(level: float, least: float) -> None:
    # 784-256-128-10 has 234,752 synapses; the rounded mask keeps #{I > l}, fewer than asked.
    values = np.random.default_rng(0).lognormal(0, 1, 234_752)
    keep = round((1 - level) * len(values))
    solved = solve_budget(values, keep, SOLVER)
    expected = budget_closed_form(values, keep)
    np.testing.assert_allclose(solved.mask, expected, atol=1e-4)
    assert solved.mask.sum() == pytest.approx(keep, abs=1e-2)
    assert solved.iterations < 1000
    kept = int((solved.mask > 0.5).sum())
    assert abs(kept - int((expected > 0.5).sum())) <= 2  # one that lies at 0.5 to the tolerance may fall either way
    assert least * keep < kept < 0.9 * keep


# energy


@pytest.mark.parametrize(
    ("seed", "protected_share", "drop"), [(0, 0.0, 150), (1, 0.05, 270), (2, 0.3, 200), (3, 1, 45)]
)
def test_energy_against_closed_form_and_second_solver(seed: int, protected_share: float, drop: int) -> None:
    rng = np.random.default_rng(seed)
    weights, protected = rng.choice([-1, 1], SIZE) * rng.uniform(0.2, 2, SIZE), rng.random(SIZE) < protected_share
    assert is_energy_feasible(SIZE, int(protected.sum()), drop)
    found = solve_energy(weights, protected, drop, SOLVER).mask
    second = energy_by_second_solver(weights, protected, drop)
    assert second.status == cvxpy.OPTIMAL
    np.testing.assert_allclose(found, energy_closed_form(protected), atol=1e-3)
    np.testing.assert_allclose(found, second.variables()[0].value, atol=1e-3)
    assert ((weights * energy_closed_form(protected)) ** 2).sum() == pytest.approx(second.value, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("share", [0.001, 0.117])
def test_energy_of_the_reference_network(share: float) -> None:
    # The tiniest of Gaussian weights hardly count in the objective, and still must not be left above one half.
    rng = np.random.default_rng(0)
    weights, protected = rng.normal(size=234_752), rng.random(234_752) < share
    solved = solve_energy(weights, protected, 211_277, SOLVER)
    assert ((solved.mask > 0.5) == protected).all()
    assert solved.iterations < 1000


@pytest.mark.parametrize("form", ["budget", "energy"])
@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_tiny_weights_spoil_nothing(size: int, form: str) -> None:
    rng = np.random.default_rng(size)
    weights, protected = rng.normal(size=size) ** 3, rng.random(size) < 0.05
    if form == "energy":
        assert ((solve_energy(weights, protected, size // 2, SOLVER).mask > 0.5) == protected).all()
    else:
        found = solve_budget(np.abs(weights), size // 10, SOLVER).mask
        np.testing.assert_allclose(found, budget_closed_form(np.abs(weights), size // 10), atol=1e-4)


def test_energy_by_hand() -> None:
    protected = np.array([True, False, False, True])
    assert energy_closed_form(protected).tolist() == [0.85, 0.0, 0.0, 0.85]
    found = solve_energy(np.array([0.5, 5.0, -1.0, -2.0]), protected, 2, SOLVER)
    np.testing.assert_allclose(found.mask, [0.85, 0, 0, 0.85], atol=1e-3)


@pytest.mark.parametrize(("size", "protected", "drop"), [(100, 20, 83), (100, 60, 49), (300, 100, 215), (40, 40, 6)])
def test_energy_is_feasible_up_to_the_boundary(size: int, protected: int, drop: int) -> None:
    # 0.85 * protected = size - drop exactly: this drop is the largest that can be met.
    assert 85 * protected == 100 * (size - drop)
    rng = np.random.default_rng(0)
    weights, guarded = rng.uniform(0.5, 2, size), np.arange(size) < protected
    assert is_energy_feasible(size, protected, drop)
    np.testing.assert_allclose(
        solve_energy(weights, guarded, drop, SOLVER).mask, energy_closed_form(guarded), atol=1e-3
    )
    assert energy_by_second_solver(weights, guarded, drop).status == cvxpy.OPTIMAL
    for more_protected, more_dropped in ((protected, drop + 1), (protected + 1, drop)):
        assert not is_energy_feasible(size, more_protected, more_dropped)
        if more_protected <= size:
            guarded = np.arange(size) < more_protected
            assert energy_by_second_solver(weights, guarded, more_dropped).status == cvxpy.INFEASIBLE
            with pytest.raises(NotSolved, match="primal infeasible"):
                solve_energy(weights, guarded, more_dropped, SOLVER)


def test_just_above_the_bound_is_infeasible_although_osqp_would_solve_it() -> None:
    weights, loose = np.random.default_rng(0).normal(size=2000), Solver(1e-3, 20_000)
    drop = 1400  # 0.85 * 705 = 599.25 <= 600 < 600.1 = 0.85 * 706
    for count, feasible in ((705, True), (706, False)):
        protected = np.arange(2000) < count
        relaxed = solve_energy_if_feasible(weights, protected, drop, loose)
        assert (relaxed is not None) == feasible
        if relaxed is not None:
            assert relaxed.mask.tobytes() == solve_energy(weights, protected, drop, loose).mask.tobytes()
    assert solve_energy(weights, np.arange(2000) < 706, drop, loose).iterations > 0


def test_feasible_but_not_solved_is_an_error_and_not_infeasible() -> None:
    with pytest.raises(NotSolved, match="maximum iterations reached"):
        solve_energy_if_feasible(importances(0), np.arange(SIZE) < 20, 250, Solver(tolerance=1e-9, max_iter=1))


def test_feasibility_is_exact_where_protection_meets_the_budget() -> None:
    # 0.85 * 20 j = 17 j is a whole number, which rounding of 0.85 must not push over it.
    for j in range(1, 20_000):
        assert is_energy_feasible(20 * j, 20 * j, 3 * j)
        assert not is_energy_feasible(20 * j, 20 * j, 3 * j + 1)
    assert FLOOR == 0.85


# not solved


def solve(form: str, solver: Solver = SOLVER) -> Vector:
    if form == "budget":
        return solve_budget(importances(0), 50, solver).mask
    return solve_energy(importances(0), np.arange(SIZE) < (SIZE if form == "infeasible" else 20), 250, solver).mask


@pytest.mark.parametrize(
    ("form", "solver", "status"),
    [
        ("budget", Solver(tolerance=1e-9, max_iter=1), "'maximum iterations reached' after 1 iterations"),
        ("energy", Solver(tolerance=1e-9, max_iter=1), "'maximum iterations reached' after 1 iterations"),
        ("infeasible", SOLVER, "'primal infeasible' after "),
    ],
)
def test_not_solved_is_an_error_with_status_iterations_and_residuals(form: str, solver: Solver, status: str) -> None:
    with pytest.raises(NotSolved) as caught:
        solve(form, solver)
    message = str(caught.value)
    assert f"300 synapses with a budget of 50: status {status}" in message
    assert "primal residual " in message and "dual residual " in message
    assert "protect fewer synapses" in message
    assert form == "infeasible" or "nan" not in message


@pytest.mark.parametrize("form", ["budget", "energy"])
def test_two_calls_give_the_same_bits(form: str) -> None:
    assert solve(form).tobytes() == solve(form).tobytes()
