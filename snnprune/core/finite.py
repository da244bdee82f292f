"""Stops training that went to NaN or infinity. A spiking network hides it: a membrane of NaN is above no threshold, so
that its neurons are silent, and loss and accuracy look like those of a network that learns nothing."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError


def require_finite_step(network: nn.Module, loss: float, where: str, lr: float) -> None:
    """Check a loss and the gradients that it left, with one look at the device. `where` is such as `epoch 1, batch 3`.
    Raises NotFiniteError: names what is not finite, and what to try."""
    gradients = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    wrong = "loss" if not math.isfinite(loss) else _not_finite("gradient", gradients)
    if wrong:
        raise NotFiniteError(_advice(where, wrong, lr))


def require_finite_weights(network: nn.Module, where: str, lr: float) -> None:
    """Check all weights and biases, with one look at the device. Raises NotFiniteError: see `require_finite_step`."""
    if wrong := _not_finite("weight", dict(network.named_parameters())):
        raise NotFiniteError(_advice(where, wrong, lr))


def _not_finite(kind: str, tensors: Mapping[str, Tensor]) -> str | None:
    total = torch.stack([tensor.detach().sum() for tensor in tensors.values()]).sum()  # ten times as fast as a norm
    if math.isfinite(total.item()):
        return None
    found = (name for name, tensor in tensors.items() if not tensor.isfinite().all())
    return f"{kind} of {next(found, 'all together')}"  # finite ones whose sum is not


def _advice(where: str, wrong: str, lr: float) -> str:
    return (
        f"{where}: the {wrong} is NaN or infinite; try a lower lr (found {lr:g}), and check threshold, surrogate.slope "
        "and encoding of the model"
    )
