"""SNIP (Lee et al., arXiv 1810.02340): pruned once, before training, by how much the loss reacts to each synapse."""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import mean_gradient


def mask(problem: Problem) -> Mask:
    """Rank by |w * dL/dw|, the gradient of all training batches of the problem together."""
    gradients = mean_gradient(problem.network, problem.samples(), seed=problem.seed)
    return problem.keep_top({name: (w * gradients[name].cpu()).abs() for name, w in problem.weights.items()})
