"""GraSP (Wang et al., arXiv 2002.07376): keep the synapses without which the gradient would flow less.

To remove w changes the squared norm of the gradient g by about -2 * w * (H g), with H the Hessian of the loss. Wang et
al. score a synapse by -w * (H g) and remove the *highest*: without those the gradient flows more. So the synapses that
are kept have the highest w * (H g), signs included. Here it is of the trained net, and again at every level, and the
loss has no temperature. H is that of the surrogate: its derivative is derived once more.
"""

from snnprune.core.schema import Block
from snnprune.pruning.curvature import hessian_times_gradient
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by w * (H g) over the synapses that are left. Raises UserError: the user's neurons cannot be derived
    twice."""
    products = hessian_times_gradient(problem.network, problem.samples, problem.mask, seed=problem.seed)
    return problem.keep_top({name: weight * products[name] for name, weight in problem.weights.items()})
