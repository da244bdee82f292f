"""Layers run as a user of snnTorch runs them, step by step, with snnTorch's own neurons: the second opinion."""

from collections.abc import Callable, Iterable

import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor, nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.core.params import ModelParams, Surrogate


def spike_function(surrogate: Surrogate) -> Callable[[Tensor], Tensor]:
    if surrogate.name == "atan":
        return snntorch_surrogate.atan(alpha=surrogate.slope)
    return snntorch_surrogate.fast_sigmoid(slope=surrogate.slope)


def leaky(spec: ModelParams, **options: bool) -> snntorch.Leaky:
    neuron = {"beta": spec.beta, "threshold": spec.threshold, "reset_mechanism": spec.reset}
    return snntorch.Leaky(**neuron, spike_grad=spike_function(spec.surrogate), **options)


def layers_of(network: SpikingNetwork) -> list[nn.Module]:
    """The network's layers with snnTorch's neurons in place of the project's."""
    return [leaky(network.spec) if isinstance(layer, MultiStepLeaky) else layer for layer in network.layers]


def run(layers: Iterable[nn.Module], currents: Iterable[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """What the last layer gives, and the membrane potentials of every spiking one, both [T, B, ...]."""
    outputs: list[Tensor] = []
    membranes: dict[nn.Module, list[Tensor]] = {}
    for now in currents:
        for layer in layers:
            if isinstance(layer, snntorch.Leaky):
                seen = membranes.setdefault(layer, [])
                now, potential = layer(now, seen[-1] if seen else torch.zeros_like(now))
                seen.append(potential)
            else:
                now = layer(now)
        outputs.append(now)
    return torch.stack(outputs), [torch.stack(seen) for seen in membranes.values()]
