"""A random mask that stays, with the layer densities of an Erdos-Renyi graph (Mocanu et al., arXiv 1707.04780)."""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.scratch.densities import random_mask


def mask(problem: Problem) -> Mask:
    """Synapses drawn at random."""
    return random_mask(problem.mask, problem.keep, problem.seed)
