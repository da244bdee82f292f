"""Surrogate derivatives of the spike, written as snnTorch writes them, for the fused LIF."""

import math
from collections.abc import Callable

import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor

from snnprune.snn.params import Surrogate


def atan_derivative(distance: Tensor, slope: float) -> Tensor:
    """`slope/2 / (1 + (pi/2 * slope * x)^2)` of x = U - threshold, any shape (snntorch.surrogate.ATan)."""
    scaled = distance * (math.pi / 2 * slope)
    return scaled.square_().add_(1).reciprocal_().mul_(slope / 2)


def fast_sigmoid_derivative(distance: Tensor, slope: float) -> Tensor:
    """`1 / (slope * |x| + 1)^2` of x = U - threshold, any shape (snntorch.surrogate.FastSigmoid)."""
    return distance.abs().mul_(slope).add_(1).square_().reciprocal_()


DERIVATIVES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "atan": atan_derivative,
    "fast_sigmoid": fast_sigmoid_derivative,
}


def snntorch_function(surrogate: Surrogate) -> Callable[[Tensor], Tensor]:
    """The same surrogate as snnTorch's own `spike_grad` function."""
    if surrogate.name == "atan":
        return snntorch_surrogate.atan(alpha=surrogate.slope)
    return snntorch_surrogate.fast_sigmoid(slope=surrogate.slope)


def derivative(surrogate: Surrogate, distance: Tensor) -> Tensor:
    """The surrogate derivative at `distance` = U - threshold; a new tensor of the same shape."""
    with torch.no_grad():
        return DERIVATIVES[surrogate.name](distance, surrogate.slope)
