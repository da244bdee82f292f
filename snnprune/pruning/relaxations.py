"""CQP's binary program relaxed to 0 <= m <= 1, in two forms, solved by OSQP; and their closed forms.

    budget   minimise sum_i I_i * (1 - m_i)^2    subject to   sum_i m_i = k
    energy   minimise sum_i (w_i * m_i)^2        subject to   sum_i (1 - m_i) >= d,   m_i >= 0.85 if i is protected

`budget` keeps the objective of the exact program (select.py). `energy` is the form in the public code of the paper's
author. Solver pipelines round the relaxed mask at 0.5; what that does to the sparsity is the point of studying them.
"""

from dataclasses import dataclass

import numpy as np
import osqp
from numpy.typing import NDArray
from scipy import sparse

from snnprune.core.errors import UserError

FLOOR = 0.85  # lower bound of a protected entry in the form `energy`
Vector = NDArray[np.float64]


class NotSolved(UserError):
    """OSQP ended with another status than `solved`."""


@dataclass(frozen=True)
class Solver:
    """OSQP's absolute and relative tolerance, and its iteration limit."""

    tolerance: float = 1e-5
    max_iter: int = 20_000


@dataclass(frozen=True)
class Relaxed:
    """A relaxed mask [n] in 0..1 (to the solver's tolerance) and the iterations it took."""

    mask: Vector
    iterations: int


def solve_budget(importances: Vector, keep: int, solver: Solver) -> Relaxed:
    """The form `budget` for importances [n] >= 0 and k = `keep`. Importances are divided by their mean first; that
    scales the objective and leaves the optimum. Raises NotSolved: with OSQP's status, iterations and residuals."""
    scaled = over_mean(importances)
    zeros, ones = np.zeros(len(scaled)), np.ones(len(scaled))
    return _solve(2 * scaled, -2 * scaled, budget=(keep, keep), bounds=(zeros, ones), solver=solver)


def solve_energy(weights: Vector, protected: NDArray[np.bool_], drop: int, solver: Solver) -> Relaxed:
    """The form `energy` for weights [n], protected synapses [n] and d = `drop`; w^2 is divided by its mean first.
    Raises NotSolved: likewise; also when too many are protected (`is_energy_feasible`)."""
    scaled = over_mean(weights**2)
    lower, ones = np.where(protected, FLOOR, 0.0), np.ones(len(scaled))
    most = len(scaled) - drop
    return _solve(2 * scaled, np.zeros(len(scaled)), budget=(-np.inf, most), bounds=(lower, ones), solver=solver)


def solve_energy_if_feasible(
    weights: Vector, protected: NDArray[np.bool_], drop: int, solver: Solver
) -> Relaxed | None:
    """`solve_energy`, or None where the program is infeasible. Raises NotSolved."""
    if not is_energy_feasible(len(weights), int(protected.sum()), drop):
        return None
    return solve_energy(weights, protected, drop, solver)


def budget_closed_form(importances: Vector, keep: int) -> Vector:
    """The optimum of the form `budget` for I > 0: m_i = max(0, 1 - lambda / (2 I_i)), with lambda so that sum m = k.
    From the KKT conditions; lambda by sorting: with the j largest I at work, j - k = lambda/2 * sum of their 1/I.
    Raises ValueError: an importance is not positive, or k is not in 1..n."""
    if not (importances > 0).all() or not 1 <= keep <= len(importances):
        raise ValueError("the closed form needs importances > 0 and 1 <= keep <= n")
    falling = np.sort(importances)[::-1]
    at_work = np.arange(1, len(falling) + 1)
    half = (at_work - keep) / np.cumsum(1 / falling)
    # As many entries are at work as there are whose own importance exceeds the lambda/2 that goes with them.
    last = np.flatnonzero(half < falling)[-1]
    return np.maximum(0.0, 1 - half[last] / importances)


def is_energy_feasible(size: int, protected: int, drop: int) -> bool:
    """Whether the form `energy` has a solution: 0.85 * protected <= n - d."""
    return FLOOR * protected <= size - drop


def energy_closed_form(protected: NDArray[np.bool_]) -> Vector:
    """The optimum of a feasible `energy` program: 0.85 for the protected and 0 for all others, whatever the target."""
    return np.where(protected, FLOOR, 0.0)


def over_mean(values: Vector) -> Vector:
    """Values >= 0 divided by their mean, as every solver gets them; all zero stays all zero."""
    mean = values.mean()
    return values / mean if mean > 0 else values


def _solve(
    quadratic: Vector, linear: Vector, *, budget: tuple[float, float], bounds: tuple[Vector, Vector], solver: Solver
) -> Relaxed:
    """minimise m' diag(quadratic) m / 2 + linear' m   subject to   budget on sum m, bounds on m.

    The budget's row is divided by its norm sqrt(n), and OSQP's own scaling is off: it follows the tiniest entries of
    the diagonal, and then takes thousands of iterations, or ends with entries far from the optimum, where this way it
    takes one to three hundred at any size.
    """
    size = len(quadratic)
    scale = size**-0.5
    row = sparse.csc_matrix(np.full((1, size), scale))
    program = osqp.OSQP()
    program.setup(
        P=sparse.diags(quadratic, format="csc"),
        q=linear,
        A=sparse.vstack([row, sparse.eye(size, format="csc")], format="csc"),
        l=np.concatenate([[budget[0] * scale], bounds[0]]),
        u=np.concatenate([[budget[1] * scale], bounds[1]]),
        eps_abs=solver.tolerance,
        eps_rel=solver.tolerance,
        max_iter=solver.max_iter,
        scaling=0,
        adaptive_rho_interval=50,  # OSQP's default interval depends on the clock: runs would differ
        polishing=False,
        verbose=False,
    )
    result = program.solve(raise_error=False)
    if result.info.status_val != osqp.SolverStatus.OSQP_SOLVED:
        raise NotSolved(
            f"OSQP did not solve the relaxed program of {size} synapses with a budget of {budget[1]}: status "
            f"{result.info.status!r} after {result.info.iter} iterations, primal residual {result.info.prim_res:.2e}, "
            f"dual residual {result.info.dual_res:.2e}; raise max_iter or tolerance, or protect fewer synapses"
        )
    return Relaxed(result.x, int(result.info.iter))
