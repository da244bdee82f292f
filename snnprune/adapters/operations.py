"""What an adapted network computes, and how critical its neurons are: measured on its own forward."""

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from snnprune.adapters.layout import by_step
from snnprune.adapters.neurons import neurons_of, package_of, surrogate_derivative, watched, watched_distances
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import PRUNABLE, prunable_weights
from snnprune.sparse.counts import LayerCounts

if TYPE_CHECKING:
    from snnprune.adapters.network import AdaptedNetwork


@torch.no_grad()
def observe(
    network: "AdaptedNetwork", images: Tensor, steps: int | None = None, *, seed: int | None = None
) -> tuple[Tensor, list[LayerCounts]]:
    """`snnprune.energy.operations.observe_operations` for an adapted network.

    An input is spikes at a step where all its values are 0, 1 or -1, as NeuroBench has it; a constant one is a current.
    A constant input counts at every step, wherever the network computes it. Of weights that feed the same neurons (a
    residual sum) the first has their updates and spikes. What has no prunable weight (pooling, normalisation) is not
    counted.
    """
    steps = network.spec.timesteps if steps is None else steps
    weights, wiring = prunable_weights(network), network.wiring
    layers = {name: network.get_submodule(name.removesuffix(".weight")) for name in weights}
    kept = {name: _counting(layer, weights[name] != 0) for name, layer in layers.items()}
    full = {name: _counting(layer, torch.ones_like(weights[name])) for name, layer in layers.items()}
    zero = torch.zeros(len(images), dtype=torch.long, device=images.device)
    macs, acs, analogue = (dict.fromkeys(weights, zero) for _ in range(3))
    dense, neurons, spikes, calls = {}, {}, {}, dict.fromkeys(weights, 0)

    def after_layer(name: str, layer: nn.Module, given: Tensor, output: Any) -> None:
        for now in by_step(given, wiring.layouts[name], len(images)):
            operations = _count(kept[name], now != 0)
            current = is_current(now) | (name in wiring.constant)
            macs[name] = macs[name] + operations * current
            acs[name] = acs[name] + operations * ~current
            analogue[name] = analogue[name] + current
            dense[name] = dense.get(name, 0) + int(_count(full[name], torch.ones_like(now[:1], dtype=torch.bool)))
            calls[name] += 1

    def after_neurons(name: str, neuron: nn.Module, given: Tensor, output: Any) -> None:
        fired = output[0] if isinstance(output, tuple) else output
        for now in fired if package_of(neuron).takes_all_steps(neuron) else (fired,):
            neurons[name] = now[0].numel()
            spikes[name] = spikes.get(name, zero) + now.flatten(1).count_nonzero(1)

    with evaluating(network), watched(layers, after_layer), watched(neurons_of(network), after_neurons):
        found = network.spikes(images, steps=steps, seed=seed)
    charged = _charged(wiring.feeds, list(neurons))
    counts = []
    for name in weights:
        times = steps if name in wiring.constant else calls[name]  # one computed before the loop is one for each step
        counts.append(
            LayerCounts(
                weight=name,
                macs=macs[name] * times // calls[name],
                acs=acs[name],
                analogue_steps=analogue[name] * steps // calls[name],
                dense=dense[name] * times // calls[name],
                neurons=sum(neurons[of] for of in charged[name]),
                steps=steps,
                spikes=sum((spikes[of] for of in charged[name]), zero),
            )
        )
    return found, counts


@torch.no_grad()
def watch_inputs(
    network: "AdaptedNetwork", images: Tensor, seen: Callable[[str, nn.Module, Tensor, int], None], *, seed: int
) -> None:
    """`snnprune.pruning.activity.watch_inputs` for an adapted network. What is the same at every step is passed on
    once, for T times, whether the network computes it before its loop or in it."""
    wiring, done = network.wiring, set()
    layers = {name: network.get_submodule(name.removesuffix(".weight")) for name in prunable_weights(network)}

    def after(name: str, layer: nn.Module, given: Tensor, output: Any) -> None:
        steps = by_step(given, wiring.layouts[name], len(images))
        if name not in wiring.constant:
            seen(name, layer, steps.flatten(0, 1), 1)
        elif name not in done:
            done.add(name)
            seen(name, layer, steps[0], network.spec.timesteps)

    with watched(layers, after):
        network.spikes(images, seed=seed)


