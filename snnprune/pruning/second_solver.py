"""A second opinion on the relaxed programs of `relaxations`: stated to cvxpy and solved by CLARABEL, an interior-point
method, where OSQP is a first-order one. What the two disagree in is no property of the program."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from snnprune.pruning.relaxations import FLOOR, Vector, over_mean

SOLVER, FAILED = "CLARABEL", "solver_error"
SMALLEST = 1e-6  # objectives are compared with each other down to this share of their largest value


@dataclass(frozen=True)
class Opinion:
    """cvxpy's status, or `solver_error` where the solver gave up, and the mask [n]; None unless that is `optimal`."""

    status: str
    mask: Vector | None


@dataclass(frozen=True)
class Agreement:
    """How far OSQP's mask is from the second solver's.

    distance: the largest difference of an entry. objective: OSQP's objective less the second solver's, relative to
    that; below 0 where OSQP's mask breaks the constraints, within its tolerance. differing: entries that round to
    another value.
    """

    distance: float
    objective: float
    differing: int


def second_budget(importances: Vector, keep: int) -> Opinion:
    """The form `budget` for importances [n] >= 0 and k = `keep`, divided by their mean as for OSQP."""
    scaled = over_mean(importances)
    return _solve(scaled, -2 * scaled, np.zeros(len(scaled)), keep, exactly=True)


def second_energy(weights: Vector, protected: NDArray[np.bool_], drop: int) -> Opinion:
    """The form `energy` for weights [n], protected synapses [n] and d = `drop`, likewise."""
    scaled, lower = over_mean(weights**2), np.where(protected, FLOOR, 0.0)
    return _solve(scaled, np.zeros(len(scaled)), lower, len(scaled) - drop, exactly=False)


def agreement(factors: Vector, wanted: float, found: Vector, second: Vector) -> Agreement:
    """Of OSQP's mask `found` [n] with the `second` one, where the objective is sum_i factors_i * (wanted - m_i)^2:
    importances and 1 for `budget`, w^2 and 0 for `energy`. An objective below a millionth of the sum of the factors
    counts as that."""
    ours, theirs = (float((factors * (wanted - mask) ** 2).sum()) for mask in (found, second))
    least = SMALLEST * float(factors.sum())
    return Agreement(
        distance=float(np.abs(found - second).max()),
        objective=(ours - theirs) / max(theirs, least) if least > 0 else 0.0,
        differing=int(((found > 0.5) != (second > 0.5)).sum()),
    )


def _solve(quadratic: Vector, linear: Vector, lower: Vector, budget: int, *, exactly: bool) -> Opinion:
    """minimise m' diag(quadratic) m + linear' m   subject to   sum m = budget (or <= budget),   lower <= m <= 1."""
    import cvxpy  # takes seconds

    mask = cvxpy.Variable(len(quadratic))
    total = cvxpy.sum(mask)
    objective = cvxpy.quad_form(mask, sparse.diags(quadratic, format="csc"), assume_PSD=True) + linear @ mask
    constraints = [total == budget if exactly else total <= budget, mask >= lower, mask <= 1]
    program = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    try:
        program.solve(solver=SOLVER)
    except cvxpy.SolverError:
        return Opinion(FAILED, None)
    return Opinion(program.status, mask.value if program.status == cvxpy.OPTIMAL else None)
