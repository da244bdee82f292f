"""Lottery tickets (Frankle & Carbin, arXiv 1803.03635; rewinding: Frankle et al., 1912.05671): the mask of the trained
dense net by |w|, in one step, and the weights that its training had after an early epoch."""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

REWINDS = True


def mask(problem: Problem) -> Mask:
    """Rank by |w| of the trained net."""
    return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})
