"""The first layer of a network on frames of events, at a cost that follows the events: of 100 values some 92 are zero.

In milliseconds for 128 recordings of N-MNIST and 2312-256, T = 10, one thread, the product and the weight's gradient
together: 28 as dense products, and 1.6, 7.9, 13, 35 by the loops over the synapses that are left at a density of 0.02,
0.1, 0.2, 0.5; 9 by the loops here, whatever the density. So a layer of few synapses runs by those loops, one of many by
these. To skip blocks of 16 samples without an event (65 % of them) in the loops over synapses took three times as long
or more; to follow both, events and synapses, took 5.2, 9.9, 14 and 27.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from snnprune.sparse import kernels
from snnprune.sparse.compiled import compiled
from snnprune.sparse.kernels import EXACT, SUMS, ZERO
from snnprune.sparse.lif import lie_in_rows
from snnprune.sparse.threads import by_rows

SAMPLES_FROM = 16  # with fewer, to transpose the weight costs more than it saves
ACTIVE_UP_TO = 0.25  # share of values that are not zero up to which events are faster than a dense product
CHUNK = 16  # values looked at together, most often all of them zero


@compiled(**EXACT)
def gather_frames(first, last, frames, chosen, shift, out):
    """out [B, T, C, H, W], zero before, = frames [N, T, C, H, W] of the samples chosen [B], each moved by whole pixels
    and steps: what is seen at (y, x) of step t was at (y + shift[b, 0], x + shift[b, 1]) of step t + shift[b, 2], or is
    0 where that is outside. `first` to `last`: of the B."""
    steps, channels, height, width = frames.shape[1:]
    for b in range(first, last):
        sample, (down, right, later) = frames[chosen[b]], shift[b]
        left, end = max(0, right), min(width, width + right)
        for t in range(max(0, later), min(steps, steps + later)):
            for c in range(channels):
                for y in range(max(0, down), min(height, height + down)):
                    row = sample[t, c, y]
                    for x in range(left, end):
                        if row[x]:
                            out[b, t - later, c, y - down, x - right] = row[x]


@compiled(**EXACT)
def count_active(first, last, matrix, counts):
    """counts[r] = how many values of the row matrix[r] are not zero."""
    for r in range(first, last):
        count = 0
        for c in range(matrix.shape[1]):
            count += matrix[r, c] != ZERO
        counts[r] = count


@compiled(**EXACT)
def list_active(first, last, matrix, starts, indices, values):
    """Where matrix [R, C] is not zero, row by row: the columns indices[starts[r]..starts[r + 1]] and their values."""
    for r in range(first, last):
        row, p = matrix[r], starts[r]
        for chunk in range(0, len(row), CHUNK):
            end, active = min(chunk + CHUNK, len(row)), False
            for c in range(chunk, end):
                active |= row[c] != ZERO
            if active:
                for c in range(chunk, end):
                    if row[c] != ZERO:
                        indices[p], values[p] = c, row[c]
                        p += 1


@compiled(**SUMS)
def scatter(first, last, starts, indices, values, inputs, out):
    """out[indices[p]] += values[p] * inputs[r] over the rows r and their p = starts[r] to starts[r + 1]; of the columns
    `first` to `last` of inputs [R, K] and out [C, K]."""
    for r in range(len(starts) - 1):
        row = inputs[r, first:last]
        for p in range(starts[r], starts[r + 1]):
            v, total = values[p], out[indices[p], first:last]
            for c in range(len(row)):
                total[c] += v * row[c]


@dataclass(frozen=True)
class Active:
    """The values of a matrix [rows, columns] that are not zero, row by row (CSR)."""

    shape: tuple[int, int]
    starts: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, matrix: Tensor, most: float) -> "Active | None":
        """Those of a contiguous float32 `matrix`; None if they are more than the share `most`."""
        shape, given = tuple(matrix.shape), matrix.detach().numpy()
        counts = np.empty(shape[0], np.int64)
        by_rows(count_active, shape[0], given, counts)
        starts = np.concatenate([[0], counts.cumsum()])
        if starts[-1] > most * matrix.numel():
            return None
        kind = np.uint16 if shape[1] <= 1 << 16 else np.uint32
        indices, values = np.empty(starts[-1], kind), np.empty(starts[-1], np.float32)
        by_rows(list_active, shape[0], given, starts, indices, values)
        return cls(shape, starts, indices, values)

    def times(self, inputs: Tensor) -> Tensor:
        """The matrix times inputs [columns, K], [rows, K]."""
        out = torch.empty(self.shape[0], inputs.shape[1])
        none = np.empty(0, np.float32)
        by_rows(kernels.multiply, len(out), self.starts, self.indices, self.values, none, inputs.numpy(), out.numpy())
        return out

    def transposed_times(self, inputs: Tensor) -> Tensor:
        """The transposed matrix times inputs [rows, K], [columns, K]."""
        out = torch.zeros(self.shape[1], inputs.shape[1])
        by_rows(scatter, inputs.shape[1], self.starts, self.indices, self.values, inputs.numpy(), out.numpy())
        return out


class EventProduct(torch.autograd.Function):
    """Current [samples, outputs] of the active inputs of `samples`, by the transposed weight [inputs, outputs]. The
    inputs have no gradient. `by_input`: a row of `active` is an input, not a sample."""

    @staticmethod
    def forward(ctx: Any, active: Active, by_input: bool, weight: Tensor, bias: Tensor | None) -> Tensor:
        transposed = weight.detach().t().contiguous()
        out = active.transposed_times(transposed) if by_input else active.times(transposed)
        ctx.active, ctx.by_input, ctx.has_bias = active, by_input, bias is not None
        return out if bias is None else out.add_(bias.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad = grad.contiguous()
        transposed = ctx.active.times(grad) if ctx.by_input else ctx.active.transposed_times(grad)
        return None, None, transposed.t().contiguous(), grad.sum(0) if ctx.has_bias else None


class EventLinear(nn.Linear):
    """A linear layer whose input is frames of events: only values that are not zero cost anything. It computes what
    `nn.Linear` does, in another order of summation."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Current [..., outputs] of inputs [T, B, inputs], whose gradient is not wanted, or of one step's."""
        active = self._active(inputs) if inputs.dim() == 3 else None
        if active is None:
            return functional.linear(inputs, self.weight, self.bias)
        return EventProduct.apply(active, lie_in_rows(inputs), self.weight, self.bias).unflatten(0, inputs.shape[:2])

    def _active(self, inputs: Tensor) -> Active | None:
        is_compiled = inputs.dtype == torch.float32 and inputs.device.type == "cpu" and not inputs.requires_grad
        if not is_compiled or inputs.shape[1] < SAMPLES_FROM:
            return None
        matrix = inputs.movedim(-1, 0).flatten(1) if lie_in_rows(inputs) else inputs.flatten(0, 1).contiguous()
        return Active.of(matrix, ACTIVE_UP_TO)
