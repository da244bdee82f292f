"""Neurons and the dense linear layer that they feed, as one function whose cost follows the spikes: at most steps most
neurons are silent, and a silent neuron adds nothing to a product or to a weight's gradient.

In milliseconds for 256 samples of 256 neurons and 128 outputs, T = 10, one thread, 15 % of the spikes: the neurons and
the list of their spikes 0.21, the product 0.42 (dense: 1.6), the weight's gradient 0.80 (dense: 1.6).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from snnprune.sparse.compiled import compiled
from snnprune.sparse.kernels import EXACT, SUMS, ZERO, advance
from snnprune.sparse.lif import Layout, Neurons, driven_by, gradients
from snnprune.sparse.threads import by_rows

OUTPUTS_FROM = 32  # with fewer, a dense product is as fast
RATE_UP_TO = 0.35  # spikes per neuron and step up to which lists are faster than dense products


@compiled(**EXACT)
def list_spikes(
    first, last, current, row, step, bias, beta, threshold, to_zero, scale, steps, width, samples, indices, counts
):
    """LIF neurons as `kernels.integrate` has them, of the samples `first` to `last`: which of the `width` neurons spike
    at step t of sample b, indices[r * width..r * width + counts[r]] with r = t * samples + b. bias: not used."""
    state = np.empty(width, np.float32)
    for b in range(first, last):
        limit = threshold[b]
        for t in range(steps):
            now = current[b * row + t * step : b * row + t * step + width]
            advance(state, now, ZERO, beta[b], limit, to_zero, t == 0)
            r, count = t * samples + b, 0
            found = indices[r * width : r * width + width]
            if len(scale):
                for c in range(width):
                    found[count] = c
                    count += (state[c] > limit) & (scale[b, c] != ZERO)
            else:
                for c in range(width):
                    found[count] = c
                    count += state[c] > limit
            counts[r] = count


@compiled(**SUMS)
def add_listed(first, last, indices, counts, width, weight, bias, out):
    """out[r] = bias + the sum of weight[i] over the i listed for r; bias [0]: none."""
    for r in range(first, last):
        total, found = out[r], indices[r * width : r * width + counts[r]]
        if len(bias):
            for c in range(len(total)):
                total[c] = bias[c]
        else:
            total[:] = ZERO
        p = 0
        while p + 4 <= len(found):
            w0, w1, w2, w3 = weight[found[p]], weight[found[p + 1]], weight[found[p + 2]], weight[found[p + 3]]
            for c in range(len(total)):
                total[c] += w0[c] + w1[c] + w2[c] + w3[c]
            p += 4
        while p < len(found):
            w = weight[found[p]]
            for c in range(len(total)):
                total[c] += w[c]
            p += 1


@compiled(**SUMS)
def add_to_listed(first, last, indices, counts, width, inputs, out):
    """out[i] += inputs[r] over the r and the i listed for r; of the columns `first` to `last`."""
    for r in range(len(counts)):
        row = inputs[r, first:last]
        for i in indices[r * width : r * width + counts[r]]:
            total = out[i, first:last]
            for c in range(len(row)):
                total[c] += row[c]


@compiled(**EXACT)
def spread(first, last, indices, counts, width, value, out):
    """out[r, i] = value for the i listed for r; out is zero before."""
    for r in range(first, last):
        for i in indices[r * width : r * width + counts[r]]:
            out[r, i] = value


class SpikeProduct(torch.autograd.Function):
    """Current [T, B, outputs] of a linear layer fed by neurons, whose own current is [T, B, N], or [B, N] with `steps`:
    the same at every step. The neurons are alike and more than one. drop: see `snnprune.sparse.lif.run`."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, steps: int | None, neurons: Neurons, drop: float, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        current = current.contiguous()  # one that lies in rows is copied, which costs less than dense products
        layout = Layout.of(current, steps, neurons)
        total, samples, width = layout.shape
        scale = functional.dropout(torch.ones(samples, width), drop) if drop else torch.empty(0, 0)
        rows = total * samples
        indices = np.empty(rows * width, np.uint16 if width <= 1 << 16 else np.uint32)
        counts = np.empty(rows, np.int32)
        by_rows(
            list_spikes, samples, *driven_by(current, None, neurons, layout), scale.numpy(), total, width, samples,
            indices, counts,
        )  # fmt: skip
        value = 1 / (1 - drop)
        spikes = None
        if counts.sum() > RATE_UP_TO * rows * width:
            spikes = torch.zeros(rows, width)
            by_rows(spread, rows, indices, counts, width, np.float32(value), spikes.numpy())
            out = functional.linear(spikes, weight, bias)
        else:
            out = torch.empty(rows, len(weight))
            transposed = (weight.detach().t() * value).contiguous().numpy()
            added = np.empty(0, np.float32) if bias is None else bias.detach().numpy()
            by_rows(add_listed, rows, indices, counts, width, transposed, added, out.numpy())
        ctx.save_for_backward(current, weight, scale, spikes)
        ctx.lists, ctx.value, ctx.steps, ctx.neurons, ctx.has_bias = (
            (indices, counts),
            value,
            steps,
            neurons,
            bias is not None,
        )
        return out.view(total, samples, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        current, weight, scale, spikes = ctx.saved_tensors
        flat = grad.contiguous().flatten(0, 1)
        if spikes is None:
            back = torch.zeros(weight.shape[1], weight.shape[0])
            by_rows(add_to_listed, len(weight), *ctx.lists, len(back), flat.numpy(), back.numpy())
            grad_weight = (back * ctx.value).t().contiguous()
        else:
            grad_weight = flat.t() @ spikes
        grad_spikes = (flat @ weight).view(*grad.shape[:2], -1)
        grad_current, _ = gradients(current, ctx.steps, ctx.neurons, scale, None, grad_spikes)
        return grad_current, None, None, None, grad_weight, flat.sum(0) if ctx.has_bias else None
