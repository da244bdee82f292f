"""LIF neurons over all time steps as one autograd function on the compiled kernels: float32 on the CPU.

Values [T, B, N] (or [B, N]) may lie in memory *in rows*: one neuron's values of all steps and samples side by side, as
the sparse kernels want them. It is a matter of strides alone; the neurons leave values lying as they find them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from snnprune.sparse import kernels
from snnprune.sparse.threads import by_rows


@dataclass(frozen=True)
class Neurons:
    """What `snntorch.Leaky` is set to. beta, threshold: one value, or one for each neuron [N]. The surrogate's
    derivative is that of arctan (`is_atan`) or of the fast sigmoid, with its `slope`."""

    beta: float | Tensor
    threshold: float | Tensor
    to_zero: bool
    is_atan: bool
    slope: float

    @property
    def are_alike(self) -> bool:
        """One beta and one threshold for all."""
        return not torch.is_tensor(self.beta) and not torch.is_tensor(self.threshold)


@dataclass(frozen=True)
class Places:
    """Where the values of T steps lie in flat memory: rows of `width` values, `row` and `step` apart (step 0: the same
    at every step)."""

    rows: int
    width: int
    row: int
    step: int

    @classmethod
    def of(cls, shape: tuple[int, ...], in_rows: bool, constant: bool) -> "Places":
        """Of values [T, B, ...], or constant ones [B, ...]."""
        batch = shape[0] if constant else shape[1]
        if in_rows:
            return cls(shape[-1], batch, batch if constant else shape[0] * batch, 0 if constant else batch)
        width = int(np.prod(shape[1:] if constant else shape[2:]))
        return cls(batch, width, width, 0 if constant else batch * width)


def lie_in_rows(values: Tensor) -> bool:
    """Whether each neuron's values [T, B, N], or [B, N], lie side by side."""
    return values.dim() in (2, 3) and values.movedim(-1, 0).is_contiguous()


def in_memory(values: Tensor, in_rows: bool) -> Tensor:
    """Values as they are to lie, [N, T, B] or [T, B, ...], contiguous; a copy only where they lie otherwise."""
    return (values.movedim(-1, 0) if in_rows else values).contiguous()


def run(current: Tensor, steps: int | None, neurons: Neurons, drop: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Membrane potentials and spikes, both [T, B, ...], of a current [T, B, ...], or [B, ...] with `steps`: the same at
    every step. With a beta or threshold for each neuron the current is [T, B, N] or [B, N]. With the probability `drop`
    a neuron is silent for a sample, at all steps; the others' spikes count 1 / (1 - drop), the third result, as it lies
    in memory (0 by 0: all count 1)."""
    constant = steps is not None
    in_rows = lie_in_rows(current) or not neurons.are_alike
    total, shape = (steps, current.shape) if constant else (current.shape[0], current.shape[1:])
    size = (shape[-1], total, shape[0]) if in_rows else (total, *shape)
    membrane, spikes = torch.empty(size), torch.empty(size)
    given, out = Places.of(current.shape, in_rows, constant), Places.of((total, *shape), in_rows, False)
    scale = functional.dropout(torch.ones(out.rows, out.width), drop) if drop else torch.empty(0, 0)
    by_rows(
        kernels.integrate, out.rows, _flat(in_memory(current, in_rows)), given.row, given.step,
        _each(neurons.beta, out.rows), _each(neurons.threshold, out.rows), neurons.to_zero, scale.numpy(), total,
        out.width, _flat(membrane), _flat(spikes), out.row, out.step,
    )  # fmt: skip
    if in_rows:
        return membrane.permute(1, 2, 0), spikes.permute(1, 2, 0), scale
    return membrane, spikes, scale


class Lif(torch.autograd.Function):
    """Spikes [T, B, ...] by `run`, and the gradient by the surrogate's derivative:
    dL/dI[t] = dL/dS[t] * surrogate'(U[t] - threshold) + dU[t+1]/dU[t] * dL/dI[t+1]."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, steps: int | None, neurons: Neurons, drop: float = 0.0) -> Tensor:
        membrane, spikes, scale = run(current, steps, neurons, drop)
        ctx.save_for_backward(membrane, scale)
        ctx.constant, ctx.neurons = steps is not None, neurons
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor | None, ...]:
        (membrane, scale), neurons = ctx.saved_tensors, ctx.neurons
        in_rows = lie_in_rows(membrane)
        shape = membrane.shape[1:] if ctx.constant else membrane.shape
        grad = torch.empty((shape[-1], *shape[:-1]) if in_rows else shape)
        given, out = Places.of(membrane.shape, in_rows, False), Places.of(shape, in_rows, ctx.constant)
        by_rows(
            kernels.differentiate, given.rows, _flat(in_memory(membrane, in_rows)),
            _flat(in_memory(grad_spikes, in_rows)), given.row, given.step, _each(neurons.beta, given.rows),
            _each(neurons.threshold, given.rows), neurons.to_zero, scale.numpy(), neurons.is_atan, neurons.slope,
            len(membrane), given.width, _flat(grad), out.row, out.step,
        )  # fmt: skip
        return grad.movedim(0, -1) if in_rows else grad, None, None, None


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().view(-1).numpy()


def _each(value: float | Tensor, rows: int) -> np.ndarray:
    if torch.is_tensor(value):
        return value.detach().expand(rows).contiguous().numpy()
    return np.full(rows, value, np.float32)
