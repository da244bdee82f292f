"""Threshold sweep: what becomes of sparsity and accuracy as tau, the threshold of protection, rises; and the cliff.

Masks straight from the dense net, not fine-tuned, by three rules: `energy` (the relaxed program of the paper author's
code, rounded), `exact` (top-k with the protected synapses kept) and `cut` (keep what is at least tau critical). Where a
program is infeasible nothing is pruned, as in the author's code.
"""

import math

import torch
from torch import Tensor

from pipeline.io.files import Row
from pipeline.studies.one_shot import accuracy_under, mask_of
from pipeline.studies.params import SweepParams
from snnprune.core.dataset import Dataset
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import flatten, prunable_weights, unflatten
from snnprune.pruning.params import PruneParams
from snnprune.pruning.relaxations import Solver, solve_energy_if_feasible
from snnprune.pruning.scores import critical_at, importance, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_top
from snnprune.snn.network import SpikingNetwork


def sweep_rows(
    network: SpikingNetwork, dataset: Dataset, params: SweepParams, prune: PruneParams, seed: int
) -> list[Row]:
    """One row per rule and tau. `protected` counts synapses; `sparsity` is of the layers in question."""
    names = list(prunable_weights(network))
    start = mask_of(network, names if params.layers == "all" else names[:1])
    problem = make_problem(network, start, params.level, dataset.train, prune, seed_path=(seed, 0))
    critical = problem.criticality()
    relative = flatten(normalized(critical_at(critical, params.granularity)))
    scores = flatten(importance(problem.weights, critical, params.alpha))
    weights = flatten(problem.weights)
    rows = []
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
            rows.append(
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
    return rows


def _energy(weights: Tensor, protected: Tensor, level: float) -> Tensor | None:
    drop = math.floor(level * weights.numel())
    relaxed = solve_energy_if_feasible(weights.double().numpy(), protected.numpy(), drop, Solver())
    return None if relaxed is None else torch.from_numpy(relaxed.mask > 0.5)


def _exact(scores: Tensor, protected: Tensor, keep: int) -> Tensor | None:
    try:
        return keep_top(scores, keep, protected)
    except InfeasibleSelection:
        return None
