"""Neurons and the sparse linear layer that they feed, as one function. Backwards, a neuron's gradients go from the
synapses that leave it to its current while they are in the nearest cache: neither they nor the spikes are kept for all
neurons, and what comes back from the layer is read once for both the synapses' gradients and the neuron's.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from snnprune.sparse import kernels
from snnprune.sparse.compiled import compiled
from snnprune.sparse.kernels import ONE, SUMS, ZERO, advance, retreat
from snnprune.sparse.lif import NONE, Layout, Neurons, driven_by, in_memory, run
from snnprune.sparse.linear import Synapses
from snnprune.sparse.threads import by_rows


@compiled(**SUMS)
def differentiate_fed(
    first, last, current, row, step, bias, beta, threshold, to_zero, scale, is_atan, slope, steps, width, starts,
    indices, values, gradient, out, out_values, out_bias,
):  # fmt: skip
    """`kernels.differentiate` of the neurons `first` to `last`, whose spikes' gradient comes from the synapses that
    leave them: starts, indices and values are the transposed weight's (CSR), gradient [outputs, steps * width] is
    dL/dI of what they feed. out: dL/dI, flat, lying as the current does; where `step` is 0, the sum over the steps.
    out_values: dL/dw of the synapses, in their order; out_bias [neurons], or [0]: dL/db."""
    length = steps * width
    membrane, spikes, grad = np.empty(length, np.float32), np.empty(length, np.float32), np.empty(length, np.float32)
    state, later, total = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    steep = np.float32(slope)
    for j in range(first, last):
        decay, limit, offset = beta[j], threshold[j], bias[j] if len(bias) else ZERO
        for t in range(steps):
            now = current[j * row + t * step : j * row + t * step + width]
            advance(state, now, offset, decay, limit, to_zero, t == 0)
            kept, spike = membrane[t * width : t * width + width], spikes[t * width : t * width + width]
            if len(scale):
                for c in range(width):
                    kept[c] = state[c]
                    spike[c] = scale[j, c] if state[c] > limit else ZERO
            else:
                for c in range(width):
                    kept[c] = state[c]
                    spike[c] = ONE if state[c] > limit else ZERO
        for c in range(length):
            grad[c] = ZERO
        p, end = starts[j], starts[j + 1]
        while p + 4 <= end:
            w0, w1, w2, w3 = values[p], values[p + 1], values[p + 2], values[p + 3]
            x0, x1 = gradient[indices[p]], gradient[indices[p + 1]]
            x2, x3 = gradient[indices[p + 2]], gradient[indices[p + 3]]
            a0, a1, a2, a3 = ZERO, ZERO, ZERO, ZERO
            for c in range(length):
                grad[c] += w0 * x0[c] + w1 * x1[c] + w2 * x2[c] + w3 * x3[c]
                a0 += spikes[c] * x0[c]
                a1 += spikes[c] * x1[c]
                a2 += spikes[c] * x2[c]
                a3 += spikes[c] * x3[c]
            out_values[p], out_values[p + 1], out_values[p + 2], out_values[p + 3] = a0, a1, a2, a3
            p += 4
        while p < end:
            w, x, a = values[p], gradient[indices[p]], ZERO
            for c in range(length):
                grad[c] += w * x[c]
                a += spikes[c] * x[c]
            out_values[p] = a
            p += 1
        for c in range(width):
            later[c], total[c] = ZERO, ZERO
        for t in range(steps - 1, -1, -1):
            potential, given = membrane[t * width : t * width + width], grad[t * width : t * width + width]
            if len(scale):
                for c in range(width):
                    given[c] *= scale[j, c]
            retreat(later, total, potential, given, decay, limit, to_zero, is_atan, steep)
            if step:
                place = out[j * row + t * step : j * row + t * step + width]
                for c in range(width):
                    place[c] = later[c]
        if step == 0:
            place = out[j * row : j * row + width]
            for c in range(width):
                place[c] = total[c]
        if len(out_bias):
            out_bias[j] = total.sum()


class SparseSpikeProduct(torch.autograd.Function):
    """Current [T, B, outputs], lying in rows, of a sparse linear layer fed by neurons, whose own current is [T, B, N],
    or [B, N] with `steps`: the same at every step. before [N]: a bias yet to be added to the neurons' current.
    values, bias, synapses: the layer's. drop: see `snnprune.sparse.lif.run`."""

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        steps: int | None,
        neurons: Neurons,
        drop: float,
        before: Tensor | None,
        values: Tensor,
        bias: Tensor | None,
        synapses: Synapses,
    ) -> Tensor:
        current = in_memory(current, True).movedim(0, -1)
        spikes, scale = run(current, steps, neurons, drop, before)
        rows = in_memory(spikes, True).flatten(1)
        out = torch.empty(synapses.shape[0], rows.shape[1])
        by_rows(
            kernels.multiply, len(out), synapses.starts, synapses.indices, values.detach().numpy(),
            NONE if bias is None else bias.detach().numpy(), rows.numpy(), out.numpy(),
        )  # fmt: skip
        ctx.save_for_backward(current, scale, before, values)
        ctx.steps, ctx.neurons, ctx.synapses, ctx.has_bias = steps, neurons, synapses, bias is not None
        return out.view(-1, *spikes.shape[:-1]).movedim(0, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (current, scale, before, values), synapses, neurons = ctx.saved_tensors, ctx.synapses, ctx.neurons
        layout = Layout.of(current, ctx.steps, neurons)
        from_outputs = in_memory(grad, True).flatten(1)
        out = torch.empty_like(in_memory(current, True))
        back, grad_values = torch.empty_like(values), torch.empty_like(values)
        grad_before = None if before is None else torch.empty_like(before)
        by_rows(
            differentiate_fed, len(out), *driven_by(current, before, neurons, layout), scale.numpy(), neurons.is_atan,
            neurons.slope, layout.shape[0], layout.out.width, synapses.back_starts, synapses.back_indices,
            values.detach()[synapses.places].numpy(), from_outputs.numpy(), out.view(-1).numpy(), back.numpy(),
            NONE if grad_before is None else grad_before.numpy(),
        )  # fmt: skip
        grad_values[synapses.places] = back
        grad_bias = from_outputs.sum(1) if ctx.has_bias else None
        return out.movedim(0, -1), None, None, None, grad_before, grad_values, grad_bias, None
