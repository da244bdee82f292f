"""Threshold sweep: what becomes of sparsity and accuracy as tau, the threshold of protection, rises; and the cliff.

Masks straight from the dense net, not fine-tuned, by three rules: `energy` (the relaxed program of the paper author's
code, rounded), `exact` (top-k with the protected synapses kept) and `cut` (keep what is at least tau critical). Where a
program is infeasible nothing is pruned, as in the author's code.
"""

import math
from typing import Annotated, Literal

import pydantic
import torch
from torch import Tensor

from pipeline.io.files import Row
from pipeline.study import DENSE, Experiment, Inputs, StudyParams
from snnprune.core.schema import Fraction, Rising
from snnprune.core.training.evaluate import accuracy_under
from snnprune.pruning.mask import Mask, flatten, prunable_weights, unflatten
from snnprune.pruning.params import Alpha, Granularity, Level
from snnprune.pruning.relaxations import Solver, solve_energy_if_feasible
from snnprune.pruning.scores import critical_at, importance, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_top

NEEDS = DENSE


class Params(StudyParams):
    """Masks straight from the dense net at every tau of `thresholds`. level: target sparsity. layers: `first` (as the
    paper author's code) or `all`. granularity: of the criticality that protects. alpha: of the importance."""

    thresholds: Annotated[Rising[Fraction], pydantic.Field(min_length=2)]
    level: Level = 0.7
    layers: Literal["first", "all"] = "first"
    granularity: Granularity = "neuron"
    alpha: Alpha = 0.5  # the paper's


def problems(params: Params, experiment: Experiment) -> list[str]:
    """With granularity `neuron` it averages criticality."""
    return experiment.neuron_means_problems("sweep") if params.granularity == "neuron" else []


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per rule and tau. `protected` counts synapses; `sparsity` is of the layers in question."""
    network, params, dataset = inputs.dense(seed), inputs.params, inputs.dataset
    layers = list(prunable_weights(network).items())
    start = Mask.dense(dict(layers if params.layers == "all" else layers[:1]))
    problem = inputs.problem(network, seed, params.level, start)
    critical = problem.criticality()
    relative = flatten(normalized(critical_at(critical, params.granularity)))
    scores = flatten(importance(problem.weights, critical, params.alpha))
    weights = flatten(problem.weights)
    found: list[Row] = []
    for tau in params.thresholds:
        protected = relative > tau
        masks = {
            "energy": _energy(weights, protected, params.level),
            "exact": _exact(scores, protected, problem.keep),
            "cut": relative >= tau,
        }
        for rule, mask in masks.items():
            pruned = torch.ones_like(protected) if mask is None else mask
            factors = unflatten(pruned, problem.weights)
            found.append(
                {
                    "rule": rule,
                    "tau": tau,
                    "protected": int(protected.count_nonzero()),
                    "synapses": start.size,
                    "feasible": mask is not None,
                    "sparsity": 1 - int(pruned.count_nonzero()) / start.size,
                    "validation_accuracy": accuracy_under(network, factors, dataset.validation),
                    "accuracy": accuracy_under(network, factors, dataset.test),
                }
            )
    return found


def _energy(weights: Tensor, protected: Tensor, level: float) -> Tensor | None:
    drop = math.floor(level * weights.numel())
    relaxed = solve_energy_if_feasible(weights.double().numpy(), protected.numpy(), drop, Solver())
    return None if relaxed is None else torch.from_numpy(relaxed.mask > 0.5)


def _exact(scores: Tensor, protected: Tensor, keep: int) -> Tensor | None:
    try:
        return keep_top(scores, keep, protected)
    except InfeasibleSelection:
        return None
