"""Adam's state as named tensors, kept with the dense net (its moments are what revives pruned weights)."""

import torch
from torch import Tensor, nn


def optimizer_tensors(network: nn.Module, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """`<parameter>.exp_avg`, `.exp_avg_sq` (the parameter's shape) and `.step` (a scalar) for every parameter."""
    return {
        f"{name}.{key}": value.detach().cpu().clone()
        for name, parameter in network.named_parameters()
        for key, value in sorted(optimizer.state[parameter].items())
    }
