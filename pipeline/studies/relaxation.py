"""The trap: what relaxing CQP's binary program and rounding it does to sparsity and accuracy, level by level.

All masks come from the dense net in one step. The rounded mask is compared with the exact top-k of CQP's importance:
at the asked sparsity (`exact`, for `energy` with the same synapses protected), and at the sparsity that rounding
achieved (`matched`). What is lost against the first but not the second is lost by missing the target; `budget` loses
nothing else, since its relaxed mask rises with the importance, while `energy` has another objective.
Every program is solved a second time by another solver (`second_solver`), and OSQP's mask is held against that one's.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import pydantic
import torch
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.nets import percent
from pipeline.study import DENSE, Experiment, Inputs, StudyParams
from snnprune.core.schema import Count, Fraction
from snnprune.core.training.evaluate import accuracy_under
from snnprune.pruning.mask import flatten, unflatten
from snnprune.pruning.params import ALPHA, Alpha
from snnprune.pruning.relaxations import (
    FLOOR,
    Relaxed,
    Solver,
    budget_closed_form,
    energy_closed_form,
    is_energy_feasible,
    solve_budget,
    solve_energy_if_feasible,
)
from snnprune.pruning.scores import by_presynaptic_neuron, importance, normalized
from snnprune.pruning.second_solver import Opinion, agreement, second_budget, second_energy
from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top

FRACTIONAL = 1e-3  # an entry is fractional when it is further than this from both 0 and 1
FORMS = ("budget", "energy")
MEASURED = (  # by form and level, in the table's order
    *("feasible", "sparsity", "ideal_sparsity", "fractional_share", "distance", "iterations"),
    *("accuracy_fractional", "accuracy_rounded", "accuracy_exact", "accuracy_matched"),
    *("second_status", "second_distance", "second_objective", "second_differing"),
)
NEEDS = DENSE


class Params(StudyParams):
    """The relaxed programs of the dense net at every level of the `prune` block. alpha: of the importance. tau:
    synapses of presynaptic neurons with criticality above it are protected in the form `energy`. tolerance, max_iter:
    OSQP's."""

    alpha: Alpha = ALPHA
    tau: Fraction = 0.5
    tolerance: Annotated[float, pydantic.Field(gt=0, le=0.1)] = 1e-5
    max_iter: Count = 20_000


def problems(params: Params, experiment: Experiment) -> list[str]:
    """It averages criticality."""
    return experiment.neuron_means_problems("relaxation")


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per form and level; accuracies are test accuracies, None where the program is infeasible.
    `ideal_sparsity` is that of the rounded closed form, `distance` the largest difference of an entry from it; `bound`
    is the largest number of protected synapses with which `energy` is feasible at the level. `second_status` is the
    second solver's, the rest of `second_` how OSQP's mask agrees with its (`Agreement`), None where it solved nothing.
    Raises NotSolved: OSQP did not solve a program."""
    network, params, prune = inputs.dense(seed), inputs.params, inputs.prune
    problem = inputs.problem(network, seed, prune.targets[0])
    size = problem.mask.size
    critical = problem.criticality()
    weights = flatten(problem.weights).double()
    scores = flatten(importance(problem.weights, critical, params.alpha)).double()
    columns = normalized(by_presynaptic_neuron(critical))
    protected = flatten(columns) > params.tau
    solver = Solver(params.tolerance, params.max_iter)

    def under(vector: Tensor) -> float:
        return accuracy_under(network, unflatten(vector, problem.weights), inputs.dataset.test)

    found: list[Row] = []
    for level in prune.targets:
        keep, drop = keep_count(level, size), math.floor(level * size)
        for form in FORMS:
            started = time.perf_counter()
            if form == "budget":
                relaxed = solve_budget(scores.numpy(), keep, solver)
                second = second_budget(scores.numpy(), keep)
                ideal, guarded = budget_closed_form(np.maximum(scores.numpy(), 1e-300), keep), None
            else:
                relaxed = solve_energy_if_feasible(weights.numpy(), protected.numpy(), drop, solver)
                second = None if relaxed is None else second_energy(weights.numpy(), protected.numpy(), drop)
                ideal, guarded = energy_closed_form(protected.numpy()), protected
            print(f"  seed {seed}, {form} at {percent(level)}: {time.perf_counter() - started:.1f} s", flush=True)
            found.append(
                {
                    "form": form,
                    "level": level,
                    "synapses": size,
                    "protected": 0 if guarded is None else int(guarded.count_nonzero()),
                    "bound": _bound(size, drop) if form == "energy" else None,
                    **_measured(under, relaxed, ideal, scores, keep, guarded),
                    **_agreed(*((scores, 1.0) if form == "budget" else (weights**2, 0.0)), relaxed, second),
                }
            )
    return found


def _agreed(factors: Tensor, wanted: float, relaxed: Relaxed | None, second: Opinion | None) -> Row:
    """What the second solver says; factors, wanted: see `agreement`. Empty where there was nothing to solve."""
    if relaxed is None or second is None:
        return {}
    found: Row = {"second_status": second.status}
    if second.mask is not None:
        agreed = asdict(agreement(factors.numpy(), wanted, relaxed.mask, second.mask))
        found |= {f"second_{name}": value for name, value in agreed.items()}
    return found


def _bound(size: int, drop: int) -> int:
    """The largest number of protected synapses for which the form `energy` is feasible."""
    most = int((size - drop) / FLOOR) + 1
    while not is_energy_feasible(size, most, drop):
        most -= 1
    return min(most, size)


def _measured(
    under: Callable[[Tensor], float],
    relaxed: Relaxed | None,
    ideal: np.ndarray,
    scores: Tensor,
    keep: int,
    protected: Tensor | None,
) -> Row:
    """Of the relaxed mask, and accuracies `under` the masks; None where there is none."""
    found: dict[str, Any] = dict.fromkeys(MEASURED) | {"feasible": relaxed is not None}
    with suppress(InfeasibleSelection):
        found["accuracy_exact"] = under(keep_top(scores, keep, protected))
    if relaxed is None:
        return found
    mask, kept = relaxed.mask, relaxed.mask > 0.5
    return found | {
        "sparsity": 1 - int(kept.sum()) / len(mask),
        "ideal_sparsity": 1 - int((ideal > 0.5).sum()) / len(mask),
        "fractional_share": float(((mask > FRACTIONAL) & (mask < 1 - FRACTIONAL)).mean()),
        "distance": float(np.abs(mask - ideal).max()),
        "iterations": relaxed.iterations,
        "accuracy_fractional": under(torch.from_numpy(mask).clamp(0, 1)),
        "accuracy_rounded": under(torch.from_numpy(kept)),
        "accuracy_matched": under(keep_top(scores, int(kept.sum()))),
    }
