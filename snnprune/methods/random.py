"""Random pruning, the control: keep synapses drawn uniformly."""

import torch

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by a uniform draw seeded by the problem."""
    generator = torch.Generator().manual_seed(problem.seed)
    return problem.keep_top(
        {name: torch.rand(weight.shape, generator=generator) for name, weight in problem.weights.items()}
    )
