"""What a layer and the neurons it feeds do for each sample, counted from its input and their spikes."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerCounts:
    """What one Linear or Conv layer and the neurons it feeds do for a batch of samples.

    weight: the weight's name, such as `layers.0.weight`. operations: effective ones of each sample [B], int64.
    analogue: they are MACs, not ACs. dense: operations of a sample if nothing were zero. neurons: how many it feeds;
    each is updated once a step. spikes: of these neurons, of each sample [B], int64.
    """

    weight: str
    analogue: bool
    operations: Tensor
    dense: int
    neurons: int
    steps: int
    spikes: Tensor

    @property
    def neuron_updates(self) -> int:
        """Updates of a sample: every neuron, every step."""
        return self.neurons * self.steps


def count_layer(name: str, layer: nn.Module, inputs: Tensor, constant: bool, spikes: Tensor) -> LayerCounts:
    """Counts of a Linear or Conv `layer`: operations are those whose weight and input are not zero; not `analogue`.

    inputs: [T, B, ...], or `constant` [B, ...]. spikes: of the neurons that it feeds, [T, B, ...].
    """
    steps = len(spikes)
    active = active_steps(inputs, constant, steps)
    fanout = _fanout(layer, active.shape[1:], layer.weight != 0)
    full_fanout = _fanout(layer, active.shape[1:], torch.ones_like(layer.weight))
    return LayerCounts(
        weight=name,
        analogue=False,
        operations=(active * fanout).flatten(1).sum(1).round().long(),
        dense=steps * round(full_fanout.sum().item()),
        neurons=spikes[0, 0].numel(),
        steps=steps,
        spikes=spikes.sum(0).flatten(1).sum(1).long(),
    )


def active_steps(inputs: Tensor, constant: bool, steps: int) -> Tensor:
    """At how many steps each input [T, B, ...], or `constant` one [B, ...], is not zero: float64 [B, ...]."""
    return (inputs != 0).double() * steps if constant else (inputs != 0).sum(0).double()


def _fanout(layer: nn.Module, shape: torch.Size, weight: Tensor) -> Tensor:
    """How many entries of the 0/1 `weight` meet each input [*shape] of the layer: the gradient of its summed output."""
    binary = copy.deepcopy(layer).double()
    binary.weight = nn.Parameter(weight.double(), requires_grad=False)
    binary.bias = None
    with torch.enable_grad():
        inputs = torch.zeros((1, *shape), dtype=torch.float64, device=weight.device, requires_grad=True)
        (gradient,) = torch.autograd.grad(binary(inputs).sum(), inputs)
    return gradient[0]
