"""The control of `osqp`: as many synapses as its rounded mask keeps, chosen as `cqp` chooses them, by one exact sort.

Where `osqp` beats or loses to `cqp` at a level, this says whether that is its solver's choice or its other number of
synapses. In an experiment with both methods their parameters must be the same.
"""

from torch import Tensor

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Pick, Problem
from snnprune.pruning.rounding import RoundingParams as Params
from snnprune.pruning.rounding import rounding_of
from snnprune.pruning.select import keep_top

EXACT = False


def prune(problem: Problem, params: Params) -> Mask:
    """Keep the highest |w| * C^alpha, over the network or per layer as many as the rounded program there. Raises
    NotSolved: as `osqp`."""
    scores, rule = rounding_of(problem, params)

    def counted(pick: Pick, keep: int) -> Tensor:
        return keep_top(pick(scores), int(rule(pick, keep).count_nonzero()))

    return problem.choose(counted)
