"""SNIP (Lee et al., arXiv 1810.02340): connection sensitivity |w * dL/dw| of the loss over all batches together.

Lee et al. measure it once, at the initial weights, and divide by its sum, which changes no order. Here it is of the
trained net, and again at every level, as every method's score. `taylor` squares each batch's before the sum.
"""

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import mean_gradient


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by |w * dL/dw|."""
    gradients = mean_gradient(problem.network, problem.samples(), seed=problem.seed)
    return problem.keep_top({name: (w * gradients[name].cpu()).abs() for name, w in problem.weights.items()})
