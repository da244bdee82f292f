"""Masks that are a relaxed program rounded at 0.5, and how many synapses those keep: for the methods `osqp` and
`osqp_exact`, whose parameters are the same."""

from collections.abc import Callable
from typing import Annotated, Literal

import pydantic
import torch
from torch import Tensor

from snnprune.core.schema import Block, Count
from snnprune.pruning.params import ALPHA, Alpha, Granularity
from snnprune.pruning.problem import Layers, Pick, Problem
from snnprune.pruning.relaxations import Solver, solve_budget, solve_energy
from snnprune.pruning.scores import critical_at, importance, normalized


class RoundingParams(Block):
    """`form` of the program; `granularity` and `alpha` as for cqp; `tau`: `energy` protects synapses with C > tau.
    `tolerance`: OSQP's absolute and relative tolerance; `max_iter`: its iteration limit."""

    form: Literal["budget", "energy"] = "budget"
    alpha: Alpha = ALPHA
    tau: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.5
    granularity: Granularity = "synapse"
    tolerance: Annotated[float, pydantic.Field(gt=0, le=0.1)] = 1e-5
    max_iter: Count = 20_000


def rounding_of(problem: Problem, params: RoundingParams) -> tuple[Layers, Callable[[Pick, int], Tensor]]:
    """CQP's importance of every synapse, and the rule (for `Problem.choose`) that solves and rounds the program.
    Raises NotSolved, from the rule: OSQP did not solve a program, or `energy` protects too many synapses."""
    critical = critical_at(problem.criticality(), params.granularity)
    scores = importance(problem.weights, critical, params.alpha)
    solver = Solver(params.tolerance, params.max_iter)
    if params.form == "budget":
        return scores, lambda pick, keep: rounded(pick(scores), keep, solver)
    protected = {name: score > params.tau for name, score in normalized(critical).items()}
    return scores, lambda pick, keep: rounded(pick(problem.weights), keep, solver, pick(protected))


def rounded(values: Tensor, keep: int, solver: Solver, protected: Tensor | None = None) -> Tensor:
    """Boolean vector [n]: the relaxed mask rounded at 0.5; all True when n <= keep. values: [n] importances for the
    form `budget`; with `protected` [n] weights, for the form `energy`."""
    if values.numel() <= keep:
        return torch.ones_like(values, dtype=torch.bool)
    numbers = values.double().numpy()
    if protected is None:
        return torch.from_numpy(solve_budget(numbers, keep, solver).mask > 0.5)
    return torch.from_numpy(solve_energy(numbers, protected.numpy(), len(numbers) - keep, solver).mask > 0.5)
