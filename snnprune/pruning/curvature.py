"""The Hessian of the loss times a vector, for a network that can be derived twice through its surrogate."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky, snntorch_function
from snnprune.core.network import SpikingNetwork, encoded_input, evaluating
from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Samples
from snnprune.pruning.scores import NO_BATCH


def hessian_times_gradient(network: nn.Module, samples: Samples, mask: Mask, *, seed: int) -> dict[str, Tensor]:
    """H g in the weights' shapes, on the CPU, over the synapses of `mask`: g is the gradient of L, the mean over
    batches of the cross-entropy, H its Hessian. Spikes are derived by the surrogate and that by torch; the reset's path
    is detached. In evaluation mode. Raises ValueError: no batch. Raises UserError: neurons of the user's own network
    cannot be derived twice."""
    weights = {name: weight for name, weight in prunable_weights(network).items() if name in mask}
    kept = {name: mask[name].to(weight.device) for name, weight in weights.items()}
    count = 0

    def summed(of: Callable[[Tensor], tuple[Tensor, ...]]) -> dict[str, Tensor]:
        nonlocal count
        sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for count, (images, labels) in enumerate(samples(), start=1):
            counts = twice_differentiable(network, images, seed=derive_seed(seed, count - 1))
            for name, part in zip(weights, of(functional.cross_entropy(counts, labels)), strict=True):
                sums[name] += part * kept[name]
        if count == 0:
            raise ValueError(NO_BATCH)
        return {name: total / count for name, total in sums.items()}

    def product(loss: Tensor) -> tuple[Tensor, ...]:
        found = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        along = sum((part * gradient[name]).sum() for name, part in zip(weights, found, strict=True))
        return torch.autograd.grad(along, list(weights.values()))

    with evaluating(network):
        gradient = summed(lambda loss: torch.autograd.grad(loss, list(weights.values())))
        try:
            found = summed(product)
        except RuntimeError as error:
            if isinstance(network, SpikingNetwork):
                raise
            raise UserError(f"the network's neurons cannot be derived twice: {error}; choose another method") from error
    return {name: total.cpu() for name, total in found.items()}


def twice_differentiable(network: nn.Module, images: Tensor, *, seed: int) -> Tensor:
    """Spike counts [B, classes] as `network(images)` gives them, in plain operations that torch derives twice. A
    network of the user's own runs its own forward."""
    if not isinstance(network, SpikingNetwork):
        return network(images, seed=seed)
    values, steps, constant = encoded_input(network.spec, images, None, seed)
    if constant:
        values = values.expand(steps, *values.shape)
    for layer in network.layers:
        if isinstance(layer, MultiStepLeaky):
            values = _spikes(layer, values)
        elif isinstance(layer, nn.Linear):
            values = functional.linear(values, layer.weight, layer.bias)
        else:
            values = layer(values.flatten(0, 1)).unflatten(0, (steps, -1))
    return values.sum(0)


def _spikes(neurons: MultiStepLeaky, current: Tensor) -> Tensor:
    """The equations of `snnprune.core.lif`, [T, B, ...] -> [T, B, ...], step by step."""
    spike_of, to_zero = snntorch_function(neurons.surrogate), neurons.reset_mechanism == "zero"
    potential, spike = torch.zeros_like(current[0]), torch.zeros_like(current[0])
    spikes = []
    for now in current:
        if to_zero:
            potential = neurons.beta * (potential * (1 - spike)) + now
        else:
            potential = neurons.beta * potential + now - spike * neurons.threshold
        spiking = spike_of(potential - neurons.threshold)
        spike = spiking.detach()
        spikes.append(spiking)
    return torch.stack(spikes)
