"""What synapses are ranked by: criticality through the surrogate gradient, and CQP's combined importance."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import flatten, prunable_weights, unflatten
from snnprune.pruning.params import CriticalityKind, Granularity

Batches = Iterable[tuple[Tensor, Tensor]]
NO_BATCH = "criticality needs at least one batch"


def criticality(network: SpikingNetwork, batches: Batches, kind: CriticalityKind, *, seed: int) -> dict[str, Tensor]:
    """Criticality of every synapse, in the weights' shapes, >= 0, on the CPU.

    `sensitivity` and `taylor` are `gradient_criticality`; `membrane` is `membrane_criticality`, where every synapse has
    the number of the neuron that it feeds. `batches` are images [B, C, H, W] and labels [B]; `seed` fixes a random
    encoding. The network is in evaluation mode meanwhile; weights, gradients and mode are left as they were. One
    that has a `membrane_criticality` of its own (`snnprune.adapters`) is asked for that. Raises ValueError:
    unknown kind, or no batch.
    """
    if kind not in get_args(CriticalityKind):
        raise ValueError(f"unknown criticality kind {kind!r}; allowed are: {', '.join(get_args(CriticalityKind))}")
    with evaluating(network):
        if kind != "membrane":
            return gradient_criticality(network, batches, kind, seed=seed)
        measure = getattr(network, "membrane_criticality", None) or partial(membrane_criticality, network)
        neurons = measure(batches, seed=seed)
        shapes = {name: weight.shape for name, weight in prunable_weights(network).items()}
        return {
            name: neurons[name].reshape(-1, *[1] * (len(shape) - 1)).expand(shape).contiguous()
            for name, shape in shapes.items()
        }


def gradient_criticality(network: SpikingNetwork, batches: Batches, kind: str, *, seed: int) -> dict[str, Tensor]:
    """Mean over batches of |dL/dw| (`sensitivity`) or of |w * dL/dw| (`taylor`), by backpropagation through time.
    `taylor` is the first-order Taylor expansion of the loss (Molchanov et al., arXiv 1611.06440)."""
    weights = prunable_weights(network)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    count = 0
    for gradients in batch_gradients(network, batches, seed=seed):
        count += 1
        for name, gradient in gradients.items():
            sums[name] += gradient.abs() if kind == "sensitivity" else (weights[name].detach() * gradient).abs()
    if count == 0:
        raise ValueError(NO_BATCH)
    return {name: total.cpu() / count for name, total in sums.items()}


def batch_gradients(network: SpikingNetwork, batches: Batches, *, seed: int) -> Iterator[dict[str, Tensor]]:
    """Batch by batch dL/dw of the mean cross-entropy, by backpropagation through time, in the weights' shapes."""
    weights = prunable_weights(network)
    for index, (images, labels) in enumerate(batches):
        loss = functional.cross_entropy(network(images, seed=derive_seed(seed, index)), labels)
        yield dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def mean_gradient(network: SpikingNetwork, batches: Batches, *, seed: int) -> dict[str, Tensor]:
    """The mean over batches of dL/dw, in the weights' shapes, in evaluation mode. Raises ValueError: no batch."""
    sums: dict[str, Tensor] = {}
    count = 0
    with evaluating(network):
        for gradients in batch_gradients(network, batches, seed=seed):
            count += 1
            sums = {name: sums.get(name, 0) + gradient for name, gradient in gradients.items()}
    if count == 0:
        raise ValueError(NO_BATCH)
    return {name: total / count for name, total in sums.items()}


@torch.no_grad()
def membrane_criticality(network: SpikingNetwork, batches: Batches, *, seed: int) -> dict[str, Tensor]:
    """Criticality of neurons (Chen et al., arXiv 2311.16141): weight name -> [outputs] of the neurons that it feeds.
    The mean over samples and time steps of the surrogate's derivative at the membrane potential, for a convolution also
    over the positions of the channel. It is large where the membrane often lies near the threshold."""
    names = {module: f"{name}.weight" for name, module in network.named_modules()}
    weights = prunable_weights(network)
    sums = {name: torch.zeros(len(weight), device=weight.device) for name, weight in weights.items()}
    fed_by = ""

    def observe(layer: nn.Module, values: Tensor, constant: bool) -> None:
        nonlocal fed_by
        if names[layer] in weights:
            fed_by = names[layer]
        elif isinstance(layer, MultiStepLeaky):
            derivatives = layer.surrogate_derivative(values, network.spec.timesteps if constant else None)
            sums[fed_by] += derivatives.transpose(0, 2).flatten(1).mean(1) * derivatives.shape[1]

    count = samples = 0
    for images, _ in batches:
        network.spikes(images, observe=observe, seed=derive_seed(seed, count))
        count, samples = count + 1, samples + len(images)
    if count == 0:
        raise ValueError(NO_BATCH)
    return {name: total.cpu() / samples for name, total in sums.items()}


def by_presynaptic_neuron(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every score replaced by the mean over the outgoing synapses of its presynaptic neuron (granularity `neuron`). The
    presynaptic neurons of a Linear weight [outputs, inputs] are its columns, those of a convolution's [outputs, inputs,
    ...] its input channels. Shapes stay as they are."""
    means = {}
    for name, layer in scores.items():
        others = [axis for axis in range(layer.dim()) if axis != 1]
        means[name] = layer.mean(dim=others, keepdim=True).expand_as(layer).contiguous()
    return means


def critical_at(scores: Mapping[str, Tensor], granularity: Granularity) -> Mapping[str, Tensor]:
    """Criticality of synapses as it is (`synapse`), or averaged over presynaptic neurons (`neuron`)."""
    return scores if granularity == "synapse" else by_presynaptic_neuron(scores)


def normalized(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scores divided by their maximum over all layers, so that they lie in 0..1; all zero stays all zero."""
    vector = flatten(scores)
    top = vector.max()
    return unflatten(vector / top if top > 0 else vector, scores)


def importance(weights: Mapping[str, Tensor], critical: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """CQP's combined importance |w| * C^alpha with C in 0..1 (arXiv 2606.30676); alpha 0 is magnitude."""
    scaled = normalized(critical)
    return {name: weights[name].abs() * scaled[name] ** alpha for name in weights}
