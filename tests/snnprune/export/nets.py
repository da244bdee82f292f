"""Small pruned nets whose sums are exact in float32 in whatever order: weights are multiples of 1/64, inputs of 1/16.
So a form that computes the same gives the same spikes, to the bit."""

from typing import Any

import torch
from torch import Tensor

import snnprune
from snnprune.core.network import SpikingNetwork

DIRECT = {"layers": [16, 14, 11, 4], "timesteps": 6}
NETS: dict[str, dict[str, Any]] = {
    "dense": DIRECT,
    "reset to zero, rate": {**DIRECT, "reset": "zero", "encoding": {"name": "rate"}},
    "convolutions": {"layers": "4x4-5C2-3C2-4", "timesteps": 5},
    "stride and pooling on frames": {
        "layers": "2x11x9-6C2S2-MP2-5C1-4",
        "timesteps": 5,
        "encoding": {"name": "frames"},
    },
}


def net(name: str, sparsity: float = 0.5, seed: int = 5) -> SpikingNetwork:
    """One of NETS with random weights; a few rows have no synapse, and fire from their bias, or never."""
    network = snnprune.build(**NETS[name])
    generator = torch.Generator().manual_seed(seed)
    *hidden, last = (layer for layer in network.layers if hasattr(layer, "weight"))
    with torch.no_grad():
        for layer in (*hidden, last):
            weight, bias = layer.weight, layer.bias
            kept = torch.rand(weight.shape, generator=generator) >= sparsity
            weight.copy_(kept * torch.randint(-48, 80, weight.shape, generator=generator) / 64)
            bias.copy_(torch.randint(-8, 16, bias.shape, generator=generator) / 64)
            if layer is not last:
                weight[:2] = 0
                bias[0], bias[1] = 40 / 64, -1.0
    return network


def samples(network: SpikingNetwork, count: int = 40) -> Tensor:
    """Images [B, 1, 4, 4] or frames [B, T, C, H, W]."""
    generator = torch.Generator().manual_seed(1)
    shape = network.spec.sample_shape if network.spec.encoding.name == "frames" else (1, 4, 4)
    high = 3 if network.spec.encoding.name == "frames" else 17
    values = torch.randint(0, high, (count, *shape), generator=generator)
    return values.to(torch.uint8) if high == 3 else values / 16
