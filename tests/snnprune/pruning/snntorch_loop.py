"""A network run as a user of snnTorch writes it, step by step: the second opinion on scores."""

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.pruning.mask import prunable_weights


def spike_function(network: SpikingNetwork) -> nn.Module:
    chosen = network.spec.surrogate
    if chosen.name == "atan":
        return surrogate.atan(alpha=chosen.slope)
    return surrogate.fast_sigmoid(slope=chosen.slope)


def run(network: SpikingNetwork, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Spike counts [B, classes] and, for each spiking layer, the membrane potentials [T, B, ...]; constant input."""
    spec = network.spec
    layers = [
        snntorch.Leaky(
            beta=spec.beta, threshold=spec.threshold, reset_mechanism=spec.reset, spike_grad=spike_function(network)
        )
        if isinstance(layer, MultiStepLeaky)
        else layer
        for layer in network.layers
    ]
    membranes: dict[int, list[Tensor]] = {}
    counts = 0
    for _ in range(spec.timesteps):
        values = images
        for index, layer in enumerate(layers):
            if not isinstance(layer, snntorch.Leaky):
                values = layer(values)
                continue
            seen = membranes.setdefault(index, [])
            values, potential = layer(values, seen[-1] if seen else torch.zeros_like(values))
            seen.append(potential)
        counts = counts + values
    return counts, [torch.stack(seen) for seen in membranes.values()]


def gradients(network: SpikingNetwork, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """dL/dw of the cross-entropy on the counts, by torch's autograd through the loop."""
    weights = prunable_weights(network)
    loss = functional.cross_entropy(run(network, images)[0], labels)
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def neuron_criticality(network: SpikingNetwork, images: Tensor) -> list[Tensor]:
    """For each spiking layer the mean of the surrogate's derivative, which autograd takes at mem - threshold, [N]."""
    found = []
    with torch.enable_grad():
        for membrane in run(network, images)[1]:
            distance = (membrane.detach() - network.spec.threshold).requires_grad_()
            spike_function(network)(distance).sum().backward()
            others = [axis for axis in range(distance.dim()) if axis != 2]
            found.append(distance.grad.mean(dim=others))
    return found
