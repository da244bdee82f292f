"""SynFlow (Tanaka et al., arXiv 2006.05467): pruned in 100 rounds, before training and without data, by how much of the
flow through the network passes each synapse."""

from snnprune.pruning.flow import keep_flow
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


def mask(problem: Problem) -> Mask:
    """See `keep_flow`."""
    return keep_flow(problem)
