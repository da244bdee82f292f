"""Counts what a network computes on real samples: synaptic operations that cannot be skipped, neuron updates, spikes.

A synaptic operation is effective when neither the input nor the weight is zero, as in NeuroBench's `SynapticOperations`
(Yik et al., arXiv 2304.04640): a multiply-accumulate (MAC) for an analogue input, an accumulate (AC) for a spike.
Biases are no synaptic operations. A constant input counts anew at every step, as in NeuroBench. The encoding
says what is analogue; NeuroBench looks at the values, so images of only 0 and 1 under `direct` are spikes there.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.params import Direct, NoisyDirect
from snnprune.pruning.mask import prunable_weights


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


@torch.no_grad()
def observe_operations(
    network: SpikingNetwork, images: Tensor, steps: int | None = None, *, seed: int | None = None
) -> tuple[Tensor, list[LayerCounts]]:
    """Run images [B, C, H, W] for `steps` time steps (None: all) in evaluation mode and count on the way. Returns the
    output spikes [steps, B, classes] and the counts of every layer in the network's order. `seed` fixes a random
    encoding. Raises ValueError when `steps` is not within 1..T."""
    steps = network.spec.timesteps if steps is None else steps
    names = {id(weight): name for name, weight in prunable_weights(network).items()}
    inputs: list[tuple[nn.Module, Tensor, bool]] = []
    with evaluating(network):
        last = network.spikes(images, steps=steps, seed=seed, observe=lambda *seen: inputs.append(seen))
    outputs = [values for _, values, _ in inputs[1:]] + [last]
    counts: list[LayerCounts] = []
    for index, (module, values, constant) in enumerate(inputs):
        if id(getattr(module, "weight", None)) not in names:
            continue
        neurons = next(i for i in range(index, len(inputs)) if isinstance(inputs[i][0], MultiStepLeaky))
        spikes = outputs[neurons]
        active = (values != 0).double() * steps if constant else (values != 0).double().sum(0)
        fanout = _fanout(module, active.shape[1:], module.weight != 0)
        full_fanout = _fanout(module, active.shape[1:], torch.ones_like(module.weight))
        counts.append(
            LayerCounts(
                weight=names[id(module.weight)],
                analogue=not counts and isinstance(network.spec.encoding, Direct | NoisyDirect),
                operations=(active * fanout).flatten(1).sum(1).round().long(),
                dense=steps * round(full_fanout.sum().item()),
                neurons=spikes[0, 0].numel(),
                steps=steps,
                spikes=spikes.sum(0).flatten(1).sum(1).long(),
            )
        )
    return last, counts


def _fanout(layer: nn.Module, shape: torch.Size, weight: Tensor) -> Tensor:
    """How many entries of the 0/1 `weight` meet each input [*shape] of the layer: the gradient of its summed output."""
    binary = copy.deepcopy(layer).double()
    binary.weight = nn.Parameter(weight.double(), requires_grad=False)
    binary.bias = None
    with torch.enable_grad():
        inputs = torch.zeros((1, *shape), dtype=torch.float64, device=weight.device, requires_grad=True)
        (gradient,) = torch.autograd.grad(binary(inputs).sum(), inputs)
    return gradient[0]
