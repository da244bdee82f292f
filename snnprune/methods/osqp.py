"""CQP as solver pipelines do it: a relaxed program solved by OSQP, then rounded at 0.5 (pruning/relaxations.py).

The rounded mask of the form `budget` misses the target to either side, and overshoots it when a dense net is pruned
hard in one step; that of `energy` keeps what is protected, whatever the target. That is the point of this
baseline; nothing here corrects it.
"""

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.rounding import RoundingParams as Params
from snnprune.pruning.rounding import rounding_of

EXACT = False


def prune(problem: Problem, params: Params) -> Mask:
    """Keep the synapses whose relaxed mask exceeds 0.5, more or fewer than `problem.keep`.

    An earlier level may have overshot below `problem.keep` already; then the mask stays as it is. The program is over
    the whole network; scope `layer` solves it per layer. Raises NotSolved: OSQP did not solve a program, or `energy`
    protects too many synapses.
    """
    _, rule = rounding_of(problem, params)
    return problem.choose(rule)
