"""CQP as solver pipelines do it: the relaxed `budget` program solved by OSQP, then rounded at 0.5.

    minimise sum_i I_i * (1 - m_i)^2   subject to   sum_i m_i = k,   0 <= m_i <= 1

Its closed form is m_i = max(0, 1 - lambda / (2 I_i)), so rounding keeps #{I_i > lambda}, not k: the mask misses the
target to either side, and overshoots it when a dense net is pruned hard in one step. That is the point of this
baseline; nothing here corrects it.
"""

from typing import Annotated

import numpy as np
import osqp
import pydantic
import torch
from scipy import sparse

from pipeline.errors import UserError
from pipeline.params import Block
from pipeline.pruning.mask import Mask
from pipeline.pruning.problem import Problem
from pipeline.pruning.scores import importance

EXACT = False


class Params(Block):
    """`alpha` as for cqp; `tolerance`: OSQP's absolute and relative tolerance; `max_iter`: its iteration limit."""

    alpha: Annotated[float, pydantic.Field(ge=0)] = 0.5
    tolerance: Annotated[float, pydantic.Field(gt=0, le=0.1)] = 1e-5
    max_iter: Annotated[int, pydantic.Field(ge=1)] = 20_000


class NotSolved(UserError):
    """OSQP ended with another status than `solved`."""


def prune(problem: Problem, params: Params) -> Mask:
    """Keep the synapses whose relaxed mask exceeds 0.5, more or fewer than `problem.keep`.

    An earlier level may have overshot below `problem.keep` already; then the mask stays as it is. The program is over
    the whole network; scope `layer` solves it per layer.

    Raises:
        NotSolved: OSQP did not solve a program.
    """
    scores = importance(problem.weights, problem.criticality(), params.alpha)
    return problem.choose(lambda pick, keep: round_relaxed(pick(scores), keep, params))


def round_relaxed(values: torch.Tensor, keep: int, params: Params) -> torch.Tensor:
    """Boolean vector [n]: the relaxed mask of importances [n] rounded at 0.5; all True when n <= keep."""
    if values.numel() <= keep:
        return torch.ones_like(values, dtype=torch.bool)
    return torch.from_numpy(solve_budget(values.double().numpy(), keep, params.tolerance, params.max_iter) > 0.5)


def solve_budget(importances: np.ndarray, keep: int, tolerance: float, max_iter: int) -> np.ndarray:
    """The relaxed mask [n] in 0..1 for importances [n] >= 0 and a budget of `keep`, by OSQP.

    Importances are divided by their mean first; that scales the objective and leaves the optimum.

    Raises:
        NotSolved: with OSQP's status, iterations and residuals.
    """
    size = len(importances)
    scaled = importances / importances.mean() if importances.mean() > 0 else importances
    solver = osqp.OSQP()
    solver.setup(
        P=sparse.diags(2 * scaled, format="csc"),
        q=-2 * scaled,
        A=sparse.vstack([sparse.csc_matrix(np.ones((1, size))), sparse.eye(size, format="csc")], format="csc"),
        l=np.concatenate([[keep], np.zeros(size)]),
        u=np.concatenate([[keep], np.ones(size)]),
        eps_abs=tolerance,
        eps_rel=tolerance,
        max_iter=max_iter,
        adaptive_rho_interval=50,  # OSQP's default interval depends on the clock: runs would differ
        polishing=False,
        verbose=False,
    )
    result = solver.solve(raise_error=False)
    if result.info.status_val != osqp.SolverStatus.OSQP_SOLVED:
        raise NotSolved(
            f"OSQP did not solve the relaxed program of {size} synapses, keep {keep}: status {result.info.status!r} "
            f"after {result.info.iter} iterations, primal residual {result.info.prim_res:.2e}, "
            f"dual residual {result.info.dual_res:.2e}; raise max_iter or tolerance"
        )
    return result.x
