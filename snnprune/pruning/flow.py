"""SynFlow's rounds (Tanaka et al., arXiv 2006.05467): without data, keep the synapses that carry most of the flow R =
1^T |W_L| ... |W_1| 1 through the network. The score is |w| * dR/d|w|.

The neurons are taken out, since R is of the weights alone; biases are 0, and max-pooling passes the largest flow on. A
round keeps the share (keep / left)^(1/rounds) of the synapses left and measures R anew, so that no layer loses all of
its synapses while others have many.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_counts

ROUNDS = 100  # Tanaka et al.'s


def keep_flow(problem: Problem, rounds: int = ROUNDS) -> Mask:
    """Keep the highest scores, round by round. Raises UserError: the network runs a forward of the user's own, whose
    neurons cannot be taken out."""
    if not isinstance(problem.network, SpikingNetwork):
        raise UserError("synflow: needs a plain sequence of layers; this network runs its own forward")
    network, mask = absolute(problem.network), problem.mask
    for keep in keep_counts(mask.nnz, problem.keep, rounds):
        mask = replace(problem, mask=mask, keep=keep).keep_top(flow_scores(network, mask))
    return mask


def absolute(network: SpikingNetwork) -> SpikingNetwork:
    """A copy with |w| for every weight and 0 for every bias, in float64: the product of many weights may be tiny."""
    found = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            parameter.copy_(parameter.abs() if name in prunable_weights(found) else torch.zeros_like(parameter))
    return found


def flow_scores(network: SpikingNetwork, mask: Mask) -> dict[str, Tensor]:
    """|w| * dR/d|w| of every synapse of an `absolute` network under `mask`, in the weights' shapes, float64."""
    weights = prunable_weights(network)
    mask.apply({name: weights[name] for name in mask})
    device = next(iter(weights.values())).device
    flow = torch.ones((1, *network.spec.architecture.input_shape), dtype=torch.float64, device=device)
    for layer in network.layers:
        if not isinstance(layer, MultiStepLeaky | nn.Dropout):
            flow = layer(flow)
    gradients = torch.autograd.grad(flow.sum(), [weights[name] for name in mask])
    return {name: (weights[name].detach() * g).cpu() for name, g in zip(mask, gradients, strict=True)}
