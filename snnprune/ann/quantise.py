"""Post-training quantisation of a ReLU network: weights of 8 bits, activations of few.

The fair opponent of a spiking network of T steps, whose neuron says one of 0..T, has activations of ceil(log2(T + 1))
bits (Yan et al., arXiv 2409.08290). Weights are rounded symmetrically with a scale for each output, activations to
0..2^bits - 1 with a scale for each layer, which is that of the least squared error on training images. Biases stay as
they are, for sums have more bits; so does the input, since pixels have 8 bits already.
"""

import copy

import torch
from torch import Tensor, nn

from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.pruning.mask import prunable_weights

WEIGHT_BITS = 8
CLIPS = 40  # how many scales are tried, evenly spaced up to that of the largest activation


def activation_bits(timesteps: int) -> int:
    """ceil(log2(T + 1)): what tells apart the 0..T spikes of a neuron.

    >>> [activation_bits(steps) for steps in (1, 3, 4, 10, 15, 16)]
    [1, 2, 3, 4, 4, 5]
    """
    return timesteps.bit_length()


class QuantisedReLU(nn.Module):
    """ReLU rounded to 0, step, ... (2^bits - 1) * step."""

    def __init__(self, bits: int, step: float) -> None:
        super().__init__()
        self.bits, self.step = bits, step

    def forward(self, values: Tensor) -> Tensor:
        """The activations, in the values' shape."""
        return (values / self.step).round_().clamp_(0, 2**self.bits - 1).mul_(self.step)


@torch.no_grad()
def quantised(network: SpikingNetwork, bits: int, images: Tensor) -> SpikingNetwork:
    """A copy of a network of `relu_network` with weights of 8 bits and activations of `bits`, calibrated on `images`
    [B, C, H, W] layer after layer, each on what the quantised layers before it give."""
    copied = copy.deepcopy(network)
    for weight in prunable_weights(copied).values():
        weight.copy_(rounded(weight))
    with evaluating(copied):
        for index, layer in enumerate(copied.layers):
            if isinstance(layer, nn.ReLU):
                copied.layers[index] = QuantisedReLU(bits, best_step(_input_of(copied, index, images).relu(), bits))
    return copied


def rounded(weight: Tensor) -> Tensor:
    """A weight [out, ...] in whole multiples, -127..127, of its output's largest absolute value / 127."""
    most = 2 ** (WEIGHT_BITS - 1) - 1
    scale = weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.dim() - 1)) / most
    return torch.where(scale > 0, (weight / scale).round() * scale, 0.0)


def best_step(activations: Tensor, bits: int) -> float:
    """The step of the least squared error of activations >= 0 rounded to 0..2^bits - 1 of it; 1 where all are zero."""
    largest = activations.max().item()
    if largest == 0:
        return 1.0
    steps = [largest * clip / CLIPS / (2**bits - 1) for clip in range(1, CLIPS + 1)]
    return min(steps, key=lambda step: (QuantisedReLU(bits, step)(activations) - activations).square().mean().item())


def _input_of(network: SpikingNetwork, index: int, images: Tensor) -> Tensor:
    found: list[Tensor] = []
    wanted = network.layers[index]

    def observe(layer: nn.Module, values: Tensor, constant: bool) -> None:
        if layer is wanted:
            found.append(values)

    network.spikes(images, observe=observe)
    return found[0]
