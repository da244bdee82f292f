"""Magnitude pruning: keep the synapses with the largest |w|."""

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by |w|."""
    return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})
