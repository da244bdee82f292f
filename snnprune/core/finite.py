"""Stops training that went to NaN or infinity. A spiking network hides it: a membrane of NaN is above no threshold, so
that its neurons are silent, and loss and accuracy look like those of a network that learns nothing."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError

LOOK_AFTER = 50  # steps: each look waits for the device


class FiniteSteps:
    """Notes the loss of every step and the gradients that it left, to look at them once in a while."""

    def __init__(self, network: nn.Module, where: str, lr: float) -> None:
        """`where` is such as `epoch 1, batch {} of 7`, for the number of the step."""
        self._network, self._where, self._lr = network, where, lr
        self._noted: list[Tensor] = []
        self._losses: list[float] = []

    def note(self, loss: Tensor) -> None:
        """To be called after `backward`."""
        gradients = [weight.grad.sum() for weight in self._network.parameters() if weight.grad is not None]
        self._noted.append(torch.stack([loss.detach(), *gradients]))

    def look(self) -> list[float]:
        """The losses of all steps. Raises NotFiniteError: what the first step left that is not finite, and what to
        try."""
        names = [name for name, weight in self._network.named_parameters() if weight.grad is not None]
        things = ["loss", *(f"gradient of {name}" for name in names)]
        for values in torch.stack(self._noted).tolist() if self._noted else []:
            for thing, value in zip(things, values, strict=True):
                if not math.isfinite(value):
                    raise NotFiniteError(_advice(self._where.format(len(self._losses) + 1), thing, self._lr))
            self._losses.append(values[0])
        self._noted.clear()
        return self._losses


def require_finite_weights(network: nn.Module, where: str, lr: float) -> None:
    """Check all weights and biases, with one look at the device. `where` is such as `epoch 1`. Raises NotFiniteError:
    names what is not finite, and what to try."""
    if wrong := _not_finite(dict(network.named_parameters())):
        raise NotFiniteError(_advice(where, f"weight of {wrong}", lr))


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    total = torch.stack([tensor.detach().sum() for tensor in tensors.values()]).sum()  # ten times as fast as a norm
    if math.isfinite(total.item()):
        return None
    found = (name for name, tensor in tensors.items() if not tensor.isfinite().all())
    return next(found, "all together")  # finite ones whose sum is not


def _advice(where: str, wrong: str, lr: float) -> str:
    return (
        f"{where}: the {wrong} is NaN or infinite; try a lower lr (found {lr:g}), and check threshold, surrogate.slope "
        "and encoding of the model"
    )