@torch.no_grad()
def membrane_criticality(
    network: "AdaptedNetwork", batches: Iterable[tuple[Tensor, Tensor]], *, seed: int
) -> dict[str, Tensor]:
    """`snnprune.pruning.scores.membrane_criticality` for an adapted network: the surrogate's derivative at the distance
    of the potential from the threshold as the neuron fires or not, before any reset of that step (each file of
    `snnprune.adapters.packages` says where its neurons have it). Raises ValueError: no batch. Raises UserError: a
    weight feeds no neurons, or these are not a whole number for each of its outputs."""
    weights, feeds = prunable_weights(network), network.wiring.feeds
    if loose := [name.removeprefix("net.") for name in weights if feeds[name] is None]:
        raise UserError(f"membrane criticality: {', '.join(loose)} feeds no spiking neurons; choose another method")
    neurons = {name: neuron for name, neuron in neurons_of(network).items() if name in feeds.values()}
    sums: dict[str, Tensor] = {}
    count = samples = 0

    def seen(name: str, neuron: nn.Module, distance: Tensor) -> None:
        sums[name] = sums.get(name, 0) + surrogate_derivative(neuron, distance).sum(0)

    with watched_distances(neurons, seen):
        for images, _ in batches:
            network.spikes(images, seed=derive_seed(seed, count))
            count, samples = count + 1, samples + len(images)
    if count == 0:
        raise ValueError("membrane criticality needs at least one batch")
    steps = samples * network.spec.timesteps
    return {name: _by_output(name, len(weight), sums[feeds[name]] / steps) for name, weight in weights.items()}


def _by_output(name: str, outputs: int, values: Tensor) -> Tensor:
    """Values of neurons [M, ...] as means [outputs], one for each output of the weight that feeds them."""
    if values.numel() % outputs:
        raise UserError(
            f"membrane criticality: {name.removeprefix('net.')} has {outputs} outputs, the neurons it feeds are "
            f"{values.numel()}"
        )
    return values.reshape(outputs, -1).mean(1).cpu()


def _counting(layer: nn.Module, weight: Tensor) -> nn.Module:
    """A layer that adds up how many entries of a 0/1 weight meet an input that is not zero."""
    counting = copy.deepcopy(layer)
    counting.weight = nn.Parameter(weight.to(layer.weight.dtype), requires_grad=False)
    counting.bias = None
    return counting


def _count(counting: nn.Module, active: Tensor) -> Tensor:
    """Operations of each sample [B], int64. Sums of one output stay below 2^24, where float32 is exact. It is torch's
    own forward: the layer's hooks, which are a user's, see nothing of it, and it is for one step, whatever another
    package's layer takes."""
    forward = next(kind.forward for kind in PRUNABLE if isinstance(counting, kind))
    return forward(counting, active.to(counting.weight.dtype)).flatten(1).sum(1, dtype=torch.float64).round().long()


def is_current(values: Tensor) -> Tensor:
    """Which samples [B] have a value that is none of 0, 1 and -1."""
    return ((values != 0) & (values.abs() != 1)).flatten(1).any(1)


def _charged(feeds: dict[str, str | None], neurons: list[str]) -> dict[str, list[str]]:
    """Weight -> the neurons whose updates it has. Each is in one: the first that feeds it, else the first of all."""
    first: dict[str, str] = {}
    for weight, of in feeds.items():
        if of is not None:
            first.setdefault(of, weight)
    charged: dict[str, list[str]] = {weight: [] for weight in feeds}
    for of in neurons:
        charged[first.get(of, next(iter(feeds)))].append(of)
    return charged
