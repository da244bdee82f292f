"""What each synapse costs: bytes in compressed sparse rows, operations or energy of a sample on given data.

The cost of a net is a fixed part and the sums over its synapses and hidden neurons, with these inputs and spikes.
Pruning changes the spikes, and so what the rest costs: bytes are known beforehand, operations and energy have to be
counted again.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.neurons import watched
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
from snnprune.pruning.mask import Mask, flatten, prunable_weights
from snnprune.pruning.problem import Layers

VALUE_BYTES = 4  # float32
START_BYTES = 4  # uint32, one a row and one more
Network = SpikingNetwork | AdaptedNetwork
Seen = Callable[[str, Tensor, Tensor], None]  # weight, its inputs [N, ...], which of them are currents [N]


@dataclass(frozen=True)
class Costs:
    """by_synapse: in the weights' shapes, float64, on the CPU. by_neuron: by the weight that feeds them, of hidden
    neurons (channels) [out], float64, what each costs until it is removed; empty where that is nothing or not known.
    fixed: of the net whatever it keeps."""

    by_synapse: Layers
    fixed: float = 0.0
    by_neuron: Layers = field(default_factory=dict)

    @property
    def unless_neurons_go(self) -> float:
        """What is left when synapses go, but no neuron."""
        return self.fixed + sum(float(layer.sum()) for layer in self.by_neuron.values())

    def of(self, mask: Mask) -> float:
        """The cost of a net with these synapses; a neuron of which nothing is read costs nothing."""
        found = self.fixed + total(self.by_synapse, mask)
        for before, after in pairwise(mask):
            if (neurons := self.by_neuron.get(before)) is not None:
                found += float(neurons[by_channel(mask[after], len(neurons)).any(2).any(0).cpu()].sum())
        return found


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
    by_synapse = {
        name: energy_pj(macs[name], acs[name], 0, profile, (macs[name] + acs[name]) * _index_width(macs[name]))
        for name in macs
    }
    counted = measure(network, Split(split.images[:1], split.labels[:1]))
    live = live_rows(network, network.spec.timesteps) if isinstance(network, SpikingNetwork) else {}
    by_neuron = {
        layer.layer: live[layer.layer].cpu() * energy_pj(0, 0, layer.dense_updates / len(live[layer.layer]), profile)
        for layer in counted.layers[:-1]
        if layer.layer in live
    }
    by_neuron = {name: energies.double() for name, energies in by_neuron.items()}
    removable = sum(float(energies.sum()) for energies in by_neuron.values())
    return Costs(by_synapse, energy_pj(0, 0, counted.neuron_updates, profile) - removable, by_neuron)


def _index_width(synapses: Tensor) -> int:
    """Of a layer with a weight [out, in, ...] of which some are pruned."""
    return index_width(synapses.numel(), 0, synapses[:, 0].numel())


def byte_costs(network: Network, split: Split) -> Costs:
    """Bytes of the weights as `snnprune.export.csr` writes them: a float32 and a column for each synapse, of as many
    bytes as the layer's number of inputs takes, and the uint32 starts of the rows. Biases and neurons are not in it."""
    weights = prunable_weights(network)
    by_synapse: dict[str, Tensor] = {}

    def count(name: str, values: Tensor, _: Tensor) -> None:
        column = np.dtype(smallest_unsigned(values[0].numel() - 1)).itemsize
        by_synapse[name] = torch.full(weights[name].shape, VALUE_BYTES + column, dtype=torch.float64)

    watch(network, Split(split.images[:1], split.labels[:1]), count)
    starts = sum(len(weight) + 1 for weight in weights.values())
    return Costs({name: by_synapse[name] for name in weights}, START_BYTES * starts)


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
    """Run `split` and call `seen` with the input of every layer that has a weight."""
    for images, _, seed in evaluation_batches(split):
        with torch.no_grad(), evaluating(network):
            if isinstance(network, AdaptedNetwork):
                _watch_adapted(network, images, seed, seen)
            else:
                _watch_own(network, images, seed, seen)


def _watch_own(network: SpikingNetwork, images: Tensor, seed: int, seen: Seen) -> None:
    names = {id(weight): name for name, weight in prunable_weights(network).items()}
    first = next(iter(names.values()))

    def observe(layer: nn.Module, values: Tensor, constant: bool) -> None:
        name = names.get(id(getattr(layer, "weight", None)))
        if name is None:
            return
        steps = 1 if constant else len(values)
        current = analogue_steps(network.spec.encoding, values, constant, steps).flatten()
        values = values if constant else values.flatten(0, 1)
        seen(name, values, current if name == first else torch.zeros_like(current))

    network.spikes(images, seed=seed, observe=observe)


def _watch_adapted(network: AdaptedNetwork, images: Tensor, seed: int, seen: Seen) -> None:
    layers = {name: network.get_submodule(name.removesuffix(".weight")) for name in prunable_weights(network)}
    done: set[str] = set()  # inputs that are the same at every step

    def after(name: str, layer: nn.Module, given: Tensor, output: Tensor) -> None:
        if name not in network.constant:
            seen(name, given, is_current(given))
        elif name not in done:
            done.add(name)
            seen(name, given, torch.ones(len(given), dtype=torch.bool, device=given.device))

    with watched(layers, after):
        network.spikes(images, seed=seed)


def meetings(layer: nn.Module, active: Tensor) -> Tensor:
    """How often each entry of the layer's weight meets an input [N, ...] that is `active`, float64, on the CPU: of a
    convolution the gradient of its summed output by the weight."""
    if layer.weight.dim() == 2:
        by_input = active.reshape(-1, layer.weight.shape[1]).sum(0, dtype=torch.float64)
        return by_input.cpu().expand(layer.weight.shape)
    counting = copy.deepcopy(layer).double()
    counting.weight = nn.Parameter(torch.zeros_like(layer.weight, dtype=torch.float64))
    counting.bias = None
    with torch.enable_grad():
        (found,) = torch.autograd.grad(counting.forward(active.double()).sum(), counting.weight)
    return found.cpu()
