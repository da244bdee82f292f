"""What each synapse costs: bytes in compressed sparse rows, operations or energy of a sample on given data.

The cost of a net is a fixed part and the sums over its synapses and hidden neurons, with these inputs and spikes.
Pruning changes the spikes, and so what the rest costs: bytes are known beforehand, operations and energy have to be
counted again.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.operations import is_current
from snnprune.core.dataset import Split
from snnprune.core.encoding import analogue_steps
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.energy.live import live_rows
from snnprune.energy.measure import measure
from snnprune.energy.profiles import Profile, energy_pj, index_width
from snnprune.export.csr import smallest_unsigned
from snnprune.limits.params import Kind
from snnprune.pruning.activity import watch_inputs
from snnprune.pruning.mask import PRUNABLE, Mask, flatten, prunable_weights
from snnprune.pruning.problem import Layers

VALUE_BYTES = 4  # float32
START_BYTES = 4  # uint32, one a row and one more
NEURON_BYTES = 12  # bias, beta and threshold of a row, float32
Network = SpikingNetwork | AdaptedNetwork
Seen = Callable[[str, Tensor, Tensor], None]  # weight, its inputs [N, ...], which of them are currents [N]


@dataclass(frozen=True)
class Costs:
    """by_synapse: in the weights' shapes, float64, on the CPU. fixed: of the net whatever it keeps. by_neuron: what
    every hidden neuron (channel) costs with the synapses of a mask, 0 where it cannot matter then, by the weight that
    feeds them, [out], float64; empty where that is nothing or not known."""

    by_synapse: Layers
    fixed: float = 0.0
    by_neuron: Callable[[Mask], Layers] = lambda mask: {}

    def of(self, mask: Mask) -> float:
        """The cost of a net with these synapses."""
        return self.fixed + total(self.by_synapse, mask) + self.of_neurons(mask)

    def of_neurons(self, mask: Mask) -> float:
        """Of hidden neurons; a mask inside another costs no more."""
        return sum(float(layer.sum()) for layer in self.by_neuron(mask).values())


def total(costs: Layers, mask: Mask) -> float:
    """Sum over the synapses of `mask`."""
    return float(flatten(costs)[mask.vector()].sum())


def by_channel(layer: Tensor, channels: int) -> Tensor:
    """A weight as [outputs, channels of the layer before, synapses for each]; a view."""
    return layer.view(len(layer), channels, -1)


def costs_of(kind: Kind, network: Network, split: Split, profile: Profile) -> Costs:
    """Those of `kind`, of the network as it is and for a sample of `split` in the mean."""
    if kind == "bytes":
        return byte_costs(network, split)
    macs, acs = operations_by_synapse(network, split)
    if kind == "operations":
        return Costs({name: macs[name] + acs[name] for name in macs})
    by_synapse = {}
    for name in macs:
        width = index_width(macs[name].numel(), 0, macs[name][:, 0].numel())  # of a layer of which some are pruned
        by_synapse[name] = energy_pj(macs[name], acs[name], 0, profile, width * (macs[name] + acs[name]))
    layers = measure(network, Split(split.images[:1], split.labels[:1])).layers
    live = {} if isinstance(network, AdaptedNetwork) else live_rows(network, network.spec.timesteps)
    each = {
        layer.layer: energy_pj(0, 0, layer.dense_updates / len(live[layer.layer]), profile)
        for layer in layers[:-1]
        if layer.layer in live
    }
    standing = sum(layer.neuron_updates for layer in layers if layer.layer not in each)

    def by_neuron(mask: Mask) -> Layers:
        pruned = copy.deepcopy(network)
        mask.apply(prunable_weights(pruned))
        left = live_rows(pruned, network.spec.timesteps) if each else {}
        return {name: energy * left[name].cpu().double() for name, energy in each.items()}

    return Costs(by_synapse, energy_pj(0, 0, standing, profile), by_neuron)


def byte_costs(network: Network, split: Split) -> Costs:
    """Bytes of the weights as `snnprune.export.csr` writes them: a float32 and a column for each synapse, of as many
    bytes as the layer's number of inputs takes, and the uint32 starts of the rows, one a row and one more of each
    layer. Biases and neurons are not in it: `neuron_bytes`."""
    weights = prunable_weights(network)
    by_synapse: dict[str, Tensor] = {}

    def count(name: str, values: Tensor, _: Tensor) -> None:
        column = np.dtype(smallest_unsigned(values[0].numel() - 1)).itemsize
        by_synapse[name] = torch.full(weights[name].shape, VALUE_BYTES + column, dtype=torch.float64)

    watch(network, Split(split.images[:1], split.labels[:1]), count)
    starts = sum(len(weight) + 1 for weight in weights.values())
    return Costs({name: by_synapse[name] for name in weights}, START_BYTES * starts)


def neuron_bytes(network: SpikingNetwork) -> int:
    """What `snnprune.export.csr` writes beside `byte_costs`, at most: bias, beta and threshold of every row. It leaves
    out rows that cannot matter; one that fires alike whatever the input is a table of a byte for each step instead."""
    return NEURON_BYTES * sum(len(weight) for weight in prunable_weights(network).values())


def operations_by_synapse(network: Network, split: Split) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Effective MACs and ACs of a sample that each synapse has or, where it is zero now, would have: how often its
    input is not zero, means over `split`. A constant input counts once; the sums over the network's own synapses are
    `macs_once` and `acs` of `snnprune.energy.measure`."""
    shapes = {name: weight.shape for name, weight in prunable_weights(network).items()}
    macs, acs = ({name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()} for _ in range(2))

    def count(name: str, values: Tensor, current: Tensor) -> None:
        layer = network.get_submodule(name.removesuffix(".weight"))
        for sums, rows in ((macs, current), (acs, ~current)):
            if rows.any():
                sums[name] += meetings(layer, values[rows] != 0) / len(split.labels)

    watch(network, split, count)
    return macs, acs


