"""Layer-adaptive magnitude pruning, LAMP (Lee et al., arXiv 2010.07611): the score of a synapse is w^2 over the sum of
the squares of all of its layer that are at least as large, itself included. So the largest synapse of every layer
scores 1, and no layer loses its last one before the others have one each."""

import torch
from torch import Tensor

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by the LAMP score, over the network; in the scope `layer` that is by |w|."""
    return problem.keep_top({name: lamp(weight) for name, weight in problem.weights.items()})


def lamp(weight: Tensor) -> Tensor:
    """The score of every entry of one layer's weight, in its shape, float64; 0 of a zero. Among equals the one of lower
    index is taken as the larger."""
    squares = weight.double().flatten().square()
    falling, order = torch.sort(squares, descending=True, stable=True)
    scores = torch.where(falling > 0, falling / falling.cumsum(0), 0.0)
    return torch.empty_like(scores).index_put((order,), scores).view(weight.shape)
