"""What a layer and the neurons it feeds do for each sample, counted from its input and their spikes."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerCounts:
    """What one Linear or Conv layer and the neurons it feeds do for a batch of samples.

    weight: the weight's name, such as `layers.0.weight`. macs, acs: effective operations of each sample [B], int64, at
    steps where its input is analogue, and at the others. analogue_steps: how many of the first kind each sample has
    [B], int64. dense: operations of a sample if nothing were zero. neurons: how many it feeds; each is updated once a
    step. spikes: of these neurons, of each sample [B], int64.
    """

    weight: str
    macs: Tensor
    acs: Tensor
    analogue_steps: Tensor
    dense: int
    neurons: int
    steps: int
    spikes: Tensor

    @property
    def neuron_updates(self) -> int:
        """Updates of a sample: every neuron, every step."""
        return self.neurons * self.steps

    @property
    def samples(self) -> int:
        """How many samples were counted."""
        return len(self.macs)

    def of(self, rows: Tensor) -> "LayerCounts":
        """The counts of the samples that are True in `rows` [B]."""
        each = {name: getattr(self, name)[rows] for name in ("macs", "acs", "analogue_steps", "spikes")}
        return replace(self, **each)

    @classmethod
    def of_input(
        cls, inputs: Tensor, constant: bool, analogue: Tensor | None, fanout: Tensor, **others: Any
    ) -> "LayerCounts":
        """Counts of a layer whose every input [...] meets `fanout` [...] synapses, float64.

        inputs: [T, B, ...], or `constant` [B, ...]. analogue: the samples' steps at which they are, [T, B]; None: none.
        """
        steps, batch = others["steps"], inputs.shape[0 if constant else 1]
        if analogue is None:
            analogue = torch.zeros((steps, batch), dtype=torch.bool, device=inputs.device)
        operations = _operations(inputs, constant, torch.ones_like(analogue), fanout)
        macs = torch.zeros_like(operations)
        if analogue.any():
            macs = operations if analogue.all() else _operations(inputs, constant, analogue, fanout)
        return cls(macs=macs, acs=operations - macs, analogue_steps=analogue.sum(0), **others)


def count_layer(
    name: str, layer: nn.Module, inputs: Tensor, constant: bool, spikes: Tensor, analogue: Tensor | None = None
) -> LayerCounts:
    """Counts of a Linear or Conv `layer`: operations are those whose weight and input are not zero. inputs, constant,
    analogue: see `LayerCounts.of_input`. spikes: of the neurons that it feeds, [T, B, ...]."""
    steps, shape = len(spikes), inputs.shape[1 if constant else 2 :]
    full_fanout = _fanout(layer, shape, torch.ones_like(layer.weight))
    return LayerCounts.of_input(
        inputs,
        constant,
        analogue,
        _fanout(layer, shape, layer.weight != 0),
        weight=name,
        dense=steps * round(full_fanout.sum().item()),
        neurons=spikes[0, 0].numel(),
        steps=steps,
        spikes=spikes.sum(0).flatten(1).sum(1).long(),
    )


def _operations(inputs: Tensor, constant: bool, steps: Tensor, fanout: Tensor) -> Tensor:
    """Operations [B], int64, of inputs that are not zero at the samples' `steps` [T, B]."""
    active = inputs.flatten(1 if constant else 2) != 0
    if constant:
        times = active.double() * steps.sum(0)[:, None]
    else:
        times = (active if steps.all() else active & steps[:, :, None]).sum(0).double()
    return (times @ fanout.flatten()).round().long()


def _fanout(layer: nn.Module, shape: torch.Size, weight: Tensor) -> Tensor:
    """How many entries of the 0/1 `weight` meet each input [*shape] of the layer: the gradient of its summed output."""
    binary = copy.deepcopy(layer).double()
    binary.weight = nn.Parameter(weight.double(), requires_grad=False)
    binary.bias = None
    with torch.enable_grad():
        inputs = torch.zeros((1, *shape), dtype=torch.float64, device=weight.device, requires_grad=True)
        (gradient,) = torch.autograd.grad(binary(inputs).sum(), inputs)
    return gradient[0]
