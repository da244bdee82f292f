"""SNIP (Lee et al., arXiv 1810.02340): pruned once, before training, by how much the loss reacts to each synapse."""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.scratch.at_init import snip_scores


def mask(problem: Problem) -> Mask:
    """Rank by |w * dL/dw| on the training batches of the problem."""
    return problem.keep_top(snip_scores(problem.network, problem.samples(), seed=problem.seed))
