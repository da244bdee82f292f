"""SynFlow (Tanaka et al., arXiv 2006.05467): pruned in 100 rounds, before training and without data, by how much of the
flow through the network passes each synapse."""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.scratch.at_init import synflow_mask


def mask(problem: Problem) -> Mask:
    """See `synflow_mask`."""
    return synflow_mask(problem)
