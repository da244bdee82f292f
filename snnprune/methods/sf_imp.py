"""Importance by the probability that a synapse changes a spike (Yao et al., arXiv 2305.12148): the expected presynaptic
spikes times |w| times the density of the postsynaptic neuron's membrane potential at its threshold.

Yao et al. model the potential as Gaussian. Here its density is measured (`membrane` criticality): the surrogate's
derivative is a kernel around the threshold, that of `atan` integrates to 1, another's to a factor that is the same for
all. The expectation is of |x|, over samples, steps and positions, since the first layer's input may be a current.
"""

import torch

from snnprune.core.schema import Block
from snnprune.pruning.activity import synapse_inputs
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by E|x| * |w| * density. Raises UserError: a layer of the user's network feeds no spiking neurons."""
    density = problem.criticality("membrane")
    rates = synapse_inputs(problem.network, problem.samples(), torch.abs, seed=problem.seed, mean_position=True)
    return problem.keep_top({name: rates[name] * w.abs() * density[name] for name, w in problem.weights.items()})
