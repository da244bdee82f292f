"""Adam's state as named tensors, kept with the dense net (its moments are what revives pruned weights)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

STATE = ("exp_avg", "exp_avg_sq", "step")


def optimizer_tensors(network: nn.Module, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """`<parameter>.exp_avg`, `.exp_avg_sq` (the parameter's shape) and `.step` (a scalar) for every parameter."""
    return {
        f"{name}.{key}": value.detach().cpu().clone()
        for name, parameter in network.named_parameters()
        for key, value in sorted(optimizer.state[parameter].items())
    }


def restore_optimizer(network: nn.Module, optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Give `optimizer` the state that `optimizer_tensors` took from another one of the same network. Raises ValueError:
    the tensors are not those of the network's parameters."""
    parameters = dict(network.named_parameters())
    if set(tensors) != {f"{name}.{key}" for name in parameters for key in STATE}:
        raise ValueError(f"optimiser state does not fit the network: found {sorted(tensors)}")
    for name, parameter in parameters.items():  # on the parameter's device, where fused Adam wants the step, too
        state = {key: tensors[f"{name}.{key}"].to(parameter.device, copy=True) for key in STATE}
        optimizer.state[parameter] = state
