"""The leaky integrate-and-fire layer over all time steps in one autograd function: `snnprune.sparse.lif` for float32 on
the CPU, and the one here for all else (CUDA, float64).

Equations (snntorch.Leaky with its default reset delay; S[-1] = 0, U[-1] = 0, reset path detached):

    reset by subtraction   U[t] = beta * U[t-1] + I[t] - threshold * S[t-1]
    reset to zero          U[t] = beta * (1 - S[t-1]) * U[t-1] + I[t]
    spike                  S[t] = 1 if U[t] > threshold else 0

The operations run in snnTorch's order, so that spikes agree bit for bit; gradients agree to float32 rounding.
"""

import math
from collections.abc import Callable
from typing import Any

import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from snnprune.core.params import Surrogate
from snnprune.sparse import lif as compiled
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.sparse_spikes import SparseSpikeProduct
from snnprune.sparse.spikes import SpikeProduct


@torch.no_grad()
def derivative(surrogate: Surrogate, distance: Tensor) -> Tensor:
    """The surrogate's derivative at x = U - threshold of any shape, written as snnTorch writes it. `atan`: slope/2 / (1
    + (pi/2 * slope * x)^2). `fast_sigmoid`: 1 / (slope * |x| + 1)^2."""
    if surrogate.name == "atan":
        scaled = distance * (math.pi / 2 * surrogate.slope)
        return scaled.square_().add_(1).reciprocal_().mul_(surrogate.slope / 2)
    return distance.abs().mul_(surrogate.slope).add_(1).square_().reciprocal_()


def snntorch_function(surrogate: Surrogate) -> Callable[[Tensor], Tensor]:
    """The same surrogate as snnTorch's own `spike_grad` function, whose spikes, float32 there, have the type of x."""
    if surrogate.name == "atan":
        spike_of = snntorch_surrogate.atan(alpha=surrogate.slope)
    else:
        spike_of = snntorch_surrogate.fast_sigmoid(slope=surrogate.slope)
    return lambda distance: spike_of(distance).to(distance.dtype)


class MultiStepLeaky(snntorch.Leaky):
    """`snntorch.Leaky` that can also run all T steps at once; called on one step it is plain snnTorch."""

    def __init__(self, beta: float, threshold: float, reset: str, surrogate: Surrogate) -> None:
        super().__init__(beta=beta, threshold=threshold, reset_mechanism=reset, spike_grad=snntorch_function(surrogate))
        self.surrogate = surrogate

    def multi_step(
        self, current: Tensor, steps: int | None = None, drop: float = 0.0, bias: Tensor | None = None
    ) -> Tensor:
        """Spikes [T, B, ...] for an input current [T, B, ...], or for a constant one [B, ...] when `steps` is given.
        With the probability `drop` a neuron's spikes are dropped, see `snnprune.core.network.MultiStepDropout`. `bias`
        [N] is added to a current [..., N] that lies in rows (`snnprune.sparse.lif`)."""
        if is_compiled(current):
            return compiled.Lif.apply(current, steps, self.neurons(), drop, bias)
        spikes = FusedLif.apply(
            current, steps, self.beta.item(), self.threshold.item(), self.reset_mechanism == "zero", self.surrogate
        )
        return spikes * functional.dropout(torch.ones_like(spikes[0]), drop) if drop else spikes

    def multi_step_into(
        self, linear: nn.Linear | SparseLinear, current: Tensor, steps: int | None, drop: float, bias: Tensor | None
    ) -> Tensor:
        """The current [T, B, outputs] of the linear layer that these neurons feed, both as one function; the rest is as
        in `multi_step`, for a current [T, B, N] or [B, N]. A dense layer takes no bias."""
        if isinstance(linear, SparseLinear):
            return SparseSpikeProduct.apply(
                current, steps, self.neurons(), drop, bias, linear.values, linear.bias, linear.synapses
            )
        return SpikeProduct.apply(current, steps, self.neurons(), drop, linear.weight, linear.bias)

    def surrogate_derivative(self, current: Tensor, steps: int | None = None) -> Tensor:
        """The surrogate's derivative at the membrane potential [T, B, ...], for a current as in `multi_step`."""
        threshold = self.threshold.item()
        if is_compiled(current):
            membrane = compiled.membrane_potentials(current, steps, self.neurons())
        else:
            to_zero = self.reset_mechanism == "zero"
            membrane, _ = integrate(current.detach(), steps, self.beta.item(), threshold, to_zero)
        return derivative(self.surrogate, membrane - threshold)

    def neurons(self) -> compiled.Neurons:
        """The same for the compiled loops."""
        return compiled.Neurons(
            beta=_one_or_each(self.beta),
            threshold=_one_or_each(self.threshold),
            to_zero=self.reset_mechanism == "zero",
            is_atan=self.surrogate.name == "atan",
            slope=self.surrogate.slope,
        )