def watch(network: Network, split: Split, seen: Seen) -> None:
    """Run `split` and call `seen` with the input of every layer that has a weight: of a batch all steps together,
    [T * B, ...], one that is the same at every step once, [B, ...]."""
    first = next(iter(prunable_weights(network)))

    def given(name: str, layer: nn.Module, values: Tensor, times: int) -> None:
        if isinstance(network, AdaptedNetwork):
            current = is_current(values) | (name in network.constant)
        elif name == first:
            current = analogue_steps(network.spec.encoding, values[None], False, 1)[0]
        else:
            current = torch.zeros(len(values), dtype=torch.bool, device=values.device)
        seen(name, values, current)

    run = network.watch_inputs if isinstance(network, AdaptedNetwork) else partial(watch_inputs, network)
    for images, _, seed in evaluation_batches(split):
        with torch.no_grad(), evaluating(network):
            run(images, given, seed=seed)


def meetings(layer: nn.Module, active: Tensor) -> Tensor:
    """How often each entry of the layer's weight meets an input [N, ...] that is `active`, float64, on the CPU: of a
    convolution the gradient of its summed output by the weight."""
    if layer.weight.dim() == 2:
        by_input = active.reshape(-1, layer.weight.shape[1]).sum(0, dtype=torch.float64)
        return by_input.cpu().expand(layer.weight.shape)
    counting = copy.deepcopy(layer).double()
    counting.weight = nn.Parameter(torch.zeros_like(layer.weight, dtype=torch.float64))
    counting.bias = None
    forward = next(kind.forward for kind in PRUNABLE if isinstance(counting, kind))  # torch's own, for one step
    with torch.enable_grad():
        (found,) = torch.autograd.grad(forward(counting, active.double()).sum(), counting.weight)
    return found.cpu()
