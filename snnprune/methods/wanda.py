"""Wanda (Sun et al., arXiv 2306.11695): the score of a synapse is |w| times the L2 norm of its input, over samples and
time steps, and over the positions at which a convolution uses it.

Sun et al. compare the synapses of one output with each other, so that each output keeps the same share. Here they are
ranked over the network or the layer, by `prune.scope`, as every method's. Of spikes the norm is the root of their
number; in the first layer it may be that of a current.
"""

import torch

from snnprune.core.schema import Block
from snnprune.pruning.activity import synapse_inputs
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by |w| * norm. The norm is over the root of the number of samples and steps, which changes no order."""
    squares = synapse_inputs(problem.network, problem.samples(), torch.square, seed=problem.seed)
    return problem.keep_top({name: w.abs() * squares[name].sqrt() for name, w in problem.weights.items()})
