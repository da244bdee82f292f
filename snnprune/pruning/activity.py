"""What goes into every synapse while a network runs on training batches, for methods that weigh synapses by it."""

import copy
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import PRUNABLE, prunable_weights
from snnprune.pruning.scores import NO_BATCH

Seen = Callable[[str, nn.Module, Tensor, int], None]


def synapse_inputs(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    of: Callable[[Tensor], Tensor],
    *,
    seed: int,
    mean_position: bool = False,
) -> dict[str, Tensor]:
    """Of every synapse the mean over samples and time steps of `of(x)` of its input x, in the weights' shapes, on the
    CPU. A convolution uses a synapse at every position of its output: their sum, or with `mean_position` their mean.

    batches: images [B, C, H, W] (or frames) and labels. of: elementwise. seed: fixes a random encoding. The network is
    in evaluation mode meanwhile and is left as it was. One that has a `watch_inputs` of its own (`snnprune.adapters`)
    is asked for its layers' inputs. Raises ValueError: no batch.
    """
    sums = {name: torch.zeros_like(weight) for name, weight in prunable_weights(network).items()}
    samples = 0

    def seen(name: str, layer: nn.Module, inputs: Tensor, times: int) -> None:
        used, positions = _summed_over_uses(layer, of(inputs.to(layer.weight.dtype)))
        sums[name] += used * (times / positions if mean_position else times)

    watch = getattr(network, "watch_inputs", None) or partial(watch_inputs, network)
    with evaluating(network), torch.no_grad():
        for index, (images, _) in enumerate(batches):
            watch(images, seen, seed=derive_seed(seed, index))
            samples += len(images)
    if not samples:
        raise ValueError(NO_BATCH)
    return {name: total.cpu() / (samples * network.spec.timesteps) for name, total in sums.items()}


def watch_inputs(network: SpikingNetwork, images: Tensor, seen: Seen, *, seed: int) -> None:
    """Run once, and call `seen(weight's name, layer, inputs, times)` with what every Linear or Conv layer is given:
    [T * B, ...], once, or one that is the same at every step, [B, ...], T times."""
    names = {module: f"{name}.weight" for name, module in network.named_modules()}
    weights = prunable_weights(network)

    def observe(layer: nn.Module, values: Tensor, constant: bool) -> None:
        if names[layer] in weights:
            inputs, times = (values, network.spec.timesteps) if constant else (values.flatten(0, 1), 1)
            seen(names[layer], layer, inputs, times)

    network.spikes(images, observe=observe, seed=seed)


def _summed_over_uses(layer: nn.Module, inputs: Tensor) -> tuple[Tensor, int]:
    """The sum of all inputs [B, ...] that meet each synapse, in the weight's shape: the gradient of the layer's summed
    output. And the number of positions of the output. One output channel of each group stands for all."""
    groups = getattr(layer, "groups", 1)
    probe = copy.deepcopy(layer)
    probe.weight, probe.bias = nn.Parameter(torch.zeros_like(layer.weight[:groups])), None
    forward = next(kind.forward for kind in PRUNABLE if isinstance(probe, kind))  # torch's own, whatever it became
    with torch.enable_grad():
        output = forward(probe, inputs)
        (used,) = torch.autograd.grad(output.sum(), probe.weight)
    return used.repeat_interleave(len(layer.weight) // groups, dim=0), output[0].numel() // groups