def _one_or_each(value: Tensor) -> float | Tensor:
    return value.item() if value.numel() == 1 else value


def is_compiled(values: Tensor) -> bool:
    """Whether the compiled loops take such values."""
    return values.device.type == "cpu" and values.dtype == torch.float32


def integrate(
    current: Tensor, steps: int | None, beta: float, threshold: float, reset_to_zero: bool
) -> tuple[Tensor, Tensor]:
    """Membrane potentials and spikes, both [T, B, ...]. With `steps`, `current` [B, ...] is the same at every step."""
    total = current.shape[0] if steps is None else steps
    shape = current.shape[1:] if steps is None else current.shape
    membrane = current.new_empty((total, *shape))
    spikes = torch.empty_like(membrane)
    currents = current.unbind(0) if steps is None else (current,) * steps
    last_potential = last_spike = None
    for now, potential, spike in zip(currents, membrane.unbind(0), spikes.unbind(0), strict=True):
        if last_potential is None:
            potential.copy_(now)
        elif reset_to_zero:
            torch.mul(last_potential, beta, out=potential)
            potential.masked_fill_(last_spike != 0, 0.0).add_(now)
        else:
            torch.mul(last_potential, beta, out=potential)
            potential.add_(now).sub_(last_spike, alpha=threshold)
        torch.gt(potential, threshold, out=spike)
        last_potential, last_spike = potential, spike
    return membrane, spikes


class FusedLif(torch.autograd.Function):
    """Forward and backward of the module's equations over time-major tensors [T, B, ...], float32 or float64."""

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        steps: int | None,
        beta: float,
        threshold: float,
        reset_to_zero: bool,
        surrogate: Surrogate,
    ) -> Tensor:
        """Spikes [T, B, ...]. With `steps`, `current` [B, ...] is the same at every step."""
        membrane, spikes = integrate(current, steps, beta, threshold, reset_to_zero)
        ctx.save_for_backward(membrane, spikes)
        ctx.constant = steps is not None
        ctx.beta, ctx.threshold, ctx.reset_to_zero, ctx.surrogate = beta, threshold, reset_to_zero, surrogate
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor | None, ...]:
        """dL/dI[t] = dL/dS[t] * surrogate'(U[t] - threshold) + dU[t+1]/dU[t] * dL/dI[t+1]."""
        membrane, spikes = ctx.saved_tensors
        grad = torch.zeros_like(membrane[0]) if ctx.constant else torch.empty_like(membrane)
        later = None
        # The surrogate is taken one step at a time too: temporaries over all T leave the cache and cost page faults.
        for t in reversed(range(len(membrane))):
            now = derivative(ctx.surrogate, membrane[t] - ctx.threshold).mul_(grad_spikes[t])
            if later is not None and ctx.reset_to_zero:
                now.addcmul_(later, 1 - spikes[t], value=ctx.beta)
            elif later is not None:
                now.add_(later, alpha=ctx.beta)
            if ctx.constant:
                grad.add_(now)
            else:
                grad[t] = now
            later = now
        return grad, None, None, None, None, None
