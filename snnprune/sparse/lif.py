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

NONE = np.zeros(0, np.float32)


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


@dataclass(frozen=True)
class Layout:
    """How a current [T, B, ...], or a constant one [B, ...] for `steps`, lies in memory, and its spikes [T, B, ...]."""

    in_rows: bool
    shape: tuple[int, ...]
    given: Places
    out: Places

    @classmethod
    def of(cls, current: Tensor, steps: int | None, neurons: Neurons) -> "Layout":
        """Neurons that differ have their values in rows."""
        in_rows, constant = lie_in_rows(current) or not neurons.are_alike, steps is not None
        shape = (steps, *current.shape) if constant else tuple(current.shape)
        return cls(in_rows, shape, Places.of(current.shape, in_rows, constant), Places.of(shape, in_rows, False))

    def empty(self) -> Tensor:
        """Room for values [T, B, ...]; in rows it is [N, T, B]."""
        return torch.empty((self.shape[-1], *self.shape[:-1]) if self.in_rows else self.shape)

    def time_major(self, values: Tensor) -> Tensor:
        """Such values as [T, B, ...]."""
        return values.movedim(0, -1) if self.in_rows else values


def run(
    current: Tensor,
    steps: int | None,
    neurons: Neurons,
    drop: float = 0.0,
    bias: Tensor | None = None,
    *,
    membrane: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Spikes [T, B, ...] of a current [T, B, ...], or [B, ...] with `steps`: the same at every step. With a beta or
    threshold for each neuron the current is [T, B, N] or [B, N]; a bias [N] is yet to be added to one that lies in
    rows. With the probability `drop` a neuron is silent for a sample, at all steps; the others' spikes count
    1 / (1 - drop), the second result, as it lies in memory (0 by 0: all count 1). `membrane`, if given, is room from
    `Layout.empty` for the potentials."""
    layout = Layout.of(current, steps, neurons)
    spikes, out = layout.empty(), layout.out
    scale = functional.dropout(torch.ones(out.rows, out.width), drop) if drop else torch.empty(0, 0)
    by_rows(
        kernels.integrate, out.rows, *driven_by(current, bias, neurons, layout), scale.numpy(), layout.shape[0],
        out.width, NONE if membrane is None else _flat(membrane), _flat(spikes), out.row, out.step,
    )  # fmt: skip
    return layout.time_major(spikes), scale


def membrane_potentials(current: Tensor, steps: int | None, neurons: Neurons) -> Tensor:
    """Those of `run`, [T, B, ...]."""
    layout = Layout.of(current, steps, neurons)
    potentials = layout.empty()
    run(current, steps, neurons, membrane=potentials)
    return layout.time_major(potentials)


class Lif(torch.autograd.Function):
    """Spikes [T, B, ...] by `run`, and the gradient by the surrogate's derivative:
    dL/dI[t] = dL/dS[t] * surrogate'(U[t] - threshold) + dU[t+1]/dU[t] * dL/dI[t+1]."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, steps: int | None, neurons: Neurons, drop: float = 0.0, bias: Tensor | None = None
    ) -> Tensor:
        spikes, scale = run(current, steps, neurons, drop, bias)
        ctx.save_for_backward(current, scale, bias)
        ctx.steps, ctx.neurons = steps, neurons
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor | None, ...]:
        current, scale, bias = ctx.saved_tensors
        grad, grad_bias = gradients(current, ctx.steps, ctx.neurons, scale, bias, grad_spikes)
        return grad, None, None, None, grad_bias


def gradients(
    current: Tensor, steps: int | None, neurons: Neurons, scale: Tensor, bias: Tensor | None, grad_spikes: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Those of the current and the bias, from that of the spikes [T, B, ...] of `run`."""
    layout = Layout.of(current, steps, neurons)
    given, out = layout.given, layout.out
    grad = torch.empty_like(in_memory(current, layout.in_rows))
    grad_bias = None if bias is None else torch.empty_like(bias)
    by_rows(
        kernels.differentiate, out.rows, *driven_by(current, bias, neurons, layout), scale.numpy(), neurons.is_atan,
        neurons.slope, layout.shape[0], out.width, _flat(in_memory(grad_spikes, layout.in_rows)), out.row, out.step,
        _flat(grad), given.row, given.step, NONE if grad_bias is None else grad_bias.numpy(),
    )  # fmt: skip
    return layout.time_major(grad), grad_bias


def driven_by(current: Tensor, bias: Tensor | None, neurons: Neurons, layout: Layout) -> tuple[Any, ...]:
    """What `integrate` and `differentiate` take first: current, row, step, bias, beta, threshold, to_zero."""
    rows = layout.out.rows
    return (
        _flat(in_memory(current, layout.in_rows)), layout.given.row, layout.given.step,
        NONE if bias is None else bias.detach().numpy(), _each(neurons.beta, rows), _each(neurons.threshold, rows),
        neurons.to_zero,
    )  # fmt: skip


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().view(-1).numpy()


def _each(value: float | Tensor, rows: int) -> np.ndarray:
    if torch.is_tensor(value):
        return value.detach().expand(rows).contiguous().numpy()
    return np.full(rows, value, np.float32)
