"""The second solver against the closed forms, and what it says of an OSQP that stops early."""

import cvxpy
import numpy as np
import pytest

from snnprune.pruning import second_solver
from snnprune.pruning.relaxations import (
    Solver,
    budget_closed_form,
    energy_closed_form,
    solve_budget,
    solve_energy,
)
from snnprune.pruning.second_solver import Agreement, agreement, second_budget, second_energy

IMPORTANCES = np.random.default_rng(0).gamma(0.5, size=400) + 1e-3
WEIGHTS = np.random.default_rng(1).uniform(0.3, 1.0, size=400)  # of one near zero any m is as good as another
PROTECTED = np.arange(400) % 10 == 0


def test_budget_by_hand() -> None:
    # I = 1, 2, 4 and k = 2: all at work, (3 - 2) / (1 + 1/2 + 1/4) = 4/7 off I_i * (1 - m_i).
    found = second_budget(np.array([1.0, 2.0, 4.0]), 2)
    assert found.status == "optimal"
    assert found.mask == pytest.approx([3 / 7, 5 / 7, 6 / 7], abs=1e-6)


@pytest.mark.parametrize("keep", [1, 40, 200, 399])
def test_budget_is_the_closed_form(keep: int) -> None:
    found = second_budget(IMPORTANCES, keep).mask
    # Within the square root of CLARABEL's tolerance where an importance is near lambda / 2.
    assert found == pytest.approx(budget_closed_form(IMPORTANCES, keep), abs=1e-3)


def test_energy_is_the_closed_form() -> None:
    found = second_energy(WEIGHTS, PROTECTED, 300)
    assert found.mask == pytest.approx(energy_closed_form(PROTECTED), abs=1e-3)
    assert found.mask[PROTECTED].min() >= 0.85 - 1e-6


def test_an_infeasible_program_has_a_status_and_no_mask() -> None:
    found = second_energy(WEIGHTS, np.ones(400, bool), 300)
    assert (found.status, found.mask) == ("infeasible", None)


def test_a_solver_that_gives_up_has_a_status_and_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise cvxpy.SolverError("made")

    monkeypatch.setattr(cvxpy.Problem, "solve", fail)
    found = second_budget(IMPORTANCES, 40)
    assert (found.status, found.mask) == (second_solver.FAILED, None)


def test_agreement_by_hand() -> None:
    found, second = np.array([1.0, 0.4, 0.0]), np.array([0.9, 0.6, 0.0])
    # budget: 2 * 0 + 3 * 0.36 + 5 = 6.08 against 2 * 0.01 + 3 * 0.16 + 5 = 5.5
    assert agreement(np.array([2.0, 3, 5]), 1.0, found, second) == Agreement(
        pytest.approx(0.2), pytest.approx((6.08 - 5.5) / 5.5), 1
    )
    # energy with an optimum of zero: 8 * 1 against 0, which counts as a millionth of 8
    zero = agreement(np.array([8.0]), 0.0, np.array([1.0]), np.array([0.0]))
    assert zero == Agreement(1.0, pytest.approx(1e6), 1)
    assert agreement(np.zeros(2), 0.0, np.ones(2), np.zeros(2)).objective == 0


def test_an_osqp_that_stops_early_is_far_from_it() -> None:
    second = second_budget(IMPORTANCES, 80).mask
    early, late = (solve_budget(IMPORTANCES, 80, Solver(tolerance, 100_000)).mask for tolerance in (0.1, 1e-7))
    far, near = (agreement(IMPORTANCES, 1.0, mask, second) for mask in (early, late))
    assert far.distance > 0.02 > 10 * near.distance
    assert abs(far.objective) > 1e-3 > 100 * abs(near.objective)
    assert far.differing > near.differing == 0
    relaxed = solve_energy(WEIGHTS, PROTECTED, 300, Solver(0.1, 100_000)).mask
    assert agreement(WEIGHTS**2, 0.0, relaxed, second_energy(WEIGHTS, PROTECTED, 300).mask).distance > 0.02
