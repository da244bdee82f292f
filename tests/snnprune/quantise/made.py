"""Small networks of every kind that has an integer form, and samples for them."""

from typing import Any

import torch
from torch import Tensor

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.pruning.mask import prunable_weights

STEPS = 6
DENSE, CONV = [64, 20, 12, 5], "1x8x8-4C3-MP2-3C2S2-10-5"
ENCODINGS = ("direct", "rate", "latency", "frames")


def network(layers: Any = DENSE, encoding: str = "direct", density: float = 0.4, **model: Any) -> SpikingNetwork:
    """A net with so many of its synapses, in evaluation mode."""
    torch.manual_seed(0)
    spec = {"layers": layers, "timesteps": STEPS, "threshold": 0.4, "encoding": {"name": encoding}, **model}
    net = build_network(ModelParams.model_validate(spec))
    with torch.no_grad():
        for weight in prunable_weights(net).values():
            weight.mul_(2).mul_(torch.rand_like(weight) < density)
    return net.eval()


def samples(net: SpikingNetwork, count: int = 9) -> Tensor:
    """Images whose pixels are whole numbers of 1/255, or counts of events."""
    generator = torch.Generator().manual_seed(1)
    if net.spec.encoding.name == "frames":
        return torch.poisson(torch.full((count, STEPS, 1, 8, 8), 0.4), generator).to(torch.uint8)
    return torch.randint(0, 256, (count, 1, 8, 8), generator=generator) / 255
