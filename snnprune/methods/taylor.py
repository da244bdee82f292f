"""First-order Taylor importance (Molchanov et al., arXiv 1906.10771): the squared change of the loss to first order,
(w * dL/dw)^2, of each batch, averaged over the batches.

`gradient` with the kind `taylor` averages |w * dL/dw| of a batch instead, where one batch that matters much counts for
less; `snip` takes the absolute value after the mean, where batches cancel each other.
"""

import torch

from snnprune.core.network import evaluating
from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import batch_gradients


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by the sum over batches of (w * dL/dw)^2; the sum has the order of the mean. In float64, where the square of
    a small number is none."""
    scores = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in problem.weights.items()}
    with evaluating(problem.network):
        for gradients in batch_gradients(problem.network, problem.samples(), seed=problem.seed):
            for name, weight in problem.weights.items():
                scores[name] += (weight.double() * gradients[name].cpu().double()).square()
    return problem.keep_top(scores)
